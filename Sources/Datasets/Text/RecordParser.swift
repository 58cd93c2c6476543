import Foundation

/// Turns one record of a file into a document.
enum RecordParser: Sendable {
    /// A line of `documents.jsonl`.
    case documents
    /// A JSON object inside an array or object, with text and title under these keys.
    case object(text: String, title: String)
    /// A JSON object on a line of its own, with text or a dialogue's messages under this key.
    case objectLine(text: String)
    /// A conversation in ShareGPT's layout.
    case conversation
    /// A row of a table whose header has been read; the label is one of `labels`.
    case row(text: Int, label: Int?, labels: [String], encoding: TextEncoding)
    /// A line of one of WordNet's `data.*` files.
    case gloss
    /// Plain text.
    case passage
    /// An HTML page.
    case page

    /// How a file of such records is cut.
    var recordFormat: RecordReader.Format {
        switch self {
        case .documents, .gloss, .objectLine: .lines
        case .object, .conversation: .jsonObjects
        case .row: .csvRows
        case .passage: .passages(bytes: 32 << 10)
        case .page: .whole
        }
    }

    /// The document of a record, or nil where it holds no text.
    ///
    /// - Throws: ``DataError/malformed(path:position:expected:found:)``.
    func document(from record: RecordReader.Record, of file: URL) throws(DataError) -> Document? {
        let id = "\(file.lastPathComponent)#\(record.offset)"
        switch self {
        case .documents:
            let line: DocumentLine = try decode(record, of: file, expecting: "a document with id, title and text")
            return line.text.isEmpty ? nil : Document(id: line.id, title: line.title, text: line.text)
        case .object(let text, let title):
            return try object(record, of: file, text: text, title: title, id: id)
        case .objectLine(let text):
            return try object(record, of: file, text: text, title: nil, id: id)
        case .conversation:
            let conversation: Conversation = try decode(record, of: file, expecting: "a conversation with id and conversations")
            return conversation.document
        case .row(let text, let label, let labels, let encoding):
            return try row(record, of: file, text: text, label: label, labels: labels, encoding: encoding, id: id)
        case .gloss:
            return try WordNet.gloss(record, of: file)
        case .passage:
            let text = String(decoding: record.bytes, as: UTF8.self).replacingOccurrences(of: "\r\n", with: "\n")
            let trimmed = text.trimmingCharacters(in: .newlines)
            return Document(id: id, title: file.lastPathComponent, text: trimmed)
        case .page:
            var prose = ProseCollector()
            return prose.document(fromPage: record.bytes, id: id)
        }
    }

    // MARK: JSON

    private struct DocumentLine: Decodable {
        let id: String
        let title: String
        let text: String
    }

    private struct Conversation: Decodable {
        struct Message: Decodable {
            let from: String
            let value: String
        }

        let id: String
        let conversations: [Message]

        var document: Document? {
            Document(
                dialogue: conversations.map { Document.Turn(role: Document.Turn.Role(speaker: $0.from), content: $0.value) }, id: id)
        }
    }

    private func decode<Value: Decodable>(
        _ record: RecordReader.Record, of file: URL, expecting expected: String
    ) throws(DataError) -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(record.bytes))
        } catch {
            throw .malformed(path: file.path, position: record.offset, expected: expected, found: "something else")
        }
    }

    private func object(
        _ record: RecordReader.Record, of file: URL, text: String, title: String?, id: String
    ) throws(DataError) -> Document? {
        guard let fields = try? JSONSerialization.jsonObject(with: Data(record.bytes)) as? [String: Any] else {
            throw .malformed(path: file.path, position: record.offset, expected: "a JSON object", found: "something else")
        }
        if let messages = fields[text] as? [[String: Any]] {
            let turns = try messages.map { message throws(DataError) in
                guard let turn = Document.Turn(message: message) else {
                    throw DataError.missingField(
                        path: file.path, field: "role and content of each message at byte \(record.offset)", found: message.keys.sorted())
                }
                return turn
            }
            return Document(dialogue: turns, id: fields["id"] as? String ?? id)
        }
        guard let content = fields[text] as? String else {
            throw .missingField(path: file.path, field: "text under '\(text)' at byte \(record.offset)", found: fields.keys.sorted())
        }
        let title = title.flatMap { fields[$0] as? String } ?? ""
        return content.isEmpty ? nil : Document(id: fields["id"] as? String ?? (title.isEmpty ? id : title), title: title, text: content)
    }

    // MARK: Tables

    private func row(
        _ record: RecordReader.Record, of file: URL, text: Int, label: Int?, labels: [String], encoding: TextEncoding, id: String
    ) throws(DataError) -> Document? {
        let fields = CSVRow.fields(record.bytes, encoding: encoding)
        guard text < fields.count, label ?? 0 < fields.count else {
            throw .malformed(
                path: file.path, position: record.offset, expected: "at least \(max(text, label ?? 0) + 1) columns", found: "\(fields.count)")
        }
        var documentLabel: Document.Label?
        if let label {
            guard let index = labels.firstIndex(of: fields[label]) else {
                throw .malformed(
                    path: file.path, position: record.offset, expected: "a label of \(labels.joined(separator: ", "))",
                    found: "'\(fields[label])'")
            }
            documentLabel = Document.Label(index: index, name: labels[index])
        }
        return fields[text].isEmpty ? nil : Document(id: id, text: fields[text], label: documentLabel)
    }
}

extension Document.Turn.Role {
    /// Who speaks, by the names of chat templates and of ShareGPT.
    init(speaker: String) {
        switch speaker {
        case "human", "user": self = .user
        case "system": self = .system
        default: self = .assistant
        }
    }
}

extension Document.Turn {
    /// A message as `{"role": …, "content": …}` or `{"from": …, "value": …}`.
    init?(message: [String: Any]) {
        guard let speaker = (message["role"] ?? message["from"]) as? String, let content = (message["content"] ?? message["value"]) as? String
        else { return nil }
        self.init(role: Role(speaker: speaker), content: content)
    }
}

extension Document {
    /// A dialogue; nil if nothing is said in it.
    init?(dialogue turns: [Turn], id: String) {
        let turns = turns.filter { !$0.content.isEmpty }
        guard !turns.isEmpty else { return nil }
        self.init(id: id, text: turns.map(\.content).joined(separator: "\n\n"), turns: turns)
    }
}

/// Comma-separated values with double quotes (RFC 4180).
enum CSVRow {
    static func fields(_ row: [UInt8], encoding: TextEncoding) -> [String] {
        var fields: [[UInt8]] = [[]]
        var quoted = false
        var i = 0
        while i < row.count {
            let byte = row[i]
            if byte == UInt8(ascii: "\"") {
                if quoted, i + 1 < row.count, row[i + 1] == byte {
                    fields[fields.count - 1].append(byte)
                    i += 1
                } else {
                    quoted.toggle()
                }
            } else if !quoted, byte == UInt8(ascii: ",") {
                fields.append([])
            } else if quoted || (byte != UInt8(ascii: "\n") && byte != UInt8(ascii: "\r")) {
                fields[fields.count - 1].append(byte)
            }
            i += 1
        }
        return fields.map { encoding.decode($0) }
    }
}

extension TextEncoding {
    /// Text of these bytes; what is not valid in the encoding becomes U+FFFD.
    func decode(_ bytes: [UInt8]) -> String {
        switch self {
        case .utf8: String(decoding: bytes, as: UTF8.self)
        case .latin1: String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        }
    }
}
