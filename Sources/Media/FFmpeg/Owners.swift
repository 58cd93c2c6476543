internal import CFFmpeg

// Owners of FFmpeg's structures, which are freed with them.

/// A decoded picture, or a piece of sound.
final class Frame {
    let pointer: UnsafeMutablePointer<AVFrame>

    init() throws(FFmpegFailure) { pointer = try allocated(av_frame_alloc()) }

    /// A picture with room for its samples.
    convenience init(width: Int, height: Int, format: AVPixelFormat) throws(FFmpegFailure) {
        try self.init()
        pointer.pointee.width = Int32(width)
        pointer.pointee.height = Int32(height)
        pointer.pointee.format = format.rawValue
        try checked { av_frame_get_buffer(pointer, 0) }
    }

    deinit {
        var freed: UnsafeMutablePointer<AVFrame>? = pointer
        av_frame_free(&freed)
    }

    var width: Int { Int(pointer.pointee.width) }
    var height: Int { Int(pointer.pointee.height) }
    var pixelFormat: AVPixelFormat { AVPixelFormat(rawValue: pointer.pointee.format) }

    /// Whether the decoder says that something of it is missing or made up.
    var isDamaged: Bool { pointer.pointee.decode_error_flags != 0 || pointer.pointee.flags & AV_FRAME_FLAG_CORRUPT != 0 }

    /// The first sample of a plane; nil if there is no such plane.
    func plane(_ index: Int) -> UnsafeMutablePointer<UInt8>? {
        withUnsafeBytes(of: &pointer.pointee.data) { $0.bindMemory(to: UnsafeMutablePointer<UInt8>?.self)[index] }
    }

    /// Bytes from one row of a plane to the next.
    func rowBytes(_ index: Int) -> Int {
        withUnsafeBytes(of: &pointer.pointee.linesize) { Int($0.bindMemory(to: Int32.self)[index]) }
    }
}

/// A piece of a stream as it lies in a file.
final class Packet {
    let pointer: UnsafeMutablePointer<AVPacket>

    init() throws(FFmpegFailure) { pointer = try allocated(av_packet_alloc()) }

    /// A copy of `bytes` with the padding that decoders read ahead into.
    convenience init(copying bytes: [UInt8]) throws(FFmpegFailure) {
        try self.init()
        guard let size = Int32(exactly: bytes.count) else { throw FFmpegFailure(code: cffmpeg_out_of_memory, messages: []) }
        try checked { av_new_packet(pointer, size) }
        bytes.withUnsafeBytes { source in
            UnsafeMutableRawBufferPointer(start: pointer.pointee.data, count: source.count).copyMemory(from: source)
        }
    }

    deinit {
        var freed: UnsafeMutablePointer<AVPacket>? = pointer
        av_packet_free(&freed)
    }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: pointer.pointee.data, count: Int(pointer.pointee.size)) }
}

/// A decoder or an encoder with its settings.
final class Codec {
    let pointer: UnsafeMutablePointer<AVCodecContext>
    /// Whether an error that is only logged is one.
    var takesMessagesAsErrors = false

    init(_ codec: UnsafePointer<AVCodec>?) throws(FFmpegFailure) { pointer = try allocated(avcodec_alloc_context3(codec)) }

    deinit {
        var freed: UnsafeMutablePointer<AVCodecContext>? = pointer
        avcodec_free_context(&freed)
    }

    /// Sets an option of the codec itself, before it is opened.
    func set(_ option: String, _ value: String) throws(FFmpegFailure) {
        try checked { av_opt_set(pointer.pointee.priv_data, option, value, 0) }
    }

    /// Makes a decoder report damage instead of concealing it, before it is opened.
    func refuseDamage() {
        pointer.pointee.err_recognition = AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE
        pointer.pointee.error_concealment = 0
    }

    func open() throws(FFmpegFailure) {
        try checked { avcodec_open2(pointer, nil, nil) }
    }

    /// Hands over a packet, or the end of the stream if nil.
    func send(_ packet: Packet?) throws(FFmpegFailure) {
        _ = try outcome { avcodec_send_packet(pointer, packet?.pointer) }
    }

    /// What comes out next: `receive` is called until it has nothing more without new input.
    func outcome(of receive: () -> Int32) throws(FFmpegFailure) -> Outcome {
        let (status, messages) = FFmpegLog.capturing(receive)
        if takesMessagesAsErrors && !messages.isEmpty { throw FFmpegFailure(code: status, messages: messages) }
        switch status {
        case cffmpeg_try_again: return .needsInput
        case cffmpeg_end_of_file: return .ended
        case ..<0: throw FFmpegFailure(code: status, messages: messages)
        default: return .produced
        }
    }

    enum Outcome { case produced, needsInput, ended }
}
