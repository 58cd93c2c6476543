import Experiments

/// Bit flips, truncations, splices and length fields set to extremes, from a seed.
struct Mutator {
    private var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    private mutating func next(below bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

    mutating func mutated(_ samples: [[UInt8]]) -> [UInt8] {
        var bytes = samples[next(below: samples.count)]
        for _ in 0..<1 + next(below: 4) {
            guard !bytes.isEmpty else { break }
            let place = next(below: bytes.count)
            switch next(below: 6) {
            case 0: bytes[place] ^= 1 << UInt8(next(below: 8))
            case 1: bytes[place] = UInt8(next(below: 256))
            case 2: if next(below: 4) == 0 { bytes.removeSubrange(place...) }
            case 3:
                let end = min(bytes.count, place + 1 + next(below: 24))
                bytes.insert(contentsOf: bytes[place..<end], at: next(below: bytes.count))
            case 4: bytes.removeSubrange(place..<min(bytes.count, place + 1 + next(below: 8)))
            default:
                // A length field, or digits of a number in text.
                let extremes: [UInt64] = [0, 1, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, .max, 1 << 40, UInt64(bytes.count)]
                let value = extremes[next(below: extremes.count)]
                if next(below: 2) == 0 {
                    withUnsafeBytes(of: value.littleEndian) { field in
                        for (offset, byte) in field.enumerated() where place + offset < bytes.count { bytes[place + offset] = byte }
                    }
                } else if let digit = bytes[place...].firstIndex(where: { (48...57).contains($0) }) {
                    bytes.replaceSubrange(digit...digit, with: Array("\(value)".utf8))
                }
            }
        }
        return bytes
    }
}
