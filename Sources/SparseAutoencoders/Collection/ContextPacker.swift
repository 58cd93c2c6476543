internal import Torch

/// A document as token ids.
public struct TokenizedDocument: Sendable, Equatable {
    /// Without tokens that are added between documents.
    public var tokens: [Int32]
    /// What each token is; empty unless the document is a dialogue in a chat template.
    public var roles: [TokenRole]

    public init(_ tokens: [Int32], roles: [TokenRole] = []) {
        require(roles.isEmpty || roles.count == tokens.count, "TokenizedDocument: \(roles.count) roles of \(tokens.count) tokens")
        self.tokens = tokens
        self.roles = roles
    }
}

/// Documents as token ids, one after another in an order that does not change.
public protocol TokenizedDocuments: AnyObject {
    /// The next document; nil at the end.
    func next() throws -> TokenizedDocument?
    /// Passes over documents without tokenising them.
    /// - Returns: how many there were, at most `count`.
    func skip(_ count: Int) throws -> Int
}

/// Cuts a stream of documents into contexts, as ``ContextLayout`` says: of equal length, or one for each dialogue.
public final class ContextPacker {
    /// One context.
    public struct Context: Sendable, Equatable {
        /// Token ids, with the beginning token if there is one.
        public var tokens: [Int32]
        /// Index of the document of each token; the beginning token counts to the document after it.
        public var documents: [Int32]
        /// What each token is; empty without dialogues.
        public var roles: [TokenRole]
        /// Where the text continues.
        public var next: TextCursor
    }

    private let documents: any TokenizedDocuments
    private let layout: ContextLayout
    private var cursor: TextCursor
    /// Tokens of the document at the cursor; nil before it has been read.
    private var current: TokenizedDocument?
    /// Tokens seen since the beginning, for the message when they do not fill one context.
    public private(set) var tokenCount = 0

    /// - Parameter cursor: where to begin, e.g. after the last shard of an interrupted collection.
    /// - Throws: what reading documents can fail with.
    public init(_ documents: any TokenizedDocuments, layout: ContextLayout, from cursor: TextCursor = .start) throws {
        self.documents = documents
        self.layout = layout
        self.cursor = cursor
        _ = try documents.skip(cursor.document)
    }

    /// The next context; nil at the end of the text, or when the rest of it does not fill a context.
    public func next() throws -> Context? { layout.hasEqualLengths ? try nextBlock() : try nextDialogue() }

    /// Dialogues that would give no rows are left out.
    private func nextDialogue() throws -> Context? {
        while let dialogue = try documents.next() {
            let number = cursor.document
            cursor = TextCursor(document: number + 1)
            let length = min(dialogue.tokens.count, layout.length)
            tokenCount += length
            guard length > layout.firstPosition else { continue }
            return Context(
                tokens: Array(dialogue.tokens[..<length]), documents: Array(repeating: Int32(clamping: number), count: length),
                roles: Array(dialogue.roles[..<length]), next: cursor)
        }
        return nil
    }

    private func nextBlock() throws -> Context? {
        var tokens: [Int32] = []
        var origins: [Int32] = []
        var roles: [TokenRole] = []
        tokens.reserveCapacity(layout.length)
        if let beginning = layout.beginningToken { tokens.append(beginning) }
        while tokens.count < layout.length {
            guard let document = try documentAtCursor() else { return nil }
            let taken = min(layout.length - tokens.count, document.tokens.count - cursor.token)
            if taken > 0 {
                if origins.isEmpty, !tokens.isEmpty { origins.append(Int32(clamping: cursor.document)) }
                if layout.dialogues != nil {
                    roles += repeatElement(.template, count: tokens.count - roles.count)
                    roles += document.roles[cursor.token..<cursor.token + taken]
                }
                tokens += document.tokens[cursor.token..<cursor.token + taken]
                origins += repeatElement(Int32(clamping: cursor.document), count: taken)
                cursor.token += taken
                tokenCount += taken
            }
            if cursor.token >= document.tokens.count {
                cursor = TextCursor(document: cursor.document + 1)
                current = nil
            }
        }
        return Context(tokens: tokens, documents: origins, roles: roles, next: cursor)
    }

    private func documentAtCursor() throws -> TokenizedDocument? {
        if let current { return current }
        guard var document = try documents.next() else { return nil }
        if let limit = layout.documentLimit, document.tokens.count > limit {
            document = TokenizedDocument(Array(document.tokens[..<limit]), roles: Array(document.roles.prefix(limit)))
        }
        if let separator = layout.separatorToken {
            document.tokens.append(separator)
            if layout.dialogues != nil { document.roles.append(.template) }
        }
        current = document
        return document
    }
}
