internal import CFFmpeg
public import Torch

/// A picture of a film.
public struct VideoFrame {
    /// `[3, H, W]`, float32 in [0, 1].
    public let pixels: Tensor
    /// Seconds from the film's first frame.
    public let time: Double
}

/// Reads films frame by frame, so that memory does not grow with the file.
///
/// Luma and chroma become RGB by the matrix and range that the stream names (BT.601 below 720 lines and BT.709 from there on
/// where it names none), with chroma upsampled bilinearly; RGB streams are given exactly. A turn of the picture by quarters that the
/// container asks for is applied.
public final class VideoReader {
    /// Frames per second, on average where they vary; nil where the container does not tell.
    public let frameRate: Rational?

    private let decoder: StreamDecoder
    private let orientation: Orientation
    private let converter = FrameConverter()
    private var times: [Int64]?
    /// Frames before this time are passed over: they are only decoded for the sake of later ones.
    private var firstTime = Int64.min

    /// - Parameter limits: of a frame.
    /// - Throws: `FileAccessError` if the file cannot be opened, `FileFormatError` if it is damaged, ``MediaError`` if it has no film.
    public init(_ path: String, limits: ImageLimits = ImageLimits()) throws {
        decoder = try StreamDecoder(path: path, .video, maximumPixelCount: limits.pixelCount)
        frameRate = Rational(decoder.stream.avg_frame_rate) ?? Rational(decoder.stream.r_frame_rate)
        orientation = Orientation(displayMatrixOf: decoder.demuxer.stream)
    }

    /// The next frame; nil after the last one.
    /// - Throws: `FileFormatError` where the film is damaged or cut off.
    public func next() throws -> VideoFrame? {
        while let frame = try decoder.next() {
            let time = frame.pointer.pointee.best_effort_timestamp
            if time != .missing && time < firstTime { continue }
            do {
                let pixels = orientation.applied(to: try converter.rgb(frame))
                return VideoFrame(pixels: pixels, time: seconds(time))
            } catch {
                throw decoder.damaged(error.reason)
            }
        }
        return nil
    }

    private func seconds(_ time: Int64) -> Double {
        let start = decoder.stream.start_time, base = decoder.stream.time_base
        guard time != .missing else { return .nan }
        return Double(time - (start == .missing ? 0 : start)) * Double(base.num) / Double(base.den)
    }

    /// How many frames there are: the file is gone through once without decoding. Reading then starts at the beginning.
    public func frameCount() throws -> Int {
        let count = try presentationTimes().count
        try seek(toFrame: 0)
        return count
    }

    private func presentationTimes() throws -> [Int64] {
        if let times { return times }
        let found = try decoder.presentationTimes()
        times = found
        return found
    }

    /// Makes ``next()`` give frame `index`, counted from 0 in the order of presentation; exact for films of any structure.
    /// - Throws: ``MediaError`` if there is no such frame.
    public func seek(toFrame index: Int) throws {
        let times = try presentationTimes()
        guard times.indices.contains(index) else {
            throw MediaError.unsupported(path: decoder.path, feature: "a film of \(times.count) frames", advice: "frame \(index) lies outside of it")
        }
        do {
            try decoder.seek(to: times[index])
        } catch {
            throw decoder.damaged(error.reason)
        }
        firstTime = times[index]
    }

    /// Frames by their numbers.
    /// - Throws: as ``seek(toFrame:)`` and ``next()``.
    public func frames(_ range: Range<Int>) throws -> [VideoFrame] {
        guard !range.isEmpty else { return [] }
        try seek(toFrame: range.lowerBound)
        return try range.map { index in
            guard let frame = try next() else { throw decoder.damaged("it ends before frame \(index)") }
            return frame
        }
    }
}

extension Orientation {
    /// The turn that a stream's display matrix asks for, to the nearest quarter.
    fileprivate init(displayMatrixOf stream: UnsafePointer<AVStream>) {
        guard let matrix = cffmpeg_display_matrix(stream) else {
            self = .upright
            return
        }
        let angle = av_display_rotation_get(matrix)
        // Counter-clockwise, in degrees.
        let quarters = angle.isFinite ? Int((angle / 90).rounded()) : 0
        self = [.upright, .quarterTurnLeft, .halfTurn, .quarterTurnRight][(quarters % 4 + 4) % 4]
    }
}
