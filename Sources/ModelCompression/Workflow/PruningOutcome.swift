internal import Experiments
internal import Networks
internal import Torch
internal import TorchNN

/// What came of a pruning, for its report.
struct PruningOutcome {
    let configuration: NetworkPruningConfiguration
    let before: GraphNetwork
    let after: GraphNetwork
    /// Of the network before and after.
    let measurements: [NetworkMeasurement]
    /// How layers with zeros are computed fastest.
    let choices: [LayerChoice]
    /// Trained and measured on; nil for none.
    let examples: (training: Int, test: Int)?
    let isText: Bool

    private var method: String {
        configuration.goal.means == .weights ? "magnitude pruning" : "channels cut by \(configuration.criterion.rawValue)"
    }

    /// For the record of the export.
    var details: ExportDetails {
        var details = ExportDetails(method: method)
        let goal = configuration.goal
        details.settings = [
            "network": configuration.network, "goal": "\(goal.measure.rawValue) less \(goal.part)", "steps": "\(configuration.training.steps)",
            "data": configuration.data?.source ?? "",
        ]
        details.metrics = NetworkMeasurement.lines(ofText: isText).compactMap { line in
            line.value(measurements[1]).map { .init(line.name, before: line.value(measurements[0]), after: $0) }
        }
        details.sourceBytes = before.stateDictionary.values.reduce(0) { $0 + $1.byteCount }
        return details
    }

    func report(_ metrics: [MetricRecord]) throws -> Report {
        var blocks: [ReportBlock] = [
            .keyNumbers(measurements[1].keyNumbers(before: measurements[0], ofText: isText)), .heading("Before and after"),
            .table(NetworkMeasurement.table([("before", measurements[0]), ("after", measurements[1])], ofText: isText)),
        ]
        if examples == nil { blocks.append(.note("Quality was not measured: there were no data.")) }
        if !metrics.isEmpty {
            blocks.append(.heading("Training"))
            blocks += metrics.curves([
                MetricCurve("loss", "Loss", Axis("cross-entropy of a batch, nats")),
                MetricCurve("sparsity", configuration.goal.means == .weights ? "Weights at zero" : "Channels gone", Axis("part")),
            ])
        }
        blocks += [.heading("Layers"), .table(configuration.goal.means == .weights ? zeroTable : try widthTable)]
        if !choices.isEmpty { blocks += [.subheading("How layers with zeros are computed, one example at a time"), .table(LayerChoice.table(choices))] }
        return Report(title: "\(configuration.network), smaller", subtitle: subtitle, blocks: blocks)
    }

    private var subtitle: String {
        let goal = configuration.goal, steps = configuration.training.steps
        let training = steps > 0 ? ", along \(formatCount(steps)) steps of training" : ", at once, without training"
        let data = examples.map { "; trained on \(formatCount($0.training)) examples of \(configuration.data?.source ?? ""), measured on \(formatCount($0.test)) others" } ?? ""
        let saved = goal.measure == .sparsity ? "\(percentage(goal.part)) of the weights that can go at zero" : "\(percentage(goal.part)) less \(goal.measure.words)"
        return "\(saved) by \(method)\(training)\(steps > 0 ? data : examples.map { "; measured on \(formatCount($0.test)) examples" } ?? "")"
    }

    /// Zeros of each weight.
    private var zeroTable: Table {
        let rows = after.namedParameters().compactMap { parameter -> [String]? in
            let weight = withoutGradients { after.masked(parameter.tensor, named: parameter.name) }, zeros = weight.zeroCount
            return zeros == 0 ? nil : [
                parameter.name, weight.shape.map(String.init).joined(separator: " × "), formatCount(weight.elementCount), formatNumber(Double(zeros) / Double(weight.elementCount) * 100, digits: 3),
            ]
        }
        return Table(columns: [.text("Weight"), .text("shape"), .number("numbers"), .number("zero, %")], rows: rows)
    }

    /// Widths of layers and their multiplications.
    private var widthTable: Table {
        get throws {
            let work = (try before.graph.multiplyAdds(), try after.graph.multiplyAdds())
            func width(_ graph: NetworkGraph, _ place: Int) -> Int? {
                switch graph.nodes[place].operation {
                case .convolution(let convolution): convolution.outputChannels
                case .linear(_, let size, _), .lstm(_, let size), .embedding(_, let size): size
                default: nil
                }
            }
            let rows = before.graph.nodes.indices.compactMap { place -> [String]? in
                guard let first = width(before.graph, place), let last = width(after.graph, place) else { return nil }
                return [before.graph.nodes[place].name, "\(first)", "\(last)", formatCount(work.0[place]), formatCount(work.1[place])]
            }
            return Table(
                columns: [.text("Layer"), .number("channels"), .number("now"), .number("multiply-adds"), .number("now")], rows: rows)
        }
    }
}
