internal import CFFmpeg

/// The FFmpeg that this program runs with.
public enum FFmpeg {
    /// One of FFmpeg's libraries.
    public struct Library: Sendable, Equatable, Encodable {
        public let name: String
        /// As the library itself says at run time, e.g. "59.37.100".
        public let version: String
    }

    /// Version of the whole, e.g. "5.1.6-0+deb12u1".
    public static var version: String { String(cString: av_version_info()) }

    /// The libraries that are linked.
    public static var libraries: [Library] {
        let numbers = [
            ("libavformat", avformat_version()), ("libavcodec", avcodec_version()), ("libavutil", avutil_version()),
            ("libswscale", swscale_version()), ("libswresample", swresample_version()),
        ]
        return numbers.map { Library(name: $0.0, version: "\($0.1 >> 16).\($0.1 >> 8 & 255).\($0.1 & 255)") }
    }
}
