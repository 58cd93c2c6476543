/// Documents as token ids, one after another in an order that does not change.
public protocol TokenizedDocuments: AnyObject {
    /// The ids of the next document without special tokens; nil at the end.
    func next() throws -> [Int32]?
    /// Passes over documents without tokenising them.
    /// - Returns: how many there were, at most `count`.
    func skip(_ count: Int) throws -> Int
}

/// Cuts a stream of documents into contexts of equal length, as ``ContextLayout`` says.
public final class ContextPacker {
    /// One context.
    public struct Context: Sendable, Equatable {
        /// Token ids, with the beginning token if there is one.
        public var tokens: [Int32]
        /// Index of the document of each token; the beginning token counts to the document after it.
        public var documents: [Int32]
        /// Where the text continues.
        public var next: TextCursor
    }

    private let documents: any TokenizedDocuments
    private let layout: ContextLayout
    private var cursor: TextCursor
    /// Tokens of the document at the cursor; nil before it has been read.
    private var current: [Int32]?
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

    /// The next full context; nil when the rest of the text does not fill one.
    public func next() throws -> Context? {
        var tokens: [Int32] = []
        var origins: [Int32] = []
        tokens.reserveCapacity(layout.length)
        if let beginning = layout.beginningToken { tokens.append(beginning) }
        while tokens.count < layout.length {
            guard let document = try documentAtCursor() else { return nil }
            let taken = min(layout.length - tokens.count, document.count - cursor.token)
            if taken > 0 {
                if origins.isEmpty, !tokens.isEmpty { origins.append(Int32(clamping: cursor.document)) }
                tokens += document[cursor.token..<cursor.token + taken]
                origins += repeatElement(Int32(clamping: cursor.document), count: taken)
                cursor.token += taken
                tokenCount += taken
            }
            if cursor.token >= document.count {
                cursor = TextCursor(document: cursor.document + 1)
                current = nil
            }
        }
        return Context(tokens: tokens, documents: origins, next: cursor)
    }

    private func documentAtCursor() throws -> [Int32]? {
        if let current { return current }
        guard var tokens = try documents.next() else { return nil }
        if let limit = layout.documentLimit, tokens.count > limit { tokens.removeSubrange(limit...) }
        if let separator = layout.separatorToken { tokens.append(separator) }
        current = tokens
        return tokens
    }
}
