internal import Experiments

/// What the experiment found, and what that says about the claims.
struct ExplainingFindings {
    let setting: ExplainingSetting
    let points: [ExplainingExperiment.PointOutcome]
    let pictures: [ExplainingExperiment.CutOutcome]
    let seeds: Int

    var reproduction: Reproduction {
        Reproduction(
            rows: PointSet.allCases.flatMap { pointRows($0) } + tasks.flatMap(pictureRows), setting: description,
            evidence: [
                .heading("Points: a third of the neurons gone at once"), .table(pointTable), .columns(PointSet.allCases.map { [.figure(pointFigure($0))] }),
            ] + tasks.flatMap { [.heading("\($0.name): channels gone little by little"), .figure(pictureFigure($0)), .table(pictureTable($0))] })
    }

    private func percent(_ values: [Double]) -> String { values.isEmpty ? "–" : Spread(values.map { $0 * 100 }).formatted(digits: 4) }

    // MARK: Points

    /// By seed.
    private func accuracies(_ set: PointSet, _ criterion: ChannelCriterion, _ references: Int?) -> [Double] {
        points.filter { $0.set == set && $0.criterion == criterion && $0.references == references }.map(\.accuracy)
    }

    private func unpruned(_ set: PointSet) -> [Double] { points.filter { $0.set == set && $0.criterion == .weight }.map(\.unpruned) }

    /// Published accuracies on the training set with about the same number of references: unpruned, weight, relevance, Taylor, gradient.
    private static let published: [PointSet: [Double]] = [
        .moons: [99.90, 99.60, 99.86, 84.76, 86.17], .circles: [100, 97.10, 99.98, 87.18, 82.23], .spiral: [94.95, 91.00, 91.85, 77.34, 67.96],
    ]

    private func pointRows(_ set: PointSet) -> [Reproduction.Row] {
        let few = setting.references.count > 1 ? setting.references[1] : setting.references[0], paper = Self.published[set]!
        let relevance = accuracies(set, .relevance, few), whole = unpruned(set), weight = accuracies(set, .weight, nil)
        let taylor = accuracies(set, .taylor, few), gradient = accuracies(set, .gradient, few)
        func points(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { ($0 - $1) * 100 } }
        let loss = points(whole, relevance), lead = zip(relevance, zip(taylor, gradient)).map { ($0 - max($1.0, $1.1)) * 100 }
        return [
            .init(
                claim: "\(set.rawValue): with \(few) examples a class, relevance costs at most 3 points",
                paperFigure: "\(paper[2]) % of \(paper[0]) %", measured: "\(percent(relevance)) % of \(percent(whole)) %",
                verdict: loss.allSatisfy { $0 <= 3 } ? .holds : .contradicted),
            .init(
                claim: "\(set.rawValue): relevance is better than Taylor and gradient, by at least 8 points",
                paperFigure: "\(paper[2]) % against \(paper[3]) and \(paper[4]) %",
                measured: "\(percent(relevance)) % against \(percent(taylor)) and \(percent(gradient)) %", verdict: Verdict.compare(difference: lead, size: 8...100)),
            .init(
                claim: "\(set.rawValue): relevance is no worse than weights, to half a point", paperFigure: "\(paper[2]) % against \(paper[1]) %",
                measured: "\(percent(relevance)) % against \(percent(weight)) %", verdict: points(relevance, weight).allSatisfy { $0 >= -0.5 } ? .holds : .contradicted),
        ]
    }

    private var pointTable: Table {
        Table(
            columns: [.text("Points"), .number("examples a class"), .number("unpruned, %")] + ChannelCriterion.allCases.map { .number("\($0.rawValue), %") },
            rows: PointSet.allCases.flatMap { set in
                setting.references.map { count in
                    [set.rawValue, "\(count)", percent(unpruned(set))]
                        + ChannelCriterion.allCases.map { percent(accuracies(set, $0, $0.needsExamples ? count : nil)) }
                }
            }, caption: "Accuracy on points that the network was not trained on, means over draws of the examples; ± over networks.")
    }

    private func pointFigure(_ set: PointSet) -> Figure {
        let counts = setting.references.map(Double.init)
        return Figure(
            title: set.rawValue, xAxis: Axis("examples a class", scale: .logarithmic), yAxis: Axis("accuracy, %"),
            traces: ChannelCriterion.allCases.map { criterion in
                let spreads = setting.references.map { Spread(accuracies(set, criterion, criterion.needsExamples ? $0 : nil).map { $0 * 100 }) }
                return .line(criterion.rawValue, x: counts, y: spreads.map(\.mean), markers: true, spread: spreads.map(\.standardDeviation))
            })
    }

    // MARK: Pictures

    private typealias Task = (name: String, cuts: ExplainingSetting.Cuts)

    private var tasks: [Task] {
        [(ExplainingSetting.digitName, setting.digitCuts), (ExplainingSetting.cellName, setting.cellCuts)].filter { task in pictures.contains { $0.task == task.0 } }
    }

    private func by(_ criterion: ChannelCriterion, _ task: Task, _ value: (ExplainingExperiment.CutOutcome) -> Double) -> [Double] {
        pictures.filter { $0.task == task.name && $0.criterion == criterion }.map(value)
    }

    private func pictureRows(_ task: Task) -> [Reproduction.Row] {
        let area = by(.relevance, task, \.area), rivals = [ChannelCriterion.weight, .gradient, .taylor], end = task.cuts.part
        func best(_ value: (ExplainingExperiment.CutOutcome) -> Double) -> [Double] {
            area.indices.map { seed in rivals.map { by($0, task, value)[seed] }.max() ?? .nan }
        }
        let middle = by(.relevance, task) { $0.accuracy(at: 0.35) }, taylor = by(.taylor, task) { $0.accuracy(at: 0.35) }
        let whole = by(.relevance, task) { $0.curve[0].accuracy }, tuned = by(.relevance, task, \.tuned)
        func all(_ value: @escaping (ExplainingExperiment.CutOutcome) -> Double) -> String {
            ChannelCriterion.allCases.map { "\($0.rawValue) \(percent(by($0, task, value)))" }.joined(separator: ", ")
        }
        return [
            .init(
                claim: "\(task.name): without training again, relevance keeps more accuracy than the best of weight, gradient and Taylor, over cuts to \(percentage(end))",
                paperFigure: "clearly best on scarce data (stated without a table)", measured: "mean accuracy over the cuts: \(all(\.area)) %",
                verdict: Verdict.compare(difference: zip(area, best(\.area)).map { $0 - $1 })),
            .init(
                claim: "\(task.name): with 35 % of the channels gone, relevance leads Taylor", paperFigure: "largest gap at 30–40 %",
                measured: "\(percent(middle)) % against \(percent(taylor)) %", verdict: Verdict.compare(difference: zip(middle, taylor).map { $0 - $1 })),
            .init(
                claim: "\(task.name): after training again, relevance is no worse than the best of weight, gradient and Taylor, to a point",
                paperFigure: "competitive or better (stated without a table)",
                measured: "with \(percentage(end)) gone: \(all(\.tuned)) %; \(percent(whole)) before the cuts",
                verdict: zip(tuned, best(\.tuned)).allSatisfy { $0 >= $1 - 0.01 } ? .holds : Verdict.compare(difference: zip(tuned, best(\.tuned)).map { $0 - $1 })),
        ]
    }

    private func pictureFigure(_ task: Task) -> Figure {
        Figure(
            title: "Accuracy while channels go", xAxis: Axis("% of the channels gone"), yAxis: Axis("% right, mean over classes"),
            traces: ChannelCriterion.allCases.compactMap { criterion in
                let own = pictures.filter { $0.task == task.name && $0.criterion == criterion }
                guard let first = own.first else { return nil }
                let spreads = first.curve.indices.map { place in Spread(own.compactMap { $0.curve.indices.contains(place) ? $0.curve[place].accuracy * 100 : nil }) }
                return .line(criterion.rawValue, x: first.curve.map { $0.cut * 100 }, y: spreads.map(\.mean), spread: spreads.map(\.standardDeviation))
            })
    }

    private func pictureTable(_ task: Task) -> Table {
        Table(
            columns: [
                .text("Criterion"), .number("mean over the cuts, %"), .number("at the end, %"), .number("after training again, %"), .number("weights left, %"),
                .number("multiplications left, %"),
            ],
            rows: ChannelCriterion.allCases.map { criterion in
                [
                    criterion.rawValue, percent(by(criterion, task, \.area)), percent(by(criterion, task) { $0.curve.last?.accuracy ?? .nan }),
                    percent(by(criterion, task, \.tuned)), percent(by(criterion, task, \.parameterPart)), percent(by(criterion, task, \.multiplyAddPart)),
                ]
            })
    }

    private var description: String {
        """
        Points: perceptrons of 2, three times \(setting.width) and as many outputs as classes, dropout 0.5 behind the first layer and no ReLU behind the third, as \
        in the authors' code; \(formatCount(setting.pointsPerClass)) points a class, \(formatCount(setting.pointSteps)) steps of \(setting.pointBatchSize) points by gradient descent with \
        momentum at a rate of \(formatNumber(setting.pointLearningRate, digits: 1)) (there 10,000 steps of all points at 1e-3). A third of all neurons goes at once, without \
        training again; \(setting.draws) draws of the examples for each of \(seeds) networks. Accuracies are of other points of the same kind, those of the paper of \
        the training points, in the authors' published logs. Digits: four convolutions of \(setting.channels.map(String.init).joined(separator: ", ")) channels on 3,500 \
        pictures. Solar cells: EfficientNet-Lite0 with weights of ImageNet at \(setting.cellImageSize) × \(setting.cellImageSize) pixels, a new last layer for sound and \
        defective, \(setting.cellSteps) steps of 16 on seven tenths of 2,624 cells at \(formatNumber(setting.cellLearningRate, digits: 1)), measured on \(setting.cellTestCount) others. \
        \(percentage(setting.digitCuts.step)) of the channels go at a time, by \(setting.digitCuts.references) pictures a class, scored anew each time; then \(setting.digitCuts.tuningSteps) \
        steps of training (cells: \(setting.cellCuts.tuningSteps)). Accuracies on pictures are means over classes. Relevance by positive weights in all layers, as in the authors' code (cells: by positive contributions, z⁺, since half of the network's layers see negative numbers), started at the score of the right class where it is positive; scores are divided by their sum in each \
        layer (relevance, weight) or by their norm (gradient, Taylor), and all layers are compared together. Numbers are means ± standard deviations over \(seeds) seeds.
        """
    }
}
