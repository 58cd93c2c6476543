public import Datasets
package import Networks
import Torch

/// The dialogues of a text source as token ids, written in a model's chat template without a prompt for a further answer.
///
/// The ids are those of the rendered text, control tokens read as such, as in the tuning of instruct models; nothing is added.
public final class DialogueDocuments: TokenizedDocuments {
    private let reader: DocumentReader
    private let tokenizer: Tokenizer
    private let template: ChatTemplate
    private let text: String
    private var filter: NGramFilter?

    /// - Parameters:
    ///   - reader: the dialogues, from the first.
    ///   - model: the model with the template.
    ///   - text: what the source is called in messages.
    ///   - deduplication: words of the sequences of which no two dialogues may share one; nil keeps all dialogues.
    /// - Throws: ``CollectionError/noChatTemplate(model:)``.
    public init(_ reader: DocumentReader, model: TextModel, text: String, deduplication: Int? = nil) throws(CollectionError) {
        guard let template = model.tokenizer.chatTemplate else { throw .noChatTemplate(model: model.identity.name) }
        self.reader = reader
        tokenizer = model.tokenizer
        self.template = template
        self.text = text
        filter = deduplication.map { NGramFilter(length: $0) }
    }

    /// - Throws: ``CollectionError`` for text without turns and for dialogues that the template rejects; `DataError`.
    public func next() throws -> TokenizedDocument? {
        guard let document = try nextDialogue() else { return nil }
        do {
            return try tokenizer.encode(dialogue: document.turns, template)
        } catch {
            throw CollectionError.dialogueRejected(document: document.id, reason: "\(error)")
        }
    }

    public func skip(_ count: Int) throws -> Int {
        // What is passed over decides which later dialogues are repetitions.
        guard filter != nil else { return try reader.skip(count) }
        for skipped in 0..<count where try nextDialogue() == nil { return skipped }
        return count
    }

    private func nextDialogue() throws -> Document? {
        while let document = try reader.next() {
            guard !document.turns.isEmpty else { throw CollectionError.noDialogues(text: text) }
            if filter?.admits(document.text) ?? true { return document }
        }
        return nil
    }

    /// CRC-32C of a template's text, hexadecimal.
    static func digest(_ template: ChatTemplate) -> String {
        var crc = CRC32(.castagnoli)
        Array(template.source.utf8).withUnsafeBytes { crc.update($0) }
        let digits = String(crc.value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

extension Tokenizer {
    /// A dialogue as the template writes it, with the role of each token.
    ///
    /// A token belongs to a message if it begins within its content; templates may trim contents.
    package func encode(dialogue turns: [Document.Turn], _ template: ChatTemplate) throws(TokenizerError) -> TokenizedDocument {
        let rendered = try template.render(
            messages: turns.map { ChatMessage(role: $0.role.rawValue, content: $0.content) }, addGenerationPrompt: false)
        let encoding = encoding(of: rendered, addSpecialTokens: false)
        var roles = [TokenRole](repeating: .template, count: encoding.ids.count)
        var token = 0
        for (range, role) in Self.places(of: turns, in: Array(rendered.utf8)) {
            while token < roles.count, encoding.ranges[token].lowerBound < range.lowerBound { token += 1 }
            while token < roles.count, encoding.ranges[token].lowerBound < range.upperBound {
                roles[token] = role
                token += 1
            }
        }
        return TokenizedDocument(encoding.ids.map { Int32(clamping: $0) }, roles: roles)
    }

    /// The bytes of the rendered text that are messages' contents, in order; a content that the template changed is left out.
    private static func places(of turns: [Document.Turn], in rendered: [UInt8]) -> [(Range<Int>, TokenRole)] {
        var places: [(Range<Int>, TokenRole)] = []
        var start = 0
        for turn in turns {
            let content = turn.content.utf8.drop { isSpace($0) }
            let trimmed = Array(content.reversed().drop { isSpace($0) }.reversed())
            guard !trimmed.isEmpty,
                let found = rendered.firstRange(of: Array(turn.content.utf8), from: start) ?? rendered.firstRange(of: trimmed, from: start)
            else { continue }
            let role: TokenRole =
                switch turn.role {
                case .system: .system
                case .user: .user
                case .assistant: .assistant
                }
            places.append((found, role))
            start = found.upperBound
        }
        return places
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}

extension [UInt8] {
    /// Where other bytes, at least one, appear first at or after a place.
    fileprivate func firstRange(of other: [UInt8], from start: Int) -> Range<Int>? {
        guard count >= other.count else { return nil }
        return withUnsafeBufferPointer { bytes in
            other.withUnsafeBufferPointer { other in
                var position = start
                while position <= bytes.count - other.count {
                    if bytes[position] == other[0], bytes[position..<position + other.count].elementsEqual(other) {
                        return position..<position + other.count
                    }
                    position += 1
                }
                return nil
            }
        }
    }
}
