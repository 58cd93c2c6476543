import Foundation

/// Reads a source's documents one after another.
///
/// The order depends on nothing but the files and the seed, so ``position`` and ``skip(_:)`` resume exactly.
/// In memory are one document and one block of a file; when shuffled, 32 bytes per document besides.
public final class DocumentReader {
    /// Documents delivered or skipped so far.
    public private(set) var position = 0
    /// The classes of a labelled source in order; empty otherwise.
    public let labels: [String]

    private struct Segment {
        let url: URL
        let parser: RecordParser
    }

    private struct Entry {
        let key: UInt64
        let segment: Int
        let offset: Int
        let count: Int
    }

    private let subset: Subset
    private let segments: [Segment]
    /// The order of the records where it is not the files'.
    private let index: [Entry]?
    /// The next entry of the index, or the segment being read where there is none.
    private var cursor = 0
    private var open: (segment: Int, reader: RecordReader)?

    /// - Parameters:
    ///   - source: where to read. Items of the catalogue must have been fetched.
    ///   - store: where items lie.
    ///   - order: the order of reading.
    ///   - subset: which documents to deliver.
    /// - Throws: ``DataError`` for unknown, unfetched or textless items and for files that cannot be read.
    public init(
        _ source: TextSource, in store: DataStore = DataStore(), order: DocumentOrder = .sequential, subset: Subset = .all
    ) throws(DataError) {
        self.subset = subset
        (segments, labels) = try DocumentReader.segments(of: source, in: store)
        switch order {
        case .sequential: index = nil
        case .shuffled(let seed): index = try DocumentReader.shuffledIndex(of: segments, seed: seed)
        }
    }

    /// The next document, or nil at the end.
    ///
    /// - Throws: ``DataError/malformed(path:position:expected:found:)`` where a file is not what its format says.
    public func next() throws(DataError) -> Document? {
        while let (record, segment) = try nextRecord() {
            guard !record.isBlank, let document = try segment.parser.document(from: record, of: segment.url), !document.text.isEmpty,
                subset.contains(text: document.text)
            else { continue }
            position += 1
            return document
        }
        return nil
    }

    /// Passes over the next documents, as after `count` calls of ``next()``; returns how many there were.
    @discardableResult
    public func skip(_ count: Int) throws(DataError) -> Int {
        for skipped in 0..<count where try next() == nil { return skipped }
        return count
    }

    // MARK: Records

    private func nextRecord() throws(DataError) -> (RecordReader.Record, Segment)? {
        if let index {
            guard cursor < index.count else { return nil }
            let entry = index[cursor]
            cursor += 1
            let bytes = try reader(of: entry.segment).read(at: entry.offset, count: entry.count)
            return (RecordReader.Record(offset: entry.offset, bytes: bytes), segments[entry.segment])
        }
        while cursor < segments.count {
            if let record = try reader(of: cursor).next() { return (record, segments[cursor]) }
            cursor += 1
        }
        return nil
    }

    /// One file is open at a time.
    private func reader(of segment: Int) throws(DataError) -> RecordReader {
        if let open, open.segment == segment { return open.reader }
        let reader = try DocumentReader.reader(of: segments[segment])
        open = (segment, reader)
        return reader
    }

    private static func reader(of segment: Segment) throws(DataError) -> RecordReader {
        let reader = try RecordReader(segment.url, format: segment.parser.recordFormat)
        // The header row has told the columns already.
        if case .row = segment.parser { _ = try reader.next() }
        return reader
    }

    private static func shuffledIndex(of segments: [Segment], seed: UInt64) throws(DataError) -> [Entry] {
        var entries: [Entry] = []
        for (number, segment) in segments.enumerated() {
            let reader = try reader(of: segment)
            while let record = try reader.next() {
                let key = StableHash.mixed(StableHash.mixed(seed) ^ UInt64(entries.count))
                entries.append(Entry(key: key, segment: number, offset: record.offset, count: record.bytes.count))
            }
        }
        // The hash is a bijection of the entry's number, so no two keys are equal.
        entries.sort { $0.key < $1.key }
        return entries
    }

    // MARK: Sources

    private static func segments(of source: TextSource, in store: DataStore) throws(DataError) -> ([Segment], labels: [String]) {
        switch source {
        case .catalog(let name):
            guard let fetched = try store.location(of: name) else { throw .notFetched(item: name) }
            return try segments(of: fetched)
        case .files(let urls):
            var segments: [Segment] = []
            for url in urls { segments += try textFiles(at: url) }
            return (segments, [])
        case .jsonLines(let url, let field):
            return ([Segment(url: url, parser: .objectLine(text: field))], [])
        case .table(let url, let column):
            return ([Segment(url: url, parser: try rowParser(of: url, text: column, label: nil, labels: [], encoding: .utf8))], [])
        }
    }

    private static func segments(of fetched: FetchedItem) throws(DataError) -> ([Segment], labels: [String]) {
        if !fetched.members.isEmpty {
            var segments: [Segment] = []
            for member in fetched.members { segments += try DocumentReader.segments(of: member).0 }
            return (segments, [])
        }
        let item = fetched.item
        guard let format = item.textFormat else { throw .notText(item: item.name, kind: item.kind.rawValue) }
        let url = fetched.mainFile
        switch format {
        case .documents:
            return ([Segment(url: url, parser: .documents)], [])
        case .records(let text, let title):
            return ([Segment(url: url, parser: .object(text: text, title: title))], [])
        case .conversations:
            return ([Segment(url: url, parser: .conversation)], [])
        case .labelledTable(let text, let label, let labels, let encoding):
            let parser = try rowParser(of: url, text: text, label: label, labels: labels, encoding: encoding)
            return ([Segment(url: url, parser: parser)], labels)
        case .wordNetGlosses:
            let files = fetched.files.filter { $0.lastPathComponent.hasPrefix("data.") }
            return (files.map { Segment(url: $0, parser: .gloss) }, WordNet.lexicographerFiles)
        }
    }

    private static func rowParser(
        of url: URL, text: String, label: String?, labels: [String], encoding: TextEncoding
    ) throws(DataError) -> RecordParser {
        guard let header = try RecordReader(url, format: .csvRows).next() else {
            throw .missingField(path: url.path, field: "header row", found: [])
        }
        let columns = CSVRow.fields(header.bytes, encoding: encoding)
        func column(_ name: String) throws(DataError) -> Int {
            guard let index = columns.firstIndex(of: name) else {
                throw .missingField(path: url.path, field: "column '\(name)'", found: columns)
            }
            return index
        }
        return .row(text: try column(text), label: try label.map(column), labels: labels, encoding: encoding)
    }

    private static let textExtensions: Set<String> = ["txt", "text", "md", "markdown", "rst", "tex", "org", "html", "htm"]

    private static func textFiles(at url: URL) throws(DataError) -> [Segment] {
        func segment(_ file: URL) -> Segment {
            Segment(url: file, parser: ["html", "htm"].contains(file.pathExtension.lowercased()) ? .page : .passage)
        }
        guard Files.isFolder(url) else {
            guard Files.exists(url) else { throw .fileAccess(path: url.path, reason: "there is no such file, nor a data item of that name") }
            return [segment(url)]
        }
        let files = Files.regularFiles(below: url).filter { path in
            !path.split(separator: "/").contains { $0.hasPrefix(".") }
                && textExtensions.contains(String(path.split(separator: ".").last ?? "").lowercased())
        }
        guard !files.isEmpty else {
            throw .missingField(path: url.path, field: "text file (\(textExtensions.sorted().joined(separator: ", ")))", found: [])
        }
        return files.map { segment(url.appendingPathComponent($0)) }
    }
}
