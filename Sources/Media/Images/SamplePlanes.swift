internal import CFFmpeg
internal import Torch

/// A picture's channels as the library keeps them.
struct SamplePlanes {
    let pixels: Tensor
    let alpha: Tensor?
}

/// The frame's samples as float32 in [0, 1].
/// - Throws: for layouts that no decoder of ours is known to give.
func planes(of frame: Frame, _ scanned: ScannedImage) throws(FFmpegFailure) -> SamplePlanes {
    guard let descriptor = av_pix_fmt_desc_get(frame.pixelFormat)?.pointee else { throw .damaged("its decoder gave no picture") }
    let layout = PixelLayout(descriptor)
    if frame.pixelFormat == AV_PIX_FMT_PAL8 { return palettePlanes(frame, hasAlpha: scanned.hasAlpha) }
    if layout.isBitmap { return bitmapPlanes(frame, zeroIsWhite: frame.pixelFormat == AV_PIX_FMT_MONOWHITE) }
    let colors = layout.components.count >= 3 ? 3 : 1
    let alpha = layout.hasAlpha && scanned.hasAlpha ? componentPlanes(frame, layout, [layout.components.count - 1]).reshaped([frame.height, frame.width]) : nil
    if layout.isRGB || colors == 1 { return SamplePlanes(pixels: componentPlanes(frame, layout, Array(0..<colors)), alpha: alpha) }
    guard layout.components[0].depth == 8 else { throw .damaged("its luma and chroma have \(layout.components[0].depth) bits") }
    return SamplePlanes(pixels: rgbPlanes(frame, layout, rule: scanned.format == .webP ? .webP : .jpeg), alpha: alpha)
}

/// What FFmpeg says of a pixel format.
struct PixelLayout {
    let components: [AVComponentDescriptor]
    let isBigEndian: Bool, isRGB: Bool, hasAlpha: Bool, isBitmap: Bool
    /// Logarithms of how many pixels share a chroma sample.
    let chromaShiftX: Int, chromaShiftY: Int

    init(_ descriptor: AVPixFmtDescriptor) {
        let all = [descriptor.comp.0, descriptor.comp.1, descriptor.comp.2, descriptor.comp.3]
        components = Array(all.prefix(Int(descriptor.nb_components)))
        func has(_ flag: Int32) -> Bool { descriptor.flags & UInt64(flag) != 0 }
        isBigEndian = has(AV_PIX_FMT_FLAG_BE)
        isRGB = has(AV_PIX_FMT_FLAG_RGB)
        hasAlpha = has(AV_PIX_FMT_FLAG_ALPHA)
        isBitmap = has(AV_PIX_FMT_FLAG_BITSTREAM)
        chromaShiftX = Int(descriptor.log2_chroma_w)
        chromaShiftY = Int(descriptor.log2_chroma_h)
    }
}

/// Every sample value that a byte can say, as float32.
private let byteValues: [Float] = (0..<256).map { Float($0) / 255 }

/// Components as planes `[count, H, W]`, divided by the greatest value of their depth.
func componentPlanes(_ frame: Frame, _ layout: PixelLayout, _ indices: [Int]) -> Tensor {
    let (width, height) = (frame.width, frame.height)
    let result = Tensor.uninitialized([indices.count, height, width])
    result.withMutableBytes { bytes in
        let target = bytes.bindMemory(to: Float.self)
        for (channel, index) in indices.enumerated() {
            let component = layout.components[index]
            guard let plane = frame.plane(Int(component.plane)) else { continue }
            let step = Int(component.step)
            for row in 0..<height {
                let source = UnsafeRawPointer(plane) + row * frame.rowBytes(Int(component.plane)) + Int(component.offset)
                let out = UnsafeMutableBufferPointer(rebasing: target[(channel * height + row) * width..<(channel * height + row + 1) * width])
                if component.depth == 8 && component.shift == 0 {
                    for x in 0..<width { out[x] = byteValues[Int(source.load(fromByteOffset: x * step, as: UInt8.self))] }
                } else {
                    readWords(source, step: step, component, bigEndian: layout.isBigEndian, into: out)
                }
            }
        }
    }
    return result
}

/// Samples that lie in words of 16 bits.
private func readWords(
    _ source: UnsafeRawPointer, step: Int, _ component: AVComponentDescriptor, bigEndian: Bool, into out: UnsafeMutableBufferPointer<Float>
) {
    let mask = UInt16(truncatingIfNeeded: (1 << component.depth) - 1), shift = UInt16(component.shift), maximum = Float(mask)
    for x in 0..<out.count {
        let word = source.loadUnaligned(fromByteOffset: x * step, as: UInt16.self)
        out[x] = Float((bigEndian ? UInt16(bigEndian: word) : UInt16(littleEndian: word)) >> shift & mask) / maximum
    }
}

/// Indices into a table of colours.
private func palettePlanes(_ frame: Frame, hasAlpha: Bool) -> SamplePlanes {
    let (width, height) = (frame.width, frame.height)
    // 256 words with alpha in the highest byte, then red, green and blue.
    var colors = [UInt32](repeating: 0, count: 256)
    if let table = frame.plane(1) { for index in 0..<256 { colors[index] = UnsafeRawPointer(table).load(fromByteOffset: 4 * index, as: UInt32.self) } }
    let result = Tensor.uninitialized([4, height, width])
    result.withMutableBytes { bytes in
        let target = bytes.bindMemory(to: Float.self)
        guard let indices = frame.plane(0) else { return }
        for row in 0..<height {
            for x in 0..<width {
                let color = colors[Int(indices[row * frame.rowBytes(0) + x])]
                for (channel, shift) in [UInt32(16), 8, 0, 24].enumerated() {
                    target[(channel * height + row) * width + x] = byteValues[Int(color >> shift & 0xFF)]
                }
            }
        }
    }
    let alpha = hasAlpha ? result.selected(axis: 0, index: 3).contiguous() : nil
    return SamplePlanes(pixels: result.narrowed(axis: 0, from: 0, count: 3).contiguous(), alpha: alpha)
}

/// Pixels of one bit, the highest bit of a byte first.
private func bitmapPlanes(_ frame: Frame, zeroIsWhite: Bool) -> SamplePlanes {
    let (width, height) = (frame.width, frame.height)
    let result = Tensor.uninitialized([1, height, width])
    result.withMutableBytes { bytes in
        let target = bytes.bindMemory(to: Float.self)
        guard let plane = frame.plane(0) else { return }
        for row in 0..<height {
            for x in 0..<width {
                let bit = plane[row * frame.rowBytes(0) + x / 8] >> UInt8(7 - x % 8) & 1
                target[row * width + x] = (bit == 1) != zeroIsWhite ? 1 : 0
            }
        }
    }
    return SamplePlanes(pixels: result, alpha: nil)
}
