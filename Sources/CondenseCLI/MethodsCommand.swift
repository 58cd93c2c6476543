import ArgumentParser
import Condense
import Experiments

/// `condense methods`: what there is.
struct MethodsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "methods", abstract: "List the published methods that can be used and reproduced.",
        discussion: """
            Examples:
              condense methods
              condense methods --json
              condense reproduce sae-baselines
            """)

    @OptionGroup var output: OutputOptions

    private struct Listing: Encodable {
        var name: String
        var title: String
        var summary: String
        var family: MethodFamily
        var paper: Paper
    }

    func run() throws {
        if output.json {
            let listings = Methods.all.map { method in
                Listing(
                    name: method.name, title: method.title, summary: method.summary, family: method.family,
                    paper: method.paper)
            }
            return try Terminal.printJSON(listings)
        }
        let rows = Methods.all.map { [$0.name, $0.title, $0.family.title, $0.paper.reference] }
        Terminal.print(TextTable(header: ["Name", "Method", "Family", "Paper"], rows: rows).text(width: Terminal.width))
    }
}
