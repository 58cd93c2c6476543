/// WordPiece (Wu et al. 2016, arXiv:1609.08144) as BERT uses it: from the left, always the longest token that fits.
struct WordPiece: Sendable {
    let vocabulary: Vocabulary
    let unknownID: Int32
    /// Written before tokens that do not begin a word, usually `##`.
    let continuingPrefix: [UInt8]
    /// A word of more scalars than this is unknown as a whole.
    let maximumWordLength: Int

    func tokenize(
        _ bytes: UnsafePointer<UInt8>, _ word: Range<Int>, _ workspace: inout EncodingWorkspace, into output: inout TokenBuffer
    ) {
        let start = bytes + word.lowerBound
        let count = word.count
        let isCached = count <= WordCache.maximumWordLength
        var hash: UInt64 = 0
        if isCached {
            hash = ByteHash.hash(start, count: count)
            if workspace.cache.append(start, count: count, hash: hash, at: word.lowerBound, to: &output) { return }
        }
        let tokens = split(start, count) ?? [(unknownID, count)]
        var position = word.lowerBound
        for token in tokens {
            output.append(token.id, position..<position + token.length)
            position += token.length
        }
        if isCached { workspace.cache.insert(start, count: count, hash: hash, tokens: tokens) }
    }

    /// nil if some part of the word is not in the vocabulary.
    private func split(_ word: UnsafePointer<UInt8>, _ count: Int) -> [(id: Int32, length: Int)]? {
        var scalars = 0
        for index in 0..<count where word[index] & 0xC0 != 0x80 { scalars += 1 }
        guard scalars <= maximumWordLength else { return nil }
        var tokens: [(id: Int32, length: Int)] = []
        var start = 0
        var candidate: [UInt8] = []
        while start < count {
            candidate.removeAll(keepingCapacity: true)
            if start > 0 { candidate.append(contentsOf: continuingPrefix) }
            let prefix = candidate.count
            candidate.append(contentsOf: UnsafeBufferPointer(start: word + start, count: count - start))
            var end = count
            var found: Int32 = -1
            candidate.withUnsafeBufferPointer { buffer in
                while end > start {
                    found = vocabulary.id(of: buffer.baseAddress!, count: prefix + end - start)
                    if found >= 0 { break }
                    end = UTF8Text.before(end, in: word)
                }
            }
            guard found >= 0 else { return nil }
            tokens.append((found, end - start))
            start = end
        }
        return tokens
    }
}
