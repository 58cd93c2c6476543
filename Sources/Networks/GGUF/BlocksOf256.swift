// Blocks of 256 weights ("K-quants"): sub-blocks of 16 or 32 weights have quantised scales of their own,
// which the half-precision scales of the block multiply.

/// d·s·q − dmin·m per 16 weights; q of 2 bits, s and m of 4:
/// 16 bytes (s low, m high), 64 bytes q, halves d and dmin.
enum Q2_KBlock: WeightBlock {
    static let weightCount = 256
    static let byteCount = 84

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        let scale = block.half(80)
        let minimumScale = block.half(82)
        for group in 0..<16 {
            // Each 32 bytes hold 128 weights: bits 0–1 the first 32, bits 2–3 the next, and so on.
            let source = block + 16 + group / 8 * 32 + group % 2 * 16
            let shift = UInt8(group % 8 / 2 * 2)
            let target = weights + group * 16
            let groupScale = scale * Float(Int32(block[group] & 15))
            let groupMinimum = minimumScale * Float(Int32(block[group] >> 4))
            for j in 0..<16 {
                target[j] = groupScale * Float(Int32(source[j] &>> shift & 3)) - groupMinimum
            }
        }
    }
}

/// d·(s − 32)·q per 16 weights; q of 3 bits as 2 low bits and an inverted sign bit, s of 6:
/// 32 bytes of sign bits, 64 bytes of low bits, 12 bytes s, half d.
enum Q3_KBlock: WeightBlock {
    static let weightCount = 256
    static let byteCount = 110

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        let scale = block.half(108)
        for group in 0..<16 {
            let half = group % 2 * 16
            let source = block + 32 + group / 8 * 32 + half
            let signs = block + half
            let shift = UInt8(group % 8 / 2 * 2)
            let signShift = UInt8(group / 2)
            let target = weights + group * 16
            let groupScale = scale * Float(Int32(subscale(block + 96, group)) &- 32)
            for j in 0..<16 {
                let low = Int32(source[j] &>> shift & 3)
                let offset = Int32(~signs[j] &>> signShift & 1) &* 4
                target[j] = groupScale * Float(low &- offset)
            }
        }
    }

    /// Scale `index`: four low bits from bytes 0–7 (low nibbles, then high), two high bits from bytes 8–11.
    @inline(__always)
    private static func subscale(_ scales: UnsafeRawPointer, _ index: Int) -> UInt8 {
        let low = index < 8 ? scales[index] & 15 : scales[index - 8] >> 4
        return low | (scales[8 + index % 4] &>> UInt8(index / 4 * 2) & 3) << 4
    }
}

/// The eight 6-bit scales and minima that Q4_K and Q5_K pack into 12 bytes.
@inline(__always)
private func scaleAndMinimum(_ scales: UnsafeRawPointer, _ index: Int) -> (scale: UInt8, minimum: UInt8) {
    if index < 4 { return (scales[index] & 63, scales[index + 4] & 63) }
    return (
        scales[index + 4] & 15 | (scales[index - 4] >> 6) << 4,
        scales[index + 4] >> 4 | (scales[index] >> 6) << 4
    )
}

/// d·s·q − dmin·m per 32 weights; q of 4 bits: halves d and dmin, 12 bytes of s and m, 128 bytes q.
enum Q4_KBlock: WeightBlock {
    static let weightCount = 256
    static let byteCount = 144

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        let scale = block.half(0)
        let minimumScale = block.half(2)
        for group in 0..<8 {
            let packed = scaleAndMinimum(block + 4, group)
            let groupScale = scale * Float(Int32(packed.scale))
            let groupMinimum = minimumScale * Float(Int32(packed.minimum))
            let source = block + 16 + group / 2 * 32
            let shift = UInt8(group % 2 * 4)
            let target = weights + group * 32
            for j in 0..<32 {
                target[j] = groupScale * Float(Int32(source[j] &>> shift & 15)) - groupMinimum
            }
        }
    }
}

/// As `Q4_KBlock` with q of 5 bits: 32 bytes of fifth bits before the 128 bytes of low bits.
enum Q5_KBlock: WeightBlock {
    static let weightCount = 256
    static let byteCount = 176

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        let scale = block.half(0)
        let minimumScale = block.half(2)
        let fifthBits = block + 16
        for group in 0..<8 {
            let packed = scaleAndMinimum(block + 4, group)
            let groupScale = scale * Float(Int32(packed.scale))
            let groupMinimum = minimumScale * Float(Int32(packed.minimum))
            let source = block + 48 + group / 2 * 32
            let shift = UInt8(group % 2 * 4)
            let target = weights + group * 32
            for j in 0..<32 {
                let value = source[j] &>> shift & 15 | (fifthBits[j] &>> UInt8(group) & 1) << 4
                target[j] = groupScale * Float(Int32(value)) - groupMinimum
            }
        }
    }
}

/// d·s·(q − 32) per 16 weights; q of 6 bits, s signed: 128 bytes of low bits, 64 of high bits, 16 bytes s, half d.
enum Q6_KBlock: WeightBlock {
    static let weightCount = 256
    static let byteCount = 210

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        let scale = block.half(208)
        for group in 0..<16 {
            // Per 128 weights: 64 bytes of low bits (low nibbles first), 32 bytes of high bits (two at a time).
            let (part, quarter, half) = (group / 8, group % 8 / 2, group % 2 * 16)
            let lowBits = block + part * 64 + quarter % 2 * 32 + half
            let highBits = block + 128 + part * 32 + half
            let lowShift = UInt8(quarter / 2 * 4)
            let highShift = UInt8(quarter * 2)
            let target = weights + group * 16
            let groupScale = scale * Float(Int32(Int8(bitPattern: block[192 + group])))
            for j in 0..<16 {
                let value = lowBits[j] &>> lowShift & 15 | (highBits[j] &>> highShift & 3) << 4
                target[j] = groupScale * Float(Int32(value) &- 32)
            }
        }
    }
}
