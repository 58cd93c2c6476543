/// Integer distributions of 16 bits from real ones.
enum CDFQuantization {
    /// Bits of a distribution's total.
    static let precision = 16
    static let total = 1 << precision

    /// The cumulative frequencies of symbols with the given probabilities: rising from 0 to 65536, one more than symbols,
    /// every symbol at least 1 wide.
    ///
    /// The same integers as CompressAI 1.2.8 computes: probabilities rounded to 1/65536 in single precision, scaled to
    /// the total by integer division, the rest given to the last symbol. A symbol without width takes 1 from the
    /// narrowest that has more than 1, the first of equally narrow ones.
    /// - Throws: ``EntropyCodingError/invalidProbabilities(_:)`` for probabilities that are negative, not finite or all zero,
    ///   and for more than 65536 symbols.
    static func cumulativeFrequencies(of probabilities: some Collection<Float>) throws -> [Int32] {
        guard !probabilities.isEmpty && probabilities.count <= total else {
            throw EntropyCodingError.invalidProbabilities("\(probabilities.count) symbols, where 1 to \(total) are possible")
        }
        var widths = try probabilities.enumerated().map { index, probability in
            let scaled = (probability * Float(total)).rounded(.toNearestOrAwayFromZero)
            guard scaled >= 0 && scaled <= Float(Int32.max) else {
                throw EntropyCodingError.invalidProbabilities("symbol \(index) has probability \(probability)")
            }
            return Int(scaled)
        }
        let sum = widths.reduce(0, +)
        guard sum > 0 else { throw EntropyCodingError.invalidProbabilities("all of them are 0") }
        for index in widths.indices { widths[index] = total * widths[index] / sum }
        widths[widths.count - 1] = total - widths.dropLast().reduce(0, +)
        fillEmpty(&widths)
        var cumulative: [Int32] = [0]
        cumulative.reserveCapacity(widths.count + 1)
        var position: Int32 = 0
        for width in widths {
            position += Int32(width)
            cumulative.append(position)
        }
        return cumulative
    }

    /// Gives width 1 to those without. Whoever gives is the narrowest from then on, so it gives until it has 1 itself: in
    /// order of width and place, each of those with more than 1 gives all it can.
    private static func fillEmpty(_ widths: inout [Int]) {
        var needed = widths.count { $0 == 0 }
        guard needed > 0 else { return }
        let givers = widths.indices.filter { widths[$0] > 1 }.sorted { (widths[$0], $0) < (widths[$1], $1) }
        for index in widths.indices where widths[index] == 0 { widths[index] = 1 }
        for giver in givers where needed > 0 {
            let given = min(widths[giver] - 1, needed)
            widths[giver] -= given
            needed -= given
        }
    }
}
