internal import CFFmpeg
public import Torch

/// How films are written.
public enum VideoEncoding: Sendable, Equatable {
    /// The constant rate factor of x264: 0 is nearly lossless, 18 hard to tell from the source, 51 the worst. Chroma is shared by two by
    /// two pixels, in films of odd sizes by none.
    case h264(quality: Int = 18)
    /// Lossless RGB with checksums, of at least 2 × 2 pixels, in .mkv, .avi or .mov files.
    case ffv1(Image.BitDepth = .eight)
    /// MPEG-4 part 2 with a quantiser of 1 to 31.
    case mpeg4(quantizer: Int = 3)

    /// H.264 where FFmpeg has an encoder for it, else MPEG-4.
    public static var automatic: VideoEncoding { avcodec_find_encoder_by_name("libx264") == nil ? .mpeg4() : .h264() }
}

/// Writes films frame by frame; the file appears when it is finished.
public final class VideoWriter {
    private let muxer: Muxer
    private let plan: Plan
    private let width: Int, height: Int
    private let converter = FrameConverter()
    private var count = 0

    /// - Parameters:
    ///   - path: its extension says the container: .mp4, .mov, .mkv or .avi.
    ///   - frameRate: frames per second.
    /// - Throws: ``MediaError`` if the extension is unknown, does not hold the encoding, or the encoder is missing.
    public init(_ path: String, as encoding: VideoEncoding = .automatic, width: Int, height: Int, frameRate: Rational) throws {
        require((1...16384).contains(width) && (1...16384).contains(height), "VideoWriter: frames of \(width) × \(height)")
        let plan = try Plan(path, encoding, width: width, height: height)
        self.plan = plan
        (self.width, self.height) = (width, height)
        muxer = try Muxer(path: path, container: plan.container, encoder: plan.codec, advice: "use .mkv, or another encoding") { codec in
            let context = codec.pointer
            context.pointee.width = Int32(width)
            context.pointee.height = Int32(height)
            context.pointee.framerate = frameRate.ffmpeg
            context.pointee.time_base = AVRational(num: frameRate.ffmpeg.den, den: frameRate.ffmpeg.num)
            context.pointee.pix_fmt = plan.pixelFormat
            if plan.hasChroma {
                context.pointee.colorspace = AVCOL_SPC_BT709
                context.pointee.color_primaries = AVCOL_PRI_BT709
                context.pointee.color_trc = AVCOL_TRC_BT709
                context.pointee.color_range = AVCOL_RANGE_MPEG
            }
            if let quantizer = plan.quantizer {
                context.pointee.flags |= AV_CODEC_FLAG_QSCALE
                context.pointee.global_quality = FF_QP2LAMBDA * quantizer
            }
            // Version 3 of FFV1 has a checksum for every slice.
            if plan.codec == "ffv1" {
                context.pointee.level = 3
                // Small frames cannot be cut into several.
                if width * height < 4096 { context.pointee.slices = 1 }
            }
            for (option, value) in plan.options { try codec.set(option, value) }
        }
    }

    /// Appends a frame `[3, H, W]` of float32; numbers below 0 and above 1 become 0 and 1.
    /// - Throws: ``MediaError`` if pixels are not finite, or writing fails.
    public func write(_ pixels: Tensor) throws {
        require(pixels.shape == [3, height, width], "write: a frame \(pixels.shape) for a film of [3, \(height), \(width)]")
        if pixels.isFinite().logicalNot().to(dtype: .float32).max().item() > 0 {
            throw MediaError.cannotWrite(path: muxer.path, problem: "frame \(count) holds NaN or infinity", advice: "check what it was computed from")
        }
        do {
            let frame = try Frame(width: width, height: height, format: plan.pixelFormat)
            let image = Image(pixels: pixels.to(dtype: .float32))
            if plan.hasChroma {
                let rgb = try Frame(width: width, height: height, format: AV_PIX_FMT_RGB24)
                fill(rgb, image, maximum: 255)
                try converter.convert(rgb, to: frame, matrix: SWS_CS_ITU709, sourceIsFull: true, targetIsFull: false)
            } else {
                fill(frame, image, maximum: plan.maximum)
            }
            frame.pointer.pointee.pts = Int64(count)
            if let quantizer = plan.quantizer { frame.pointer.pointee.quality = FF_QP2LAMBDA * quantizer }
            try muxer.write(frame)
        } catch let failure as FFmpegFailure {
            throw MediaError.writingFailed(path: muxer.path, reason: failure.reason)
        }
        count += 1
    }

    /// Writes the rest and closes; without it no file appears.
    public func finish() throws { try muxer.finish() }

    /// Container, encoder and the form in which it takes pictures.
    private struct Plan {
        let container: String, codec: String
        let pixelFormat: AVPixelFormat
        var hasChroma = true
        var maximum: Float = 255
        var quantizer: Int32?
        var options: [(String, String)] = []

        init(_ path: String, _ encoding: VideoEncoding, width: Int, height: Int) throws {
            func refuse(_ problem: String, _ advice: String) -> MediaError { .cannotWrite(path: path, problem: problem, advice: advice) }
            let containers = ["mp4": "mp4", "mov": "mov", "mkv": "matroska", "avi": "avi"]
            let suffix = path.split(separator: ".").last.map { $0.lowercased() } ?? ""
            guard let container = containers[suffix] else { throw refuse("its extension stands for no container of films", "use .mp4, .mov, .mkv or .avi") }
            self.container = container
            switch encoding {
            case .h264(let quality):
                guard (0...51).contains(quality) else { throw refuse("the quality \(quality) is not within 0…51", "give one that is") }
                (codec, pixelFormat) = ("libx264", width % 2 == 1 || height % 2 == 1 ? AV_PIX_FMT_YUV444P : AV_PIX_FMT_YUV420P)
                options = [("crf", "\(quality)")]
            case .ffv1(let depth):
                (codec, pixelFormat) = ("ffv1", depth == .eight ? AV_PIX_FMT_BGR0 : AV_PIX_FMT_RGB48LE)
                (hasChroma, maximum) = (false, depth.maximum)
                options = [("slicecrc", "1")]
            case .mpeg4(let value):
                guard (1...31).contains(value) else { throw refuse("the quantiser \(value) is not within 1…31", "give one that is") }
                (codec, pixelFormat, quantizer) = ("mpeg4", AV_PIX_FMT_YUV420P, Int32(value))
            }
            if case .ffv1 = encoding {
                if container == "mp4" { throw refuse("a .mp4 file holds no FFV1", "use .mkv") }
                // FFmpeg 5.1 writes such frames without an error, and reads them as black.
                if min(width, height) < 2 { throw refuse("FFV1 holds no frames of \(width) × \(height)", "use frames of at least 2 × 2") }
            }
        }
    }
}
