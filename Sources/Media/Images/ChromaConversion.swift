internal import CFFmpeg
internal import Torch

/// How luma and chroma of 8 bits become RGB: with the integers of the format's own library, so that pictures are those that
/// other programs show.
enum ChromaRule {
    /// BT.601 over the full range, as JFIF 1.02 has it; chroma by libjpeg's triangle filter.
    case jpeg
    /// BT.601 over 16…235, as libwebp converts it; chroma by its filter of weights 9, 3, 3, 1.
    case webP
}

/// Luma and chroma as RGB planes `[3, H, W]`, rounded to 8 bits, divided by 255.
func rgbPlanes(_ frame: Frame, _ layout: PixelLayout, rule: ChromaRule) -> Tensor {
    let (width, height) = (frame.width, frame.height)
    let result = Tensor.uninitialized([3, height, width])
    let upsampler = ChromaUpsampler(frame, layout, rule: rule)
    result.withMutableBytes { bytes in
        let target = bytes.bindMemory(to: Float.self)
        guard let start = target.baseAddress, let luma = frame.plane(0) else { return }
        var blue = [Int32](repeating: 0, count: width), red = blue
        for row in 0..<height {
            upsampler.row(row, of: 1, into: &blue)
            upsampler.row(row, of: 2, into: &red)
            let y = luma + row * frame.rowBytes(0), out = start + row * width
            switch rule {
            case .jpeg: jpegRow(y, blue, red, out, channelStride: width * height)
            case .webP: webPRow(y, blue, red, out, channelStride: width * height)
            }
        }
    }
    return result
}

/// A level of 8 bits as float32.
@inline(__always)
private func level(_ value: Int32) -> Float { Float(max(0, min(255, value))) / 255 }

/// R = Y + 1.402 (Cr − 128), G = Y − 0.34414 (Cb − 128) − 0.71414 (Cr − 128), B = Y + 1.772 (Cb − 128) in steps of 2⁻¹⁶.
private func jpegRow(_ y: UnsafePointer<UInt8>, _ blue: [Int32], _ red: [Int32], _ out: UnsafeMutablePointer<Float>, channelStride: Int) {
    for x in blue.indices {
        let luma = Int32(y[x]), u = blue[x] &- 128, v = red[x] &- 128
        out[x] = level(luma &+ (91881 &* v &+ 32768) >> 16)
        out[channelStride + x] = level(luma &+ (-22554 &* u &- 46802 &* v &+ 32768) >> 16)
        out[2 * channelStride + x] = level(luma &+ (116130 &* u &+ 32768) >> 16)
    }
}

/// R = 1.164 (Y − 16) + 1.596 (V − 128) and so on in steps of 2⁻¹⁴, the products shortened to 2⁻⁶ before they are added.
private func webPRow(_ y: UnsafePointer<UInt8>, _ blue: [Int32], _ red: [Int32], _ out: UnsafeMutablePointer<Float>, channelStride: Int) {
    for x in blue.indices {
        let luma = (Int32(y[x]) &* 19077) >> 8, u = blue[x], v = red[x]
        out[x] = level((luma &+ (v &* 26149) >> 8 &- 14234) >> 6)
        out[channelStride + x] = level((luma &- (u &* 6419) >> 8 &- (v &* 13320) >> 8 &+ 8708) >> 6)
        out[2 * channelStride + x] = level((luma &+ (u &* 33050) >> 8 &- 17685) >> 6)
    }
}

/// Brings rows of chroma to the width of luma.
private struct ChromaUpsampler {
    private let frame: Frame
    private let shiftX: Int, shiftY: Int
    private let width: Int, height: Int
    private let rule: ChromaRule

    init(_ frame: Frame, _ layout: PixelLayout, rule: ChromaRule) {
        self.frame = frame
        self.rule = rule
        (shiftX, shiftY) = (layout.chromaShiftX, layout.chromaShiftY)
        width = (frame.width + (1 << shiftX) - 1) >> shiftX
        height = (frame.height + (1 << shiftY) - 1) >> shiftY
    }

    private func source(_ plane: Int, _ row: Int) -> UnsafePointer<UInt8> {
        guard let start = frame.plane(plane) else { fatalError("a picture without chroma") }
        return UnsafePointer(start + max(0, min(height - 1, row)) * frame.rowBytes(plane))
    }

    /// Row `row` of the picture, as wide as luma.
    func row(_ row: Int, of plane: Int, into out: inout [Int32]) {
        let nearest = row >> shiftY
        // The other row that this one lies between.
        let other = row & 1 == 0 ? nearest - 1 : nearest + 1
        switch (rule, shiftX, shiftY) {
        case (.webP, 1, 1): webP(source(plane, nearest), source(plane, other), into: &out)
        // libjpeg repeats samples where there are but two.
        case (.jpeg, 1, 1) where width > 2: triangle(source(plane, nearest), source(plane, other), into: &out)
        case (.jpeg, 1, 0) where width > 2: triangle(source(plane, nearest), into: &out)
        case (.jpeg, 0, 1): vertical(source(plane, nearest), source(plane, other), bias: row & 1 == 0 ? 1 : 2, into: &out)
        default:
            let samples = source(plane, nearest)
            for x in out.indices { out[x] = Int32(samples[x >> shiftX]) }
        }
    }

    /// Weights 3 and 1 for the nearer and the farther column.
    private func triangle(_ samples: UnsafePointer<UInt8>, into out: inout [Int32]) {
        for x in out.indices {
            let column = x >> 1, this = Int32(samples[column]), isLeft = x & 1 == 0
            if isLeft && column == 0 || !isLeft && column == width - 1 {
                out[x] = this
            } else {
                out[x] = (3 &* this &+ Int32(samples[isLeft ? column - 1 : column + 1]) &+ (isLeft ? 1 : 2)) >> 2
            }
        }
    }

    private func vertical(_ near: UnsafePointer<UInt8>, _ far: UnsafePointer<UInt8>, bias: Int32, into out: inout [Int32]) {
        for x in out.indices { out[x] = (3 &* Int32(near[x]) &+ Int32(far[x]) &+ bias) >> 2 }
    }

    /// The triangle filter both ways: weights 9, 3, 3, 1, rounded once.
    private func triangle(_ near: UnsafePointer<UInt8>, _ far: UnsafePointer<UInt8>, into out: inout [Int32]) {
        func sum(_ column: Int) -> Int32 { 3 &* Int32(near[column]) &+ Int32(far[column]) }
        for x in out.indices {
            let column = x >> 1, isLeft = x & 1 == 0
            let neighbour = isLeft ? (column == 0 ? 0 : column - 1) : (column == width - 1 ? column : column + 1)
            out[x] = (3 &* sum(column) &+ sum(neighbour) &+ (isLeft ? 8 : 7)) >> 4
        }
    }

    /// The same weights, rounded as libwebp does: first the mean of two and two, then half of that and the nearest sample.
    private func webP(_ near: UnsafePointer<UInt8>, _ far: UnsafePointer<UInt8>, into out: inout [Int32]) {
        for x in out.indices {
            let column = x >> 1, neighbour = x & 1 == 0 ? column - 1 : column + 1
            let this = Int32(near[column]), below = Int32(far[column])
            guard neighbour >= 0, neighbour < width else {
                out[x] = (3 &* this &+ below &+ 2) >> 2
                continue
            }
            let side = Int32(near[neighbour]), across = Int32(far[neighbour])
            let mean = this &+ side &+ below &+ across &+ 8
            out[x] = ((mean &+ 2 &* (side &+ below)) >> 3 &+ this) >> 1
        }
    }
}
