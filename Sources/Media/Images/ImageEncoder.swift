internal import CFFmpeg
internal import Torch

/// A picture file's bytes.
/// - Throws: `FFmpegFailure`, or `MediaError.missingEncoder`.
func encodeImage(_ image: Image, _ encoding: ImageEncoding) throws -> [UInt8] {
    let plan = EncodingPlan(image, encoding)
    guard let found = avcodec_find_encoder_by_name(plan.codec) else {
        throw MediaError.missingEncoder(name: "\(encoding.format) (\(plan.codec))", advice: "install FFmpeg's libraries with it, or write PNG")
    }
    let codec = try Codec(found), context = codec.pointer
    context.pointee.width = Int32(image.width)
    context.pointee.height = Int32(image.height)
    context.pointee.pix_fmt = plan.pixelFormat
    context.pointee.time_base = AVRational(num: 1, den: 1)
    context.pointee.thread_count = 1
    try configure(codec, encoding)
    try codec.open()

    let frame = try Frame(width: image.width, height: image.height, format: plan.pixelFormat)
    frame.pointer.pointee.pts = 0
    if case .jpeg = encoding {
        frame.pointer.pointee.color_range = AVCOL_RANGE_JPEG
        frame.pointer.pointee.quality = FF_QP2LAMBDA * JPEGTables.scale
        fillLumaAndChroma(frame, image)
    } else {
        fill(frame, image, maximum: encoding.bitDepth.maximum)
    }
    let packet = try Packet()
    try checked { avcodec_send_frame(context, frame.pointer) }
    try checked { avcodec_send_frame(context, nil) }
    try checked { avcodec_receive_packet(context, packet.pointer) }
    return Array(packet.bytes)
}

/// The encoder and the order of samples that it takes.
private struct EncodingPlan {
    let codec: String
    let pixelFormat: AVPixelFormat

    init(_ image: Image, _ encoding: ImageEncoding) {
        let isGrey = image.color == .grey, hasAlpha = image.alpha != nil
        switch encoding {
        case .png(let depth):
            codec = "png"
            pixelFormat = switch (isGrey, hasAlpha, depth) {
            case (true, false, .eight): AV_PIX_FMT_GRAY8
            case (true, true, .eight): AV_PIX_FMT_YA8
            case (false, false, .eight): AV_PIX_FMT_RGB24
            case (false, true, .eight): AV_PIX_FMT_RGBA
            case (true, false, .sixteen): AV_PIX_FMT_GRAY16BE
            case (true, true, .sixteen): AV_PIX_FMT_YA16BE
            case (false, false, .sixteen): AV_PIX_FMT_RGB48BE
            case (false, true, .sixteen): AV_PIX_FMT_RGBA64BE
            }
        case .tiff(let depth):
            codec = "tiff"
            pixelFormat = switch (isGrey, hasAlpha, depth) {
            case (true, false, .eight): AV_PIX_FMT_GRAY8
            case (true, true, .eight): AV_PIX_FMT_YA8
            case (false, false, .eight): AV_PIX_FMT_RGB24
            case (false, true, .eight): AV_PIX_FMT_RGBA
            case (true, false, .sixteen): AV_PIX_FMT_GRAY16LE
            case (true, true, .sixteen): AV_PIX_FMT_YA16LE
            case (false, false, .sixteen): AV_PIX_FMT_RGB48LE
            case (false, true, .sixteen): AV_PIX_FMT_RGBA64LE
            }
        case .portableMap(let depth):
            codec = isGrey ? "pgm" : "ppm"
            pixelFormat = switch (isGrey, depth) {
            case (true, .eight): AV_PIX_FMT_GRAY8
            case (false, .eight): AV_PIX_FMT_RGB24
            case (true, .sixteen): AV_PIX_FMT_GRAY16BE
            case (false, .sixteen): AV_PIX_FMT_RGB48BE
            }
        case .webP, .losslessWebP: (codec, pixelFormat) = ("libwebp", AV_PIX_FMT_BGRA)
        case .jpeg(_, .quarter): (codec, pixelFormat) = ("mjpeg", AV_PIX_FMT_YUVJ420P)
        case .jpeg(_, .none): (codec, pixelFormat) = ("mjpeg", AV_PIX_FMT_YUVJ444P)
        }
    }
}

private func configure(_ codec: Codec, _ encoding: ImageEncoding) throws(FFmpegFailure) {
    switch encoding {
    case .tiff: try codec.set("compression_algo", "deflate")
    case .webP(let quality): try codec.set("quality", "\(quality)")
    case .losslessWebP: try codec.set("lossless", "1")
    case .jpeg(let quality, _):
        codec.pointer.pointee.flags |= AV_CODEC_FLAG_QSCALE
        codec.pointer.pointee.global_quality = FF_QP2LAMBDA * JPEGTables.scale
        codec.pointer.pointee.color_range = AVCOL_RANGE_JPEG
        codec.pointer.pointee.intra_matrix = try JPEGTables.allocated(JPEGTables.luma, quality: quality)
        codec.pointer.pointee.chroma_intra_matrix = try JPEGTables.allocated(JPEGTables.chroma, quality: quality)
    case .png, .portableMap: break
    }
}

/// Writes the picture's samples, rounded, to where the frame's format has them.
func fill(_ frame: Frame, _ image: Image, maximum: Float) {
    guard let descriptor = av_pix_fmt_desc_get(frame.pixelFormat)?.pointee else { return }
    let layout = PixelLayout(descriptor), (width, height) = (image.width, image.height)
    for (index, component) in layout.components.enumerated() {
        let isAlpha = layout.hasAlpha && index == layout.components.count - 1
        let channel = isAlpha ? image.alpha : image.pixels.selected(axis: 0, index: min(index, image.pixels.size(0) - 1))
        guard let plane = frame.plane(Int(component.plane)) else { continue }
        let rowBytes = frame.rowBytes(Int(component.plane)), step = Int(component.step)
        let levels = channel.map { quantized($0, maximum: maximum) }
        for row in 0..<height {
            let target = UnsafeMutableRawPointer(plane) + row * rowBytes + Int(component.offset)
            for x in 0..<width {
                let level = levels.map { $0[row * width + x] } ?? UInt16(maximum)
                if maximum == 255 {
                    target.storeBytes(of: UInt8(level), toByteOffset: x * step, as: UInt8.self)
                } else {
                    target.storeBytes(of: layout.isBigEndian ? level.bigEndian : level.littleEndian, toByteOffset: x * step, as: UInt16.self)
                }
            }
        }
    }
}

/// The nearest levels of numbers in [0, 1].
private func quantized(_ plane: Tensor, maximum: Float) -> [UInt16] {
    plane.withBytes { bytes in
        bytes.bindMemory(to: Float.self).map { UInt16((max(0, min(1, $0)) * maximum).rounded()) }
    }
}

/// Luma and chroma by BT.601 over the full range, chroma as the mean of the pixels that share it.
private func fillLumaAndChroma(_ frame: Frame, _ image: Image) {
    let (width, height) = (image.width, image.height)
    let levels = (0..<3).map { quantized(image.pixels.selected(axis: 0, index: min($0, image.pixels.size(0) - 1)), maximum: 255) }
    let isShared = frame.pixelFormat == AV_PIX_FMT_YUVJ420P
    let weights: [[Float]] = [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]]
    for (plane, weight) in weights.enumerated() {
        guard let start = frame.plane(plane) else { continue }
        let shift = isShared && plane > 0 ? 1 : 0
        for row in 0..<(height + shift) >> shift {
            for column in 0..<(width + shift) >> shift {
                var sum: Float = 0
                for (dy, dx) in shift == 0 ? [(0, 0)] : [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    // Beyond an odd edge the last pixel counts again.
                    let index = min(height - 1, (row << shift) + dy) * width + min(width - 1, (column << shift) + dx)
                    sum += weight[0] * Float(levels[0][index]) + weight[1] * Float(levels[1][index]) + weight[2] * Float(levels[2][index])
                }
                let value = (shift == 0 ? sum : sum / 4) + (plane > 0 ? 128 : 0)
                start[row * frame.rowBytes(plane) + column] = UInt8(max(0, min(255, value.rounded())))
            }
        }
    }
}

/// The example quantisation tables of ITU-T T.81, annex K.1, row by row.
private enum JPEGTables {
    /// FFmpeg multiplies its tables by this and divides by 8.
    static let scale: Int32 = 8

    static let luma: [Int] = [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
        18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ]
    static let chroma: [Int] = [
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    ]

    /// The table for a quality, in memory that the codec frees.
    static func allocated(_ table: [Int], quality: Int) throws(FFmpegFailure) -> UnsafeMutablePointer<UInt16> {
        let percent = quality < 50 ? 5000 / quality : 200 - 2 * quality
        guard let memory = av_malloc(64 * MemoryLayout<UInt16>.size) else { throw FFmpegFailure(code: cffmpeg_out_of_memory, messages: []) }
        let entries = memory.bindMemory(to: UInt16.self, capacity: 64)
        for (index, value) in table.enumerated() { entries[index] = UInt16(max(1, min(255, (value * percent + 50) / 100))) }
        return entries
    }
}
