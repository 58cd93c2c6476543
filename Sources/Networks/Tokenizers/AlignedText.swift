/// The bytes of the original text that a byte of a normalised text comes from.
struct TextOrigin: Sendable {
    var lower: UInt32
    var upper: UInt32

    mutating func formUnion(_ other: TextOrigin) {
        lower = min(lower, other.lower)
        upper = max(upper, other.upper)
    }
}

/// A text on its way to the model: valid UTF-8, with the place in the original text of every byte.
struct AlignedText: Sendable {
    private(set) var bytes: [UInt8]
    /// One entry per byte; nil while the text is the original's `offset..<offset + bytes.count`.
    private(set) var origins: [TextOrigin]?
    let offset: Int
    /// Whether anybody will ask for origins; without, rewriting does not record them.
    let isTracking: Bool

    init(_ bytes: [UInt8], offset: Int = 0, isTracking: Bool) {
        self.bytes = bytes
        self.offset = offset
        self.isTracking = isTracking
    }

    /// An empty text, to be filled from pieces of others.
    init(isTracking: Bool) {
        self.init([], isTracking: isTracking)
        if isTracking { origins = [] }
    }

    func origin(ofByte index: Int) -> TextOrigin {
        origins?[index] ?? TextOrigin(lower: UInt32(offset + index), upper: UInt32(offset + index + 1))
    }

    /// The bytes of the original text from which `range` comes. An empty range has an empty origin.
    func origin(of range: Range<Int>) -> Range<Int> {
        guard !range.isEmpty else {
            let place = range.lowerBound < bytes.count ? Int(origin(ofByte: range.lowerBound).lower) : offset
            return place..<place
        }
        guard let origins else { return offset + range.lowerBound..<offset + range.upperBound }
        // Normalisation may reorder marks, so first and last byte need not be the outermost.
        var union = origins[range.lowerBound]
        for index in range.dropFirst() { union.formUnion(origins[index]) }
        return Int(union.lower)..<Int(max(union.lower, union.upper))
    }

    /// The text's scalars, each with its origin.
    func elements() -> [UnicodeForms.Element] {
        var output: [UnicodeForms.Element] = []
        output.reserveCapacity(bytes.count)
        UTF8Text.forEachScalar(in: bytes) { scalar, range in
            output.append(.init(scalar: scalar, origin: isTracking ? union(range) : TextOrigin(lower: 0, upper: 0)))
        }
        return output
    }

    private func union(_ range: Range<Int>) -> TextOrigin {
        var union = origin(ofByte: range.lowerBound)
        for index in range.dropFirst() { union.formUnion(origin(ofByte: index)) }
        return union
    }

    mutating func replaceAll(with elements: [UnicodeForms.Element]) {
        var text = AlignedText(isTracking: isTracking)
        text.bytes.reserveCapacity(elements.count)
        for element in elements { text.append(element.scalar, from: element.origin) }
        replaceAll(with: text)
    }

    mutating func replaceAll(with text: AlignedText) {
        bytes = text.bytes
        origins = text.origins
    }

    mutating func append(_ scalar: UInt32, from origin: TextOrigin) {
        let start = bytes.count
        UTF8Text.append(scalar, to: &bytes)
        if isTracking { for _ in start..<bytes.count { origins?.append(origin) } }
    }

    /// Appends bytes that come from nowhere but stand for `origin`.
    mutating func append(_ inserted: [UInt8], from origin: TextOrigin) {
        bytes.append(contentsOf: inserted)
        if isTracking { for _ in inserted { origins?.append(origin) } }
    }

    mutating func append(_ range: Range<Int>, of other: AlignedText) {
        bytes.append(contentsOf: other.bytes[range])
        if isTracking { for index in range { origins?.append(other.origin(ofByte: index)) } }
    }

    /// The origin of a match that is to be replaced, as one entry.
    func mergedOrigin(of range: Range<Int>) -> TextOrigin {
        guard isTracking else { return TextOrigin(lower: 0, upper: 0) }
        let merged = origin(of: range)
        return TextOrigin(lower: UInt32(merged.lowerBound), upper: UInt32(merged.upperBound))
    }
}
