public import Foundation

/// Where text comes from: an item of the catalogue, or the user's own files.
///
/// In configurations and on the command line it is one string: an item's name (`prose`), a file or folder
/// (`notes/`), a JSON-lines file with the field to read (`posts.jsonl:body`) or a CSV file with the column
/// (`reviews.csv:text`). A path wins over an item of the same name when it begins with `./` or `/`.
public enum TextSource: Sendable, Equatable, Hashable {
    /// An item or collection that holds text.
    case catalog(String)
    /// Text files, HTML pages (their prose is read) and folders of them, in the order of their paths.
    case files([URL])
    /// One JSON object a line, with the text under this key, or a dialogue as a list of messages with role and content.
    case jsonLines(URL, field: String)
    /// CSV with a header row, with the text in this column.
    case table(URL, column: String)

    /// Reads the form described above. Nothing is opened; what names neither an item nor a table is taken for a path.
    public init(_ argument: String, items: [CatalogItem] = Catalog.all) {
        if items.contains(where: { $0.name == argument }) {
            self = .catalog(argument)
        } else if let (file, field) = TextSource.split(argument, atExtension: ".jsonl") {
            self = .jsonLines(URL(fileURLWithPath: file), field: field ?? "text")
        } else if let (file, column) = TextSource.split(argument, atExtension: ".csv") {
            self = .table(URL(fileURLWithPath: file), column: column ?? "text")
        } else if argument.contains("/") || FileManager.default.fileExists(atPath: argument) {
            self = .files([URL(fileURLWithPath: argument)])
        } else {
            self = .catalog(argument)
        }
    }

    private static func split(_ argument: String, atExtension suffix: String) -> (file: String, field: String?)? {
        if argument.hasSuffix(suffix) { return (argument, nil) }
        guard let range = argument.range(of: "\(suffix):", options: .backwards) else { return nil }
        let field = String(argument[range.upperBound...])
        return (String(argument[..<range.lowerBound]) + suffix, field)
    }
}

extension TextSource: CustomStringConvertible {
    public var description: String {
        switch self {
        case .catalog(let name): name
        case .files(let urls): urls.map(\.path).joined(separator: ",")
        case .jsonLines(let url, let field): "\(url.path):\(field)"
        case .table(let url, let column): "\(url.path):\(column)"
        }
    }
}

/// The order in which documents are read.
public enum DocumentOrder: Sendable, Equatable, Hashable {
    /// As they lie in the files, files in the order of their paths, members of a collection in its order.
    case sequential
    /// At random, the same for the same seed and files. Takes 32 bytes of memory per document and one pass over the
    /// files at the start.
    case shuffled(seed: UInt64)
}
