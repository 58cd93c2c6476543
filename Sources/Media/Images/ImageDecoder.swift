internal import CFFmpeg
internal import Torch

/// Decodes what was scanned.
/// - Throws: `FFmpegFailure` whenever the decoder complains about anything, or leaves a pixel out.
func decodeImage(_ scanned: ScannedImage) throws(FFmpegFailure) -> Image {
    let frame = try decodeFrame(scanned, fill: 0x5A)
    // A decoder that runs out of data early may give what it has without a word: its last rows are then as they were allocated.
    // Where they could be, a second decoding into memory filled with something else tells.
    if frame.lastRowsHold(0x5A) {
        let second = try decodeFrame(scanned, fill: 0xA5)
        guard frame.hasSamePixels(as: second) else { throw .damaged("its pixels end early") }
    }
    guard frame.width == scanned.width, frame.height == scanned.height else {
        throw .damaged("its header says \(scanned.width) × \(scanned.height) pixels and its data \(frame.width) × \(frame.height)")
    }
    let planes = try planes(of: frame, scanned)
    let pixels = scanned.orientation.applied(to: planes.pixels), alpha = planes.alpha.map(scanned.orientation.applied)
    return Image(pixels: pixels, alpha: alpha, bitDepth: scanned.bitDepth, hasColorProfile: scanned.hasColorProfile)
}

extension FFmpegFailure {
    static func damaged(_ problem: String) -> FFmpegFailure { FFmpegFailure(code: 0, messages: [problem]) }
}

/// - Parameter fill: the byte that the picture's memory is filled with beforehand.
private func decodeFrame(_ scanned: ScannedImage, fill: UInt8) throws(FFmpegFailure) -> Frame {
    let codec = try Codec(avcodec_find_decoder(scanned.codec))
    let context = codec.pointer
    codec.refuseDamage()
    context.pointee.thread_count = 1
    // Decoders round sizes up to whole blocks.
    context.pointee.max_pixels = Int64(scanned.width + 256) * Int64(scanned.height + 256)
    context.pointee.opaque = UnsafeMutableRawPointer(bitPattern: UInt(fill))
    context.pointee.get_buffer2 = { context, frame, flags in
        let status = avcodec_default_get_buffer2(context, frame, flags)
        guard status >= 0, let frame, let context else { return status }
        withUnsafeBytes(of: &frame.pointee.buf) { buffers in
            for case let buffer? in buffers.bindMemory(to: UnsafeMutablePointer<AVBufferRef>?.self) {
                UnsafeMutableRawBufferPointer(start: buffer.pointee.data, count: Int(buffer.pointee.size))
                    .initializeMemory(as: UInt8.self, repeating: UInt8(UInt(bitPattern: context.pointee.opaque) & 0xFF))
            }
        }
        return status
    }
    // In floating point: nearer to the exact inverse transform, and to libjpeg's, than the default of integers.
    if scanned.format == .jpeg { context.pointee.idct_algo = FF_IDCT_FAAN }
    try codec.open()
    let packet = try Packet(copying: scanned.payload), frame = try Frame()
    let (status, messages) = FFmpegLog.capturing {
        let status = avcodec_send_packet(context, packet.pointer)
        if status < 0 { return status }
        let received = avcodec_receive_frame(context, frame.pointer)
        guard received == cffmpeg_try_again else { return received }
        avcodec_send_packet(context, nil)
        return avcodec_receive_frame(context, frame.pointer)
    }
    if status == cffmpeg_end_of_file || status == cffmpeg_try_again { throw .damaged(messages.first ?? "it holds no picture") }
    // Decoders conceal some damage and only log it.
    if status < 0 || !messages.isEmpty || frame.isDamaged {
        throw FFmpegFailure(code: status, messages: messages.isEmpty && status >= 0 ? ["its pixels are damaged"] : messages)
    }
    return frame
}

extension ScannedImage {
    fileprivate var codec: AVCodecID {
        switch format {
        case .png: AV_CODEC_ID_PNG
        case .jpeg: AV_CODEC_ID_MJPEG
        case .webP: AV_CODEC_ID_WEBP
        case .tiff: AV_CODEC_ID_TIFF
        case .portableMap: payload.dropFirst().first == UInt8(ascii: "5") ? AV_CODEC_ID_PGM : AV_CODEC_ID_PPM
        }
    }
}

extension Frame {
    /// The bytes of the picture's rows, plane by plane.
    private func rows(last count: Int? = nil) -> [UnsafeRawBufferPointer] {
        (0..<4).flatMap { index -> [UnsafeRawBufferPointer] in
            let bytes = Int(av_image_get_linesize(pixelFormat, Int32(width), Int32(index)))
            guard let start = plane(index), bytes > 0 else { return [] }
            let descriptor = av_pix_fmt_desc_get(pixelFormat)?.pointee
            let isChroma = (index == 1 || index == 2) && descriptor.map { $0.flags & UInt64(AV_PIX_FMT_FLAG_RGB) == 0 } == true
            let shift = isChroma ? Int(descriptor?.log2_chroma_h ?? 0) : 0
            let height = (height + (1 << shift) - 1) >> shift
            return (max(0, height - (count ?? height))..<height).map { UnsafeRawBufferPointer(start: start + $0 * rowBytes(index), count: bytes) }
        }
    }

    /// Whether the last two rows, the ones that interlaced files finish with, hold the byte anywhere.
    fileprivate func lastRowsHold(_ byte: UInt8) -> Bool { rows(last: 2).contains { $0.contains(byte) } }

    fileprivate func hasSamePixels(as other: Frame) -> Bool {
        guard pixelFormat == other.pixelFormat, width == other.width, height == other.height else { return false }
        return zip(rows(), other.rows()).allSatisfy { $0.elementsEqual($1) }
    }
}

extension Orientation {
    /// Turns the last two axes so that row 0 is the top and column 0 the left.
    func applied(to tensor: Tensor) -> Tensor {
        let upright = swapsAxes ? tensor.transposed() : tensor
        return switch self {
        case .upright, .transposed: upright.contiguous()
        case .mirrored, .quarterTurnRight: upright.flipped(axes: [-1])
        case .flipped, .quarterTurnLeft: upright.flipped(axes: [-2])
        case .halfTurn, .transversed: upright.flipped(axes: [-2, -1])
        }
    }
}
