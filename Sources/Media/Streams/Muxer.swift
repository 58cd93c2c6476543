internal import CFFmpeg
internal import Foundation

/// A file of one stream that appears under its name only when it is finished.
final class Muxer {
    let path: String
    private let temporaryPath: String
    private let context: UnsafeMutablePointer<AVFormatContext>
    private let codec: Codec
    private let stream: UnsafeMutablePointer<AVStream>
    private let packet: Packet
    private var isFinished = false

    /// - Parameters:
    ///   - container: FFmpeg's name of a format.
    ///   - configure: sets the encoder up before it is opened.
    init(path: String, container: String, encoder name: String, advice: String, configure: (Codec) throws -> Void) throws {
        self.path = path
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).tmp"
        temporaryPath = temporary
        guard let encoder = avcodec_find_encoder_by_name(name) else { throw MediaError.missingEncoder(name: name, advice: advice) }
        // What is made here is given up again when anything fails, since `deinit` only runs for what was made completely.
        var made: UnsafeMutablePointer<AVFormatContext>?
        do {
            try checked { avformat_alloc_output_context2(&made, nil, container, nil) }
            let context = try allocated(made)
            // 0 is no; containers that have no list say neither.
            guard avformat_query_codec(context.pointee.oformat, encoder.pointee.id, FF_COMPLIANCE_NORMAL) != 0 else {
                throw MediaError.cannotWrite(path: path, problem: "a file of this extension holds no \(name)", advice: advice)
            }
            let codec = try Codec(encoder)
            // Neither versions nor times go into the file: equal content gives equal bytes.
            context.pointee.flags |= AVFMT_FLAG_BITEXACT
            codec.pointer.pointee.flags |= AV_CODEC_FLAG_BITEXACT
            if context.pointee.oformat.pointee.flags & AVFMT_GLOBALHEADER != 0 { codec.pointer.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER }
            try configure(codec)
            try codec.open()
            let stream = try allocated(avformat_new_stream(context, nil))
            stream.pointee.time_base = codec.pointer.pointee.time_base
            stream.pointee.avg_frame_rate = codec.pointer.pointee.framerate
            try checked { avcodec_parameters_from_context(stream.pointee.codecpar, codec.pointer) }
            let packet = try Packet()
            try checked { avio_open(&context.pointee.pb, "file:\(temporary)", AVIO_FLAG_WRITE) }
            try checked { avformat_write_header(context, nil) }
            (self.codec, self.stream, self.packet) = (codec, stream, packet)
            self.context = context
        } catch {
            if let made {
                avio_closep(&made.pointee.pb)
                avformat_free_context(made)
            }
            unlink(temporary)
            if let failure = error as? FFmpegFailure { throw MediaError.writingFailed(path: path, reason: failure.reason) }
            throw error
        }
    }

    deinit {
        avio_closep(&context.pointee.pb)
        avformat_free_context(context)
        if !isFinished { unlink(temporaryPath) }
    }

    /// Samples that the encoder takes at a time; 0 if any number.
    var frameSize: Int { Int(codec.pointer.pointee.frame_size) }

    /// Encodes a frame, or what the encoder holds back if nil, and writes what comes out.
    func write(_ frame: Frame?) throws {
        precondition(!isFinished, "write: the file '\(path)' is finished")
        do {
            try checked { avcodec_send_frame(codec.pointer, frame?.pointer) }
            while try codec.outcome(of: { avcodec_receive_packet(codec.pointer, packet.pointer) }) == .produced {
                av_packet_rescale_ts(packet.pointer, codec.pointer.pointee.time_base, stream.pointee.time_base)
                packet.pointer.pointee.stream_index = stream.pointee.index
                try checked { av_interleaved_write_frame(context, packet.pointer) }
            }
        } catch {
            throw MediaError.writingFailed(path: path, reason: error.reason)
        }
    }

    /// Writes what is held back and the container's end, synchronises to disk and renames.
    func finish() throws {
        try write(nil)
        do {
            try checked { av_write_trailer(context) }
            try checked { avio_closep(&context.pointee.pb) }
        } catch {
            throw MediaError.writingFailed(path: path, reason: error.reason)
        }
        let descriptor = open(temporaryPath, O_RDWR | O_CLOEXEC)
        let isSynchronised = descriptor >= 0 && fsync(descriptor) == 0
        if descriptor >= 0 { close(descriptor) }
        guard isSynchronised, rename(temporaryPath, path) == 0 else {
            throw MediaError.writingFailed(path: path, reason: String(cString: strerror(errno)))
        }
        isFinished = true
    }
}
