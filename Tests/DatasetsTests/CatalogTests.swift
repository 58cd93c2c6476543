import Datasets
import Foundation
import Testing

@Suite struct CatalogTests {
    @Test func entriesAreComplete() throws {
        let names = Catalog.all.map(\.name)
        #expect(Set(names).count == names.count)
        for item in Catalog.all {
            #expect(item.name == item.name.lowercased() && !item.name.contains("/") && !item.name.contains(" "))
            #expect(!item.version.isEmpty && !item.summary.isEmpty && !item.citation.isEmpty && !item.license.description.isEmpty)
            if case .collection(let members) = item.origin {
                #expect(!members.isEmpty && members.allSatisfy(names.contains))
            } else {
                #expect(!item.packages.isEmpty)
            }
            for package in item.packages {
                #expect(package.bytes > 0)
                guard case .wheel(_, _, let fileName, let sha256, _, _) = package else { continue }
                #expect(sha256.count == 64 && sha256.allSatisfy { $0.isHexDigit && !$0.isUppercase })
                #expect(fileName.hasSuffix(".whl"))
            }
        }
    }

    @Test func everyItemIsInTheListOfThirdParties() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let list = try String(contentsOf: root.appendingPathComponent("THIRD_PARTY.md"), encoding: .utf8)
        for item in Catalog.all {
            #expect(list.contains("| `\(item.name)` | \(item.kind.rawValue) | \(item.license) |"), "\(item.name) is missing or has another licence")
        }
    }

    @Test(arguments: [
        ("smollm2", "smollm2-135m-instruct"), ("SmolLM2-135M-Instruct", "smollm2-135m-instruct"), ("pros", "prose"),
        ("all-minilm-l6", "all-minilm-l6-v2"), ("wikipedia-sumaries", "wikipedia-summaries"),
    ])
    func suggestsTheNearestName(written: String, meant: String) {
        #expect(throws: DataError.unknownItem(name: written, nearest: meant)) { try Catalog.item(named: written) }
    }

    @Test func suggestsNothingForSomethingElse() {
        #expect(throws: DataError.unknownItem(name: "qqqqqqqq", nearest: nil)) { try Catalog.item(named: "qqqqqqqq") }
        #expect(
            sentence { _ = try Catalog.item(named: "pros") }
                == "There is no data item named 'pros': did you mean 'prose'? 'condense data list' shows all names.")
    }

    @Test func selectsPaths() {
        let selection = PathSelection(["a/b/*.txt", "a/**.html", "c/d.bin", "!**/skip*", "!a/x/**"])
        #expect(selection.destination(of: "a/b/one.txt") == "one.txt")
        #expect(selection.destination(of: "a/b/c/one.txt") == nil)
        #expect(selection.destination(of: "a/b/c/page.html") == "b/c/page.html")
        #expect(selection.destination(of: "a/b/skipped.html") == nil)
        #expect(selection.destination(of: "a/x/page.html") == nil)
        #expect(selection.destination(of: "c/d.bin") == "d.bin")
        #expect(selection.destination(of: "c/d.bin2") == nil)
    }
}
