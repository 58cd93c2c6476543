/// Makes documents of a dictionary in the layout of dictd: a headword at the start of a line after an empty
/// one, its explanation indented below.
package struct DictionaryEntries {
    private let source: String
    private var headword = ""
    private var lines: [String] = []
    private var lastWasEmpty = true
    private var count = 0

    package init(source: String) { self.source = source }

    /// Takes one line; returns the entry that ended before it, if one did.
    package mutating func add(line: String) -> Document? {
        let isEmpty = !line.utf8.contains { $0 > 0x20 }
        let startsEntry = lastWasEmpty && (line.utf8.first ?? 0) > 0x20
        lastWasEmpty = isEmpty
        guard startsEntry else {
            lines.append(line)
            return nil
        }
        let entry = finish()
        headword = String(line.prefix { $0 != "\\" }).trimmed
        lines = [line]
        return entry
    }

    /// The last entry.
    package mutating func finish() -> Document? {
        defer { lines = [] }
        let text = DictionaryEntries.prose(lines)
        guard !headword.isEmpty, DictionaryEntries.isEntry(headword), text.split(separator: " ").count > 3 else { return nil }
        count += 1
        return Document(id: "\(source)/\(count)", title: headword, text: text)
    }

    /// The notices at a dictionary's beginning and the rulers between its parts are no entries.
    private static func isEntry(_ headword: String) -> Bool {
        !headword.hasPrefix("00-") && !headword.hasPrefix("=") && !headword.hasSuffix(".") && !headword.contains("%%%")
            && headword.split(separator: " ").count <= 8
    }

    /// Paragraphs of an entry without the marks of the layout: cross-reference braces, source notes in brackets
    /// and the pronunciation between backslashes.
    private static func prose(_ lines: [String]) -> String {
        var paragraphs: [String] = [""]
        for line in lines {
            let words = line.trimmed
            if words.isEmpty {
                if paragraphs.last?.isEmpty == false { paragraphs.append("") }
            } else {
                paragraphs[paragraphs.count - 1] += (paragraphs.last?.isEmpty == false ? " " : "") + words
            }
        }
        return paragraphs.map(plain).filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    private static let sourceNotes = ["1913 Webster", "WordNet 1.5", "PJC", "1913 Webster +PJC", "Webster 1913 Suppl.", "RP"].map {
        Array("[\($0)]".utf8)
    }

    private static func plain(_ paragraph: String) -> String {
        let bytes = Array(paragraph.utf8)
        var kept: [UInt8] = []
        kept.reserveCapacity(bytes.count)
        var pronunciationIsPast = false
        var i = 0
        while i < bytes.count {
            let rest = bytes[i...]
            let byte = bytes[i]
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") {
                i += 1
            } else if byte == UInt8(ascii: "["), let note = sourceNotes.first(where: { rest.starts(with: $0) }) {
                i += note.count
            } else if byte == UInt8(ascii: "\\"), !pronunciationIsPast, let end = rest.dropFirst().firstIndex(of: byte) {
                pronunciationIsPast = true
                i = end + 1
            } else {
                let isDoubledSpace = byte == UInt8(ascii: " ") && (kept.last ?? byte) == byte
                if !isDoubledSpace { kept.append(byte) }
                i += 1
            }
        }
        return String(decoding: kept, as: UTF8.self).trimmed
    }
}

extension String {
    /// Without white space at the ends.
    fileprivate var trimmed: String {
        guard let first = utf8.firstIndex(where: { $0 > 0x20 }), let last = utf8.lastIndex(where: { $0 > 0x20 }) else { return "" }
        return String(self[first...last])
    }
}
