public import Experiments
internal import Foundation
internal import Torch

extension FeatureRecord {
    /// The feature as it stands on a page: its numbers, the tokens it promotes, its contexts with highlighted tokens.
    ///
    /// - Parameters:
    ///   - topContexts: strongest contexts shown at once; the others and the bands open on a click.
    public func blocks(topContexts: Int = 6) -> [ReportBlock] {
        var blocks: [ReportBlock] = [.subheading(title), .paragraph(sentence)]
        let top = examples.filter(\.isTop)
        blocks.append(.tokenContexts(top.prefix(topContexts).map { context($0, caption: nil) }))
        var more: [ReportBlock] = []
        if top.count > topContexts { more.append(.tokenContexts(top.dropFirst(topContexts).map { context($0, caption: nil) })) }
        let banded = examples.filter { !$0.isTop }
        if !banded.isEmpty {
            more.append(.paragraph("Contexts at random from the whole range of the activation:"))
            more.append(
                .tokenContexts(
                    banded.map {
                        context($0, caption: "between \(percent($0.bandMinimum)) and \(percent($0.bandMaximum)) of the maximum")
                    }))
        }
        more.append(.table(tokenTable))
        if !promoted.isEmpty { more.append(.table(logitTable)) }
        more.append(.figure(histogram))
        if !neighbours.isEmpty {
            let list = neighbours.map { "\($0.feature) (\(formatNumber(Double($0.cosine), digits: 2)))" }.joined(separator: ", ")
            more.append(.paragraph("Features with the nearest directions, by cosine: \(list)."))
        }
        blocks.append(.details("More of feature \(index)", more))
        return blocks
    }

    /// Number and the tokens that say most about the feature.
    var title: String {
        let names = tokens.prefix(3).map { visible($0.token) }.filter { !$0.isEmpty }
        return "Feature \(index)" + (names.isEmpty ? "" : ": \(names.joined(separator: " · "))")
    }

    private var sentence: String {
        "Active on \(percent(density)) of the tokens, in \(formatCount(documentCount)) documents; maximum "
            + "\(formatNumber(Double(maximum), digits: 3)), mean \(formatNumber(mean, digits: 3))."
    }

    private func context(_ example: Example, caption: String?) -> TokenContext {
        TokenContext(
            tokens: zip(example.tokens, example.values).map { TokenContext.Token($0, Double(abs($1))) }, caption: caption,
            maximum: Double(maximum))
    }

    private var tokenTable: Table {
        Table(
            columns: [.text("Active on"), .number("Share"), .number("Times"), .number("Maximum")],
            rows: tokens.map {
                [visible($0.token), percent($0.share), formatCount($0.count), formatNumber(Double($0.maximum), digits: 3)]
            }, caption: "Tokens by their share of the feature's summed activation.")
    }

    private var logitTable: Table {
        let rows = zip(zip(promoted, promotedLogits), zip(suppressed, suppressedLogits)).map { up, down in
            [visible(up.0), signed(up.1), visible(down.0), signed(down.1)]
        }
        return Table(
            columns: [.text("Promotes"), .number("Logit"), .text("Suppresses"), .number("Logit")], rows: rows,
            caption: "What a unit of the feature's direction adds to the logits of next tokens, by the logit lens.")
    }

    private var histogram: Figure {
        let first = histogramCounts.firstIndex { $0 > 0 } ?? 0
        return Figure(
            title: "Activations of feature \(index)", xAxis: Axis("activation"), yAxis: Axis("tokens"),
            traces: [
                .line("tokens", x: Array(histogramValues[first...]), y: histogramCounts[first...].map(Double.init), markers: true)
            ], caption: "How often the feature is active how strongly.", height: 260)
    }
}

/// A token with its white space made visible.
private func visible(_ token: String) -> String {
    token.replacingOccurrences(of: "\n", with: "⏎").replacingOccurrences(of: "\t", with: "⇥")
        .replacingOccurrences(of: " ", with: token.hasPrefix(" ") && token.count > 1 ? "" : "␣")
}

private func signed(_ value: Float) -> String { (value < 0 ? "−" : "+") + formatNumber(Double(abs(value)), digits: 3) }

/// A fraction as a percentage with two digits.
private func percent(_ fraction: Double) -> String {
    fraction == 0 ? "0 %" : "\(formatNumber(fraction * 100, digits: 2)) %"
}
