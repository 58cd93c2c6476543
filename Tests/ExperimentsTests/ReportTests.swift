import Experiments
import Foundation
import Testing

private let hostile = "<script>alert('x')</script> & \"quoted\" \u{1}"

@Suite struct ReportTests {
    /// Text of every kind of block is shown, not interpreted.
    @Test func everythingIsEscaped() throws {
        let table = Table(columns: [.text(hostile), .number(hostile)], rows: [[hostile, hostile]], caption: hostile)
        let figure = Figure(
            title: hostile, xAxis: Axis(hostile), yAxis: Axis(hostile),
            traces: [.bar(hostile, categories: [hostile], y: [1]), .scatter(hostile, x: [1], y: [2], labels: [hostile])],
            caption: hostile)
        let blocks: [ReportBlock] = [
            .heading(hostile), .subheading(hostile), .paragraph(hostile), .code(hostile), .note(hostile),
            .keyNumbers([KeyNumber(label: hostile, value: hostile, note: hostile)]), .table(table), .figure(figure),
            .tokenContexts([TokenContext(tokens: [.init(hostile, 1), .init(hostile)], caption: hostile)]),
            .image(ReportImage(Data([1]), format: .png, description: hostile, caption: hostile)),
            .details(hostile, [.columns([[.paragraph(hostile)]])]),
        ]
        let page = HTMLReport(
            Report(title: hostile, subtitle: hostile, blocks: blocks), plotlyScript: "var a='</SCRIPT >'",
            configuration: hostile, environment: [KeyNumber(label: hostile, value: hostile)])
        let html = page.html()
        #expect(!html.contains("<script>alert"))
        #expect(!html.contains("</SCRIPT"))
        #expect(html.components(separatedBy: "</script>").count == 4)
        #expect(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;quoted&quot; \u{FFFD}"))
        #expect(!html.contains("http://") && !html.contains("https://"))
    }

    @Test func figuresBecomePlotly() throws {
        let figure = Figure(
            title: "Loss", xAxis: Axis("step", scale: .logarithmic, range: 1...100), yAxis: Axis("loss"),
            traces: [
                .line("a", x: [1, 2], y: [0.5, .nan], markers: true, spread: [0.1, 0.2]),
                .histogram("h", values: [0, 1, 2, 3, .infinity], bins: 2),
                .heatMap("m", rows: ["r"], columns: ["c"], values: [[7]]),
            ])
        let html = HTMLReport(Report(title: "T", blocks: [.figure(figure)]), plotlyScript: "0").html()
        let start = try #require(html.range(of: "id=\"figures\">"))
        let end = try #require(html.range(of: "</script>", range: start.upperBound..<html.endIndex))
        struct Specification: Decodable {
            struct Trace: Decodable {
                var type: String, mode: String?, y: [Cell]?, x: [Cell]?, z: [[Double]]?, width: Double?
            }
            enum Cell: Decodable, Equatable {
                case number(Double?), text(String)
                init(from decoder: any Decoder) throws {
                    let value = try decoder.singleValueContainer()
                    self = (try? value.decode(String.self)).map(Cell.text) ?? .number(try? value.decode(Double.self))
                }
            }
            struct Layout: Decodable {
                struct Axis: Decodable { var type: String?, range: [Double]? }
                var xaxis: Axis
            }
            var data: [Trace], layout: Layout
        }
        let json = Data(html[start.upperBound..<end.lowerBound].utf8)
        let specification = try #require(JSONDecoder().decode([Specification].self, from: json).first)
        #expect(specification.data.map(\.type) == ["scatter", "bar", "heatmap"])
        #expect(specification.data[0].y == [.number(0.5), .number(nil)])
        #expect(specification.data[0].mode == "lines+markers")
        #expect(specification.data[1].y == [.number(2), .number(2)])
        // Whole numbers: equally many in each bin.
        #expect(specification.data[1].x == [.number(0.5), .number(2.5)] && specification.data[1].width == 2)
        #expect(specification.data[2].z == [[7]])
        #expect(specification.layout.xaxis.type == "log" && specification.layout.xaxis.range == [0, 2])
    }

    @Test func withoutPlotlyNumbersAreTables() {
        let figure = Figure(
            title: "Loss", xAxis: Axis("step"), yAxis: Axis("loss"),
            traces: [.line("a", x: [1, 2], y: [0.5, 12.25]), .line("b", x: [1, 2], y: [0.125, 70_000])])
        let html = HTMLReport(Report(title: "T", blocks: [.figure(figure)])).html()
        #expect(html.contains("condense data fetch plotly-js"))
        #expect(html.contains("<td>2</td><td class=\"n\">12.25</td><td class=\"n\">70,000</td>") || html.contains("12.2500"))
        #expect(!html.contains("<script"))
    }

    @Test func tokensAreShadedByActivation() {
        let context = TokenContext(tokens: [.init("the"), .init("\nred", 2), .init(" fox", 4), .init("!", .nan)])
        let html = HTMLReport(Report(title: "T", blocks: [.tokenContexts([context])])).html()
        #expect(html.contains("the<mark style=\"--a:50%\" title=\"2.000\">⏎red</mark>"))
        #expect(html.contains("<mark style=\"--a:100%\" title=\"4.000\"> fox</mark>!"))
    }

    @Test(arguments: [
        (0, "0"), (1, "1.000"), (-0.0123456, "-0.01235"), (12_345.6, "12,346"), (3.2e-7, "3.200e-07"), (1e9, "1,000,000,000"),
        (.nan, "not a number"), (.infinity, "∞"), (999.96, "1000.0"),
    ])
    func numbers(value: Double, text: String) { #expect(formatNumber(value) == text) }

    @Test func durations() {
        #expect(formatDuration(0.42) == "0.4 s")
        #expect(formatDuration(59.6) == "1 min 0 s")
        #expect(formatDuration(7_500) == "2 h 5 min")
        #expect(formatDuration(.nan) == "?")
    }
}

@Suite struct VocabularyTests {
    @Test func verdicts() {
        #expect(Verdict.compare(difference: [0.2, 0.21, 0.19]) == .holds)
        #expect(Verdict.compare(difference: [0.2, 0.21, 0.19], size: 0.3...0.5) == .directionOnly)
        #expect(Verdict.compare(difference: [-0.2, -0.21, -0.19]) == .contradicted)
        #expect(Verdict.compare(difference: [0.2, -0.3, 0.19]) == .inconclusive)
        #expect(Verdict.compare(difference: [0.2]) == .inconclusive)
        #expect(Spread([1, 2, 3]).standardDeviation == 1)
        #expect(Spread([1, 2, 3]).formatted() == "2.00 ± 1.0")
    }

    @Test func tradeOffsInterpolate() {
        let curve = TradeOff(
            name: "TopK",
            points: [(64, 0.1), (16, 0.4), (32, 0.2)].map { .init(Budget(.nonZeros, $0, per: "token"), Quality("FVU", $1, .lowerIsBetter)) })
        #expect(curve.points.map(\.budget.amount) == [16, 32, 64])
        #expect(abs(curve.quality(at: 24)! - 0.3) < 1e-12)
        #expect(curve.quality(at: 16) == 0.4 && curve.quality(at: 8) == nil && curve.quality(at: 65) == nil)
        #expect(TradeOff.figure("t", [curve]).xAxis.title == "non-zeros (L0) per token")
    }

    @Test func progressEstimates() {
        var estimate = ProgressEstimate(total: 1_000, completed: 200, at: 100)
        #expect(estimate.rate(at: 100) == nil && estimate.timeLeft(at: 101) == nil)
        for second in 1...40 { estimate.update(200 + second * 10, at: 100 + Double(second)) }
        #expect(abs(estimate.rate(at: 140)! - 10) < 1e-9)
        #expect(abs(estimate.timeLeft(at: 140)! - 40) < 1e-9)
        #expect(estimate.fraction == 0.6)
        // The rate follows a change within a quarter of the elapsed time.
        for second in 41...60 { estimate.update(600 + (second - 40) * 2, at: 100 + Double(second)) }
        #expect(abs(estimate.rate(at: 160)! - 2) < 0.6)
    }

    @Test func cancellation() throws {
        let cancellation = Cancellation()
        try cancellation.check()
        cancellation.cancel()
        #expect(cancellation.isCancelled)
        #expect(throws: RunInterrupted.self) { try cancellation.check() }
    }
}
