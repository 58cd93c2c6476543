internal import CFFmpeg
public import Torch

/// How sound is written.
public enum AudioEncoding: Sendable, Equatable {
    /// Bits of a sample in lossless files. Float is only for WAV.
    public enum SampleFormat: Sendable, Equatable { case int16, int24, float32 }

    case wav(SampleFormat)
    /// `.int16` or `.int24`.
    case flac(SampleFormat)
    /// In bits per second, in an .m4a, .mp4 or .mkv file.
    case aac(bitRate: Int)
    /// In bits per second, in an .ogg, .opus or .mkv file; rates of 8, 12, 16, 24 or 48 kHz.
    case opus(bitRate: Int)
}

/// Writes sound piece by piece; the file appears when it is finished.
public final class AudioWriter {
    private let muxer: Muxer
    private let plan: Plan
    private let channelCount: Int
    private let sampleRate: Int
    /// Per channel, what does not fill a frame yet.
    private var pending: [[Float]]
    private var writtenCount = 0

    /// - Parameters:
    ///   - path: its extension says the container: .wav, .flac, .m4a, .mp4, .ogg, .opus or .mkv.
    ///   - encoding: 24-bit WAV or FLAC, or 160 kbit/s of AAC or Opus by the extension if nil.
    /// - Throws: ``MediaError`` if the extension is unknown, does not hold the encoding, or the encoder is missing.
    public init(_ path: String, as encoding: AudioEncoding? = nil, sampleRate: Int, channelCount: Int) throws {
        require(
            (1...768_000).contains(sampleRate) && (1...64).contains(channelCount),
            "AudioWriter: \(channelCount) channels at \(sampleRate) samples per second")
        let plan = try Plan(path, encoding)
        self.plan = plan
        self.channelCount = channelCount
        self.sampleRate = sampleRate
        pending = Array(repeating: [], count: channelCount)
        let advice = "use .wav or .flac, .m4a for AAC, .opus for Opus"
        muxer = try Muxer(path: path, container: plan.container, encoder: plan.codec, advice: advice) { codec in
            let context = codec.pointer
            context.pointee.sample_rate = Int32(sampleRate)
            context.pointee.time_base = AVRational(num: 1, den: Int32(sampleRate))
            context.pointee.sample_fmt = plan.sampleFormat
            av_channel_layout_default(&context.pointee.ch_layout, Int32(channelCount))
            context.pointee.bit_rate = Int64(plan.bitRate)
            if plan.bits == 24 { context.pointee.bits_per_raw_sample = 24 }
        }
    }

    /// Appends samples `[channels, samples]` in [−1, 1); integers are the nearest ones, what lies beyond becomes the greatest.
    /// - Throws: ``MediaError`` if samples are not finite, or writing fails.
    public func write(_ samples: Tensor) throws {
        require(samples.rank == 2 && samples.size(0) == channelCount, "write: samples \(samples.shape) for \(channelCount) channels")
        let values = samples.scalars(as: Float.self), count = samples.size(1)
        guard values.allSatisfy(\.isFinite) else {
            throw MediaError.cannotWrite(path: muxer.path, problem: "its samples hold NaN or infinity", advice: "check what they were computed from")
        }
        for channel in 0..<channelCount { pending[channel] += values[channel * count..<(channel + 1) * count] }
        let size = muxer.frameSize > 0 ? muxer.frameSize : 4096
        while pending[0].count >= size { try writeFrame(size) }
    }

    /// Writes the rest and closes; without it no file appears.
    public func finish() throws {
        if !pending[0].isEmpty { try writeFrame(pending[0].count) }
        try muxer.finish()
    }

    private func writeFrame(_ count: Int) throws {
        do {
            let frame = try Frame()
            frame.pointer.pointee.nb_samples = Int32(count)
            frame.pointer.pointee.format = plan.sampleFormat.rawValue
            frame.pointer.pointee.sample_rate = Int32(sampleRate)
            av_channel_layout_default(&frame.pointer.pointee.ch_layout, Int32(channelCount))
            try checked { av_frame_get_buffer(frame.pointer, 0) }
            frame.pointer.pointee.pts = Int64(writtenCount)
            plan.fill(frame, pending, count)
            try muxer.write(frame)
        } catch let failure as FFmpegFailure {
            throw MediaError.writingFailed(path: muxer.path, reason: failure.reason)
        }
        writtenCount += count
        for channel in pending.indices { pending[channel].removeFirst(count) }
    }

    /// Container, encoder and the form in which it takes samples.
    private struct Plan {
        let container: String, codec: String
        let sampleFormat: AVSampleFormat
        var bits = 32
        var bitRate = 0

        init(_ path: String, _ encoding: AudioEncoding?) throws {
            func refuse(_ problem: String) -> MediaError {
                .cannotWrite(path: path, problem: problem, advice: "use .wav or .flac, .m4a for AAC, .opus for Opus")
            }
            let containers = ["wav": "wav", "flac": "flac", "m4a": "ipod", "mp4": "mp4", "ogg": "ogg", "opus": "ogg", "mkv": "matroska"]
            let suffix = path.split(separator: ".").last.map { $0.lowercased() } ?? ""
            guard let container = containers[suffix] else { throw refuse("its extension stands for no container of sound") }
            self.container = container
            let usual: AudioEncoding = switch container {
            case "wav": .wav(.int24)
            case "ogg": .opus(bitRate: 160_000)
            case "ipod", "mp4": .aac(bitRate: 160_000)
            default: .flac(.int24)
            }
            switch encoding ?? usual {
            case .wav(.int16): (codec, sampleFormat, bits) = ("pcm_s16le", AV_SAMPLE_FMT_S16, 16)
            case .wav(.int24): (codec, sampleFormat, bits) = ("pcm_s24le", AV_SAMPLE_FMT_S32, 24)
            case .wav(.float32): (codec, sampleFormat) = ("pcm_f32le", AV_SAMPLE_FMT_FLT)
            case .flac(.int16): (codec, sampleFormat, bits) = ("flac", AV_SAMPLE_FMT_S16, 16)
            case .flac(.int24): (codec, sampleFormat, bits) = ("flac", AV_SAMPLE_FMT_S32, 24)
            case .flac(.float32): throw refuse("FLAC holds no floating-point samples")
            case .aac(let rate): (codec, sampleFormat, bitRate) = ("aac", AV_SAMPLE_FMT_FLTP, rate)
            case .opus(let rate): (codec, sampleFormat, bitRate) = ("libopus", AV_SAMPLE_FMT_FLT, rate)
            }
            if codec.hasPrefix("pcm") != (container == "wav") { throw refuse("a .\(suffix) file holds no \(codec)") }
        }

        /// Writes the first samples of every channel to a frame.
        func fill(_ frame: Frame, _ channels: [[Float]], _ count: Int) {
            let isPlanar = sampleFormat == AV_SAMPLE_FMT_FLTP
            guard let planes = frame.pointer.pointee.extended_data else { return }
            for (channel, samples) in channels.enumerated() {
                guard let plane = planes[isPlanar ? channel : 0] else { continue }
                let raw = UnsafeMutableRawPointer(plane)
                let (first, step) = isPlanar ? (0, 1) : (channel, channels.count)
                for index in 0..<count {
                    let place = first + index * step
                    switch bits {
                    case 16: raw.storeBytes(of: Int16(level(samples[index], 32768)), toByteOffset: 2 * place, as: Int16.self)
                    // Of 32 bits the upper 24 count.
                    case 24: raw.storeBytes(of: level(samples[index], 8_388_608) << 8, toByteOffset: 4 * place, as: Int32.self)
                    default: raw.storeBytes(of: samples[index], toByteOffset: 4 * place, as: Float.self)
                    }
                }
            }
        }

        private func level(_ sample: Float, _ scale: Float) -> Int32 { Int32(max(-scale, min(scale - 1, (sample * scale).rounded()))) }
    }
}
