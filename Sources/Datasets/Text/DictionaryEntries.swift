import Foundation

/// Makes documents of a dictionary in the layout of dictd: a headword at the start of a line after an empty
/// one, its explanation indented below.
struct DictionaryEntries {
    private let source: String
    private var headword = ""
    private var lines: [String] = []
    private var lastWasEmpty = true
    private var count = 0

    init(source: String) { self.source = source }

    /// Takes one line; returns the entry that ended before it, if one did.
    mutating func add(line: String) -> Document? {
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

    /// The last entry. Entries that begin with `00-` describe the dictionary itself and are left out.
    mutating func finish() -> Document? {
        defer { lines = [] }
        let text = DictionaryEntries.prose(lines)
        guard !headword.isEmpty, !headword.hasPrefix("00-"), text.split(separator: " ").count > 3 else { return nil }
        count += 1
        return Document(id: "\(source)/\(count)", title: headword, text: text)
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

    private static let sourceNotes = ["[1913 Webster]", "[WordNet 1.5]", "[PJC]", "[1913 Webster +PJC]", "[Webster 1913 Suppl.]", "[RP]"]

    private static func plain(_ paragraph: String) -> String {
        var text = paragraph
        for note in sourceNotes { text = text.replacingOccurrences(of: note, with: "") }
        if let first = text.firstIndex(of: "\\"), let last = text[text.index(after: first)...].firstIndex(of: "\\") {
            text.removeSubrange(first...last)
        }
        text.removeAll { $0 == "{" || $0 == "}" }
        return text.split(separator: " ").joined(separator: " ")
    }
}

extension String {
    /// Without white space at the ends.
    fileprivate var trimmed: String {
        guard let first = utf8.firstIndex(where: { $0 > 0x20 }), let last = utf8.lastIndex(where: { $0 > 0x20 }) else { return "" }
        return String(self[first...last])
    }
}
