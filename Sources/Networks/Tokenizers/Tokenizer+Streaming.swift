extension Tokenizer {
    /// Turns ids into text one by one, as a model generates them. A character spread over several tokens is held back
    /// until it is complete.
    ///
    ///     var decoder = tokenizer.streamingDecoder()
    ///     for id in ids { print(decoder.append(id), terminator: "") }
    ///     print(decoder.finish())
    public struct StreamingDecoder {
        private let tokenizer: Tokenizer
        private let skipSpecialTokens: Bool
        private var pending: [UInt8] = []

        fileprivate init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool) {
            self.tokenizer = tokenizer
            self.skipSpecialTokens = skipSpecialTokens
        }

        /// The text that becomes complete with this id; often empty in scripts beyond the vocabulary's.
        public mutating func append(_ id: Int) -> String {
            if skipSpecialTokens, tokenizer.pipeline.specialIDs.contains(id) { return "" }
            pending += tokenizer.bytes(of: id)
            let complete = pending.count - Self.unfinishedCount(pending)
            defer { pending.removeFirst(complete) }
            return String(decoding: pending[..<complete], as: UTF8.self)
        }

        /// What is left at the end; an unfinished character becomes U+FFFD.
        public mutating func finish() -> String {
            defer { pending = [] }
            return String(decoding: pending, as: UTF8.self)
        }

        /// How many bytes at the end begin a character without completing it.
        private static func unfinishedCount(_ bytes: [UInt8]) -> Int {
            for count in 1...3 where count <= bytes.count {
                let byte = bytes[bytes.count - count]
                if byte & 0xC0 == 0x80 { continue }
                return byte >= 0xC2 && byte < 0xF5 && UTF8Text.length(firstByte: byte) > count ? count : 0
            }
            return 0
        }
    }

    /// A decoder for ids that arrive one by one.
    public func streamingDecoder(skipSpecialTokens: Bool = true) -> StreamingDecoder {
        StreamingDecoder(self, skipSpecialTokens: skipSpecialTokens)
    }
}
