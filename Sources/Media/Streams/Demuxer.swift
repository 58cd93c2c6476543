internal import CFFmpeg
internal import Torch

/// An audio or video file that is taken apart into packets.
final class Demuxer {
    enum Kind: String {
        case audio, video
        var ffmpeg: AVMediaType { self == .audio ? AVMEDIA_TYPE_AUDIO : AVMEDIA_TYPE_VIDEO }
    }

    let path: String
    let pointer: UnsafeMutablePointer<AVFormatContext>
    /// The only stream that is read.
    let stream: UnsafeMutablePointer<AVStream>

    /// Containers that hold their content themselves. Playlists, which could name other files and addresses, are not among them.
    private static let containers =
        "wav,w64,aiff,au,caf,flac,mp3,ogg,aac,mov,matroska,avi,mpegts,mpeg,mpegvideo,h264,hevc,ivf,flv,asf,yuv4mpegpipe,nut"

    /// Opens the best stream of a kind.
    init(path: String, _ kind: Kind) throws {
        self.path = path
        // Opened here first: the system's reasons are clearer than FFmpeg's.
        let file = try MappedBytes(path: path)
        func damaged(_ problem: String) -> FileFormatError { FileFormatError(path: path, format: kind.rawValue, problem: problem) }
        guard file.count > 0 else { throw damaged("it is empty") }
        var options: OpaquePointer?
        av_dict_set(&options, "protocol_whitelist", "file", 0)
        av_dict_set(&options, "format_whitelist", Self.containers, 0)
        av_dict_set(&options, "err_detect", "crccheck+bitstream+buffer+explode", 0)
        defer { av_dict_free(&options) }
        var context: UnsafeMutablePointer<AVFormatContext>?
        do {
            try checked { avformat_open_input(&context, "file:\(path)", nil, &options) }
            try checked { avformat_find_stream_info(context, nil) }
        } catch {
            avformat_close_input(&context)
            throw damaged(error.reason)
        }
        let index = av_find_best_stream(context, kind.ffmpeg, -1, -1, nil, 0)
        guard let opened = context, index >= 0, let streams = opened.pointee.streams, let found = streams[Int(index)] else {
            avformat_close_input(&context)
            throw MediaError.noStream(path: path, kind: kind.rawValue)
        }
        pointer = opened
        stream = found
        for other in 0..<Int(opened.pointee.nb_streams) where other != Int(index) { streams[other]?.pointee.discard = AVDISCARD_ALL }
    }

    deinit {
        var closed: UnsafeMutablePointer<AVFormatContext>? = pointer
        avformat_close_input(&closed)
    }

    /// Names of the container's format, e.g. "mov,mp4,m4a,3gp,3g2,mj2".
    var formatNames: String { pointer.pointee.iformat.map { String(cString: $0.pointee.name) } ?? "" }

    /// Reads the stream's next packet; false at the end.
    /// - Throws: `FFmpegFailure` also where the file ends within something.
    func read(into packet: Packet) throws(FFmpegFailure) -> Bool {
        while true {
            av_packet_unref(packet.pointer)
            let (status, messages) = FFmpegLog.capturing { av_read_frame(pointer, packet.pointer) }
            if status == cffmpeg_end_of_file {
                // Some containers only log that they end too early.
                if let message = messages.first { throw .damaged(message) }
                return false
            }
            guard status >= 0 else { throw FFmpegFailure(code: status, messages: messages) }
            if packet.pointer.pointee.stream_index != stream.pointee.index { continue }
            if packet.pointer.pointee.flags & AV_PKT_FLAG_CORRUPT != 0 {
                throw .damaged(messages.first ?? "a piece of its stream is cut off or damaged")
            }
            return true
        }
    }
}
