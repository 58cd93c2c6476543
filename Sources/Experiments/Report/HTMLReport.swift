public import Foundation
internal import Torch

/// Sets a report as one HTML file that needs nothing else: no network, no other files.
public struct HTMLReport: Sendable {
    public var report: Report
    /// The text of plotly.js (any bundle with `scatter`, `bar` and `heatmap`). Without it, figures become tables.
    public var plotlyScript: String?
    /// The complete settings, shown at the end.
    public var configuration: String?
    /// Lines of the small print at the end: versions, device, date.
    public var environment: [KeyNumber]

    public init(
        _ report: Report, plotlyScript: String? = nil, configuration: String? = nil, environment: [KeyNumber] = []
    ) {
        self.report = report
        self.plotlyScript = plotlyScript
        self.configuration = configuration
        self.environment = environment
    }

    /// The page.
    public func html() -> String {
        var body = HTMLBody(drawsFigures: plotlyScript != nil)
        body.add(report.blocks)
        if body.hasFigures, plotlyScript == nil {
            body.prepend(
                .note(
                    "Figures are shown as tables because plotly.js was not at hand. "
                        + "`condense data fetch plotly-js` brings it; reports written after that have charts."))
        }
        let closing = closingSections()
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="generator" content="condense">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
            script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
            <title>\(report.title.escapedForHTML)</title>
            <style>\(ReportPage.style)\(body.hasComparisons ? PictureComparison.style : "")</style>
            </head>
            <body>
            <header>
            <p class="mark">condense</p>
            <h1>\(report.title.escapedForHTML)</h1>
            \(report.subtitle.isEmpty ? "" : "<p class=\"subtitle\">\(report.subtitle.escapedForHTML)</p>")
            \(contents(body.headings))
            </header>
            <main>
            \(body.html)
            \(closing)
            </main>
            \(body.hasComparisons ? "<script>\(PictureComparison.script)</script>" : "")
            \(scripts(figures: body.figures))
            </body>
            </html>

            """
    }

    private func contents(_ headings: [String]) -> String {
        guard headings.count > 2 else { return "" }
        let links = headings.enumerated().map { "<a href=\"#s\($0)\">\($1.escapedForHTML)</a>" }
        return "<nav>\(links.joined(separator: " "))</nav>"
    }

    private func closingSections() -> String {
        var html = ""
        if let configuration {
            html += "<section class=\"closing\"><h2>Configuration</h2><details><summary>config.yaml</summary>"
            html += "<pre><code>\(configuration.escapedForHTML)</code></pre></details></section>\n"
        }
        if !environment.isEmpty {
            let items = environment.map { "<div><dt>\($0.label.escapedForHTML)</dt><dd>\($0.value.escapedForHTML)</dd></div>" }
            html += "<footer><dl>\(items.joined())</dl></footer>\n"
        }
        return html
    }

    private func scripts(figures: [JSONValue]) -> String {
        guard let plotlyScript, !figures.isEmpty else { return "" }
        // A script element ends at the first "</script", wherever it stands.
        let safe = plotlyScript.replacingOccurrences(of: "</script", with: "<\\/script", options: .caseInsensitive)
        return """
            <script>\(safe)</script>
            <script type="application/json" id="figures">\(JSONValue.array(figures).text)</script>
            <script>\(ReportPage.script)</script>
            """
    }
}

extension String {
    /// The text with everything that HTML gives a meaning escaped, also inside attributes.
    var escapedForHTML: String {
        var output = ""
        output.reserveCapacity(utf8.count)
        for scalar in unicodeScalars {
            switch scalar {
            case "&": output += "&amp;"
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "\"": output += "&quot;"
            case "'": output += "&#39;"
            case "\u{0}"..."\u{8}", "\u{B}", "\u{C}", "\u{E}"..."\u{1F}": output += "\u{FFFD}"
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output
    }
}

/// The middle of a page as it grows.
struct HTMLBody {
    let drawsFigures: Bool
    private(set) var html = ""
    private(set) var headings: [String] = []
    private(set) var figures: [JSONValue] = []
    private(set) var hasFigures = false
    private(set) var hasComparisons = false

    init(drawsFigures: Bool) { self.drawsFigures = drawsFigures }

    mutating func prepend(_ block: ReportBlock) {
        let rest = html
        html = ""
        add(block)
        html += rest
    }

    mutating func add(_ blocks: [ReportBlock]) {
        for block in blocks { add(block) }
    }

    mutating func add(_ block: ReportBlock) {
        switch block {
        case .heading(let text):
            html += "<h2 id=\"s\(headings.count)\">\(text.escapedForHTML)</h2>\n"
            headings.append(text)
        case .subheading(let text): html += "<h3>\(text.escapedForHTML)</h3>\n"
        case .paragraph(let text): html += "<p>\(text.escapedForHTML)</p>\n"
        case .code(let text): html += "<pre><code>\(text.escapedForHTML)</code></pre>\n"
        case .note(let text): html += "<p class=\"note\">\(text.escapedForHTML)</p>\n"
        case .keyNumbers(let numbers): add(numbers)
        case .table(let table): add(table)
        case .figure(let figure): add(figure)
        case .tokenContexts(let contexts): add(contexts)
        case .image(let image): add(image)
        case .comparison(let comparison):
            hasComparisons = true
            html += comparison.html
        case .details(let title, let blocks):
            html += "<details><summary>\(title.escapedForHTML)</summary>\n"
            add(blocks)
            html += "</details>\n"
        case .columns(let columns):
            html += "<div class=\"columns\">\n"
            for column in columns {
                html += "<div>\n"
                add(column)
                html += "</div>\n"
            }
            html += "</div>\n"
        }
    }

    private mutating func add(_ numbers: [KeyNumber]) {
        guard !numbers.isEmpty else { return }
        html += "<dl class=\"numbers\">"
        for number in numbers {
            html += "<div><dt>\(number.label.escapedForHTML)</dt><dd>\(number.value.escapedForHTML)</dd>"
            if let note = number.note { html += "<dd class=\"small\">\(note.escapedForHTML)</dd>" }
            html += "</div>"
        }
        html += "</dl>\n"
    }

    private mutating func add(_ table: Table) {
        html += "<div class=\"table\"><table>"
        if let caption = table.caption { html += "<caption>\(caption.escapedForHTML)</caption>" }
        func cell(_ tag: String, _ kind: Table.Column.Kind, _ content: String) -> String {
            kind == .number ? "<\(tag) class=\"n\">\(content)</\(tag)>" : "<\(tag)>\(content)</\(tag)>"
        }
        html += "<thead><tr>\(table.columns.map { cell("th", $0.kind, $0.title.escapedForHTML) }.joined())</tr></thead><tbody>"
        for row in table.rows {
            html += "<tr>"
            for (column, text) in zip(table.columns, row) {
                let verdict = Verdict.allCases.first { $0.title == text }
                let mark = verdict.map { "<span class=\"verdict \($0.rawValue)\">\(text.escapedForHTML)</span>" }
                html += cell("td", column.kind, mark ?? text.escapedForHTML)
            }
            html += "</tr>"
        }
        html += "</tbody></table></div>\n"
    }

    private mutating func add(_ figure: Figure) {
        hasFigures = true
        html += "<figure><h3>\(figure.title.escapedForHTML)</h3>"
        if drawsFigures {
            let label = "\(figure.title): \(figure.yAxis.title) against \(figure.xAxis.title)".escapedForHTML
            html += "<div class=\"plot\" role=\"img\" aria-label=\"\(label)\" data-figure=\"\(figures.count)\" "
            html += "style=\"height:\(figure.height)px\"></div>"
            figures.append(figure.plotly)
        }
        if let caption = figure.caption { html += "<figcaption>\(caption.escapedForHTML)</figcaption>" }
        let tables = figure.tables()
        // With charts, long tables would only repeat what the chart's own data already hold.
        if !drawsFigures {
            for table in tables { add(table) }
        } else if tables.reduce(0, { $0 + $1.rows.count }) <= 400 {
            html += "<details class=\"data\"><summary>Numbers</summary>"
            for table in tables { add(table) }
            html += "</details>"
        }
        html += "</figure>\n"
    }

    private mutating func add(_ contexts: [TokenContext]) {
        let largest = contexts.flatMap { $0.tokens.map(\.activation) }.filter(\.isFinite).max() ?? 0
        html += "<ol class=\"contexts\">"
        for context in contexts {
            html += "<li><p>"
            let maximum = context.maximum ?? largest
            for token in context.tokens { html += span(token, maximum: maximum) }
            html += "</p>"
            if let caption = context.caption { html += "<p class=\"small\">\(caption.escapedForHTML)</p>" }
            html += "</li>"
        }
        html += "</ol>\n"
    }

    private func span(_ token: TokenContext.Token, maximum: Double) -> String {
        let text = token.text.replacing("\n", with: "⏎").replacing("\t", with: "⇥").escapedForHTML
        guard token.activation > 0, token.activation.isFinite, maximum > 0 else { return text }
        let percent = Int((min(1, token.activation / maximum) * 100).rounded())
        return "<mark style=\"--a:\(percent)%\" title=\"\(formatNumber(token.activation))\">\(text)</mark>"
    }

    private mutating func add(_ image: ReportImage) {
        html += "<figure><img alt=\"\(image.description.escapedForHTML)\" "
        html += "src=\"data:\(image.format.rawValue);base64,\(image.data.base64EncodedString())\">"
        if let caption = image.caption { html += "<figcaption>\(caption.escapedForHTML)</figcaption>" }
        html += "</figure>\n"
    }
}

/// Writes a report as a page of its own, outside a run; the file appears complete or not at all.
///
/// - Throws: `FileAccessError` when the disk is full or the folder is not writable.
public func writePage(_ report: Report, plotlyScript: String? = nil, to url: URL) throws {
    let file = try AtomicFile(path: url.path(percentEncoded: false))
    try Data(HTMLReport(report, plotlyScript: plotlyScript).html().utf8).withUnsafeBytes { try file.write($0) }
    try file.commit()
}
