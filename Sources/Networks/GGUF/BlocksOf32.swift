// Blocks of 32 weights. The low four bits of byte j belong to weight j, the high four to weight j + 16.

/// d·(q − 8), q of 4 bits: half d, 16 bytes q.
enum Q4_0Block: WeightBlock {
    static let weightCount = 32
    static let byteCount = 18

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        let scale = block.half(0)
        for j in 0..<16 {
            let byte = block[2 + j]
            weights[j] = scale * Float(Int32(byte & 15) &- 8)
            weights[j + 16] = scale * Float(Int32(byte >> 4) &- 8)
        }
    }
}

/// d·q + m, q of 4 bits: halves d and m, 16 bytes q.
enum Q4_1Block: WeightBlock {
    static let weightCount = 32
    static let byteCount = 20

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        let scale = block.half(0)
        let minimum = block.half(2)
        for j in 0..<16 {
            let byte = block[4 + j]
            weights[j] = scale * Float(Int32(byte & 15)) + minimum
            weights[j + 16] = scale * Float(Int32(byte >> 4)) + minimum
        }
    }
}

/// d·(q − 16), q of 5 bits: half d, 4 bytes of fifth bits (bit j for weight j), 16 bytes of low bits.
enum Q5_0Block: WeightBlock {
    static let weightCount = 32
    static let byteCount = 22

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        let scale = block.half(0)
        let fifthBits: UInt32 = block.bits(2)
        for j in 0..<16 {
            let byte = UInt32(block[6 + j])
            let low = byte & 15 | (fifthBits >> UInt32(j) & 1) << 4
            let high = byte >> 4 | (fifthBits >> UInt32(j + 16) & 1) << 4
            weights[j] = scale * Float(Int32(bitPattern: low) &- 16)
            weights[j + 16] = scale * Float(Int32(bitPattern: high) &- 16)
        }
    }
}

/// d·q + m, q of 5 bits: halves d and m, then as `Q5_0Block`.
enum Q5_1Block: WeightBlock {
    static let weightCount = 32
    static let byteCount = 24

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        let scale = block.half(0)
        let minimum = block.half(2)
        let fifthBits: UInt32 = block.bits(4)
        for j in 0..<16 {
            let byte = UInt32(block[8 + j])
            let low = byte & 15 | (fifthBits >> UInt32(j) & 1) << 4
            let high = byte >> 4 | (fifthBits >> UInt32(j + 16) & 1) << 4
            weights[j] = scale * Float(Int32(bitPattern: low)) + minimum
            weights[j + 16] = scale * Float(Int32(bitPattern: high)) + minimum
        }
    }
}

/// d·q, q of 8 bits, signed: half d, 32 bytes q.
enum Q8_0Block: WeightBlock {
    static let weightCount = 32
    static let byteCount = 34

    static func decode(_ block: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        let scale = block.half(0)
        for j in 0..<32 {
            weights[j] = scale * Float(Int32(Int8(bitPattern: block[2 + j])))
        }
    }
}
