/// A small random generator whose numbers are the same on every platform and need no state but one integer: what data are read in which
/// order follows from a seed and a few counters alone.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
package struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    /// A generator for one of many streams that belong to the same seed.
    package init(seed: UInt64, stream: Int...) {
        state = seed
        for number in stream { state = next() &+ UInt64(bitPattern: Int64(number)) }
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// 0 ..< count in random order.
    ///
    /// The standard library's `shuffle` promises no particular algorithm from one version to the next; this one is fixed.
    package mutating func permutation(_ count: Int) -> [Int] {
        var order = Array(0..<count)
        for index in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(index, Int(below(UInt64(index + 1))))
        }
        return order
    }

    /// An index, each in proportion to its weight; at least one must be positive.
    package mutating func index(weights: [UInt64]) -> Int {
        var rest = below(weights.reduce(0, +)), index = 0
        while rest >= weights[index] {
            rest -= weights[index]
            index += 1
        }
        return index
    }

    /// Uniform on 0 ..< bound, which must be positive: the high word of a product, rejecting the few biased draws
    /// (Lemire, "Fast random integer generation in an interval", 2019).
    package mutating func below(_ bound: UInt64) -> UInt64 {
        let threshold = (0 &- bound) % bound
        while true {
            let product = next().multipliedFullWidth(by: bound)
            if product.low >= threshold { return product.high }
        }
    }
}
