internal import CFFmpeg
internal import Torch

/// The frames of a file's stream, one after another.
final class StreamDecoder {
    let demuxer: Demuxer
    private let kind: Demuxer.Kind
    private let codec: Codec
    private let packet: Packet
    private var hasEnded = false
    private var frameCount = 0
    /// Frames that the container declares, as long as they are read from the first one; nil where it does not tell.
    private var declaredCount: Int?

    /// - Parameter maximumPixelCount: of a frame; larger ones are refused before they are allocated.
    init(path: String, _ kind: Demuxer.Kind, maximumPixelCount: Int = 1 << 28) throws {
        demuxer = try Demuxer(path: path, kind)
        self.kind = kind
        do {
            let parameters = try allocated(demuxer.stream.pointee.codecpar)
            guard let decoder = avcodec_find_decoder(parameters.pointee.codec_id) else {
                let name = String(cString: avcodec_get_name(parameters.pointee.codec_id))
                throw MediaError.unsupported(
                    path: path, feature: "\(kind.rawValue) of the codec \(name)", advice: "install FFmpeg's libraries with its decoder")
            }
            codec = try Codec(decoder)
            packet = try Packet()
            try checked { avcodec_parameters_to_context(codec.pointer, parameters) }
            codec.pointer.pointee.pkt_timebase = demuxer.stream.pointee.time_base
            codec.refuseDamage()
            codec.pointer.pointee.max_pixels = Int64(maximumPixelCount)
            // FFV1's decoder replaces slices whose checksum does not fit by those of the frame before, and only logs it: on the thread
            // that decodes, which must be ours then.
            codec.takesMessagesAsErrors = parameters.pointee.codec_id == AV_CODEC_ID_FFV1
            codec.pointer.pointee.thread_count = kind == .video && !codec.takesMessagesAsErrors ? 0 : 1
            try codec.open()
            // AVI does not notice by itself that its chunks end early.
            if kind == .video, demuxer.formatNames == "avi", demuxer.stream.pointee.nb_frames > 0 { declaredCount = Int(demuxer.stream.pointee.nb_frames) }
        } catch let failure as FFmpegFailure {
            throw FileFormatError(path: path, format: kind.rawValue, problem: failure.reason)
        }
    }

    var path: String { demuxer.path }
    var stream: AVStream { demuxer.stream.pointee }

    func damaged(_ problem: String) -> FileFormatError { FileFormatError(path: path, format: kind.rawValue, problem: problem) }

    /// The next frame; nil at the end.
    /// - Throws: `FileFormatError` as soon as anything of the stream is missing or damaged.
    func next() throws -> Frame? {
        do {
            let frame = try Frame()
            while true {
                switch try codec.outcome(of: { avcodec_receive_frame(codec.pointer, frame.pointer) }) {
                case .produced:
                    if frame.isDamaged { throw FFmpegFailure.damaged("a frame of it is damaged") }
                    frameCount += 1
                    return frame
                case .ended:
                    guard frameCount > 0 else { throw FFmpegFailure.damaged("it ends before its first frame") }
                    if let declaredCount, frameCount < declaredCount {
                        throw FFmpegFailure.damaged("it ends after \(frameCount) of \(declaredCount) frames")
                    }
                    return nil
                case .needsInput:
                    if hasEnded { return nil }
                    hasEnded = try !demuxer.read(into: packet)
                    try codec.send(hasEnded ? nil : packet)
                }
            }
        } catch let failure as FFmpegFailure {
            throw damaged(failure.reason)
        }
    }

    /// Times of presentation of all packets in the stream's unit, in order; decoding then starts at the beginning again.
    /// - Throws: `FileFormatError` if the stream is damaged or tells no times.
    func presentationTimes() throws -> [Int64] {
        do {
            try seek(to: stream.start_time == .missing ? 0 : stream.start_time)
            var times: [Int64] = []
            while try demuxer.read(into: packet) {
                if packet.pointer.pointee.flags & AV_PKT_FLAG_DISCARD != 0 { continue }
                let time = packet.pointer.pointee.pts == .missing ? packet.pointer.pointee.dts : packet.pointer.pointee.pts
                guard time != .missing else { throw FFmpegFailure.damaged("its packets tell no times, so frames cannot be counted") }
                times.append(time)
            }
            return times.sorted()
        } catch let failure as FFmpegFailure {
            throw damaged(failure.reason)
        }
    }

    /// Goes to the last frame that can be decoded by itself at or before a time, in the stream's unit.
    func seek(to time: Int64) throws(FFmpegFailure) {
        try checked { av_seek_frame(demuxer.pointer, demuxer.stream.pointee.index, time, AVSEEK_FLAG_BACKWARD) }
        avcodec_flush_buffers(codec.pointer)
        hasEnded = false
        declaredCount = nil
    }
}

extension Int64 {
    /// FFmpeg's mark of a time that is not known.
    static var missing: Int64 { .min }
}
