internal import CFFmpeg
public import Torch

/// Reads sound piece by piece, so that memory does not grow with the file.
///
/// Samples are float32 in [−1, 1): integers of b bits are n/2^(b−1). Codecs with losses may go a little beyond.
public final class AudioReader {
    /// Samples per second of what is given.
    public let sampleRate: Int
    public let channelCount: Int
    /// Samples per channel that the file says it holds, at its own rate; nil where it does not tell.
    public let declaredSampleCount: Int?

    private let decoder: StreamDecoder
    private let sourceRate: Int
    private let sourceFormat: AVSampleFormat
    private let resampler: Resampler
    /// Per channel, what is decoded and not yet given.
    private var pending: [[Float]]
    private var decodedCount = 0, hasEnded = false

    /// - Parameter sampleRate: to resample to; that of the file if nil.
    /// - Throws: `FileAccessError` if the file cannot be opened, `FileFormatError` if it is damaged, ``MediaError`` if it has no sound.
    public init(_ path: String, sampleRate: Int? = nil) throws {
        require(sampleRate.map { (1...768_000).contains($0) } ?? true, "AudioReader: a sample rate of \(sampleRate ?? 0)")
        decoder = try StreamDecoder(path: path, .audio)
        guard let parameters = decoder.stream.codecpar?.pointee, parameters.sample_rate > 0, (1...64).contains(parameters.ch_layout.nb_channels) else {
            throw decoder.damaged("it does not tell its sample rate and channels, or has more than 64")
        }
        sourceRate = Int(parameters.sample_rate)
        sourceFormat = AVSampleFormat(rawValue: parameters.format)
        channelCount = Int(parameters.ch_layout.nb_channels)
        self.sampleRate = sampleRate ?? sourceRate
        // Only of these containers the number is exact; others round it, or count what is trimmed.
        let isExact = ["wav", "w64", "flac", "aiff", "au", "caf"].contains(decoder.demuxer.formatNames)
        let base = decoder.stream.time_base
        declaredSampleCount = isExact && decoder.stream.duration > 0
            ? Int(av_rescale_q(decoder.stream.duration, base, AVRational(num: 1, den: parameters.sample_rate))) : nil
        pending = Array(repeating: [], count: channelCount)
        do {
            resampler = try Resampler(channelCount: channelCount, format: sourceFormat, from: sourceRate, to: self.sampleRate)
        } catch {
            throw decoder.damaged(error.reason)
        }
    }

    /// The next `count` samples of every channel, fewer at the end of the sound, nil after it.
    /// - Returns: `[channels, samples]`.
    /// - Throws: `FileFormatError` where the file is damaged or ends before what it declares.
    public func next(_ count: Int) throws -> Tensor? {
        require(count > 0, "next: \(count) samples")
        while pending[0].count < count && !hasEnded { try decodeMore() }
        let given = min(count, pending[0].count)
        guard given > 0 else { return nil }
        let result = Tensor(pending.flatMap { $0.prefix(given) }, shape: [channelCount, given])
        for channel in pending.indices { pending[channel].removeFirst(given) }
        return result
    }

    /// All samples that are left, `[channels, samples]`.
    /// - Parameter limit: samples per channel.
    /// - Throws: as ``next(_:)``, and ``MediaError/tooLarge(path:size:limit:)`` if there are more than `limit`.
    public func rest(limit: Int = 1 << 28) throws -> Tensor {
        while !hasEnded {
            try decodeMore()
            if pending[0].count > limit {
                throw MediaError.tooLarge(path: decoder.path, size: "more than \(limit) samples", limit: "\(limit) samples")
            }
        }
        return try next(max(1, pending[0].count)) ?? Tensor.zeros([channelCount, 0])
    }

    private func decodeMore() throws {
        let frame = try decoder.next()
        if let fields = frame?.pointer.pointee {
            guard fields.sample_rate == sourceRate, fields.ch_layout.nb_channels == channelCount, fields.format == sourceFormat.rawValue else {
                throw MediaError.unsupported(path: decoder.path, feature: "a sound that changes its rate or channels midway", advice: "cut it into parts")
            }
            decodedCount += Int(fields.nb_samples)
        } else {
            hasEnded = true
            if let declared = declaredSampleCount, decodedCount < declared {
                throw decoder.damaged("it ends after \(decodedCount) of \(declared) samples")
            }
        }
        do {
            try resampler.convert(frame, appendingTo: &pending)
        } catch {
            throw decoder.damaged(error.reason)
        }
    }
}

/// Turns samples of any format into float32 per channel, at another rate if asked for.
private final class Resampler {
    private let pointer: OpaquePointer

    init(channelCount: Int, format: AVSampleFormat, from source: Int, to target: Int) throws(FFmpegFailure) {
        // The channels stay what they are, so any layout of their number does.
        var layout = AVChannelLayout()
        av_channel_layout_default(&layout, Int32(channelCount))
        var sameLayout = layout
        var made: OpaquePointer?
        try checked { swr_alloc_set_opts2(&made, &layout, AV_SAMPLE_FMT_FLTP, Int32(target), &sameLayout, format, Int32(source), 0, nil) }
        guard let made else { throw FFmpegFailure(code: cffmpeg_out_of_memory, messages: []) }
        pointer = made
        do {
            try checked { swr_init(made) }
        } catch {
            var freed: OpaquePointer? = made
            swr_free(&freed)
            throw error
        }
    }

    deinit {
        var freed: OpaquePointer? = pointer
        swr_free(&freed)
    }

    /// Converts a frame, or what is held back if nil.
    func convert(_ frame: Frame?, appendingTo channels: inout [[Float]]) throws(FFmpegFailure) {
        let inputCount = frame?.pointer.pointee.nb_samples ?? 0
        let capacity = max(0, swr_get_out_samples(pointer, inputCount))
        guard capacity > 0 else { return }
        let storage = UnsafeMutablePointer<Float>.allocate(capacity: channels.count * Int(capacity))
        defer { storage.deallocate() }
        var outputs: [UnsafeMutablePointer<UInt8>?] = channels.indices.map { channel in
            UnsafeMutableRawPointer(storage + channel * Int(capacity)).assumingMemoryBound(to: UInt8.self)
        }
        var inputs: [UnsafePointer<UInt8>?] = channels.indices.map { index in
            guard let frame, frame.hasPlane(index) else { return nil }
            return UnsafePointer(frame.pointer.pointee.extended_data[index])
        }
        let count = try checked {
            frame == nil ? swr_convert(pointer, &outputs, capacity, nil, 0) : swr_convert(pointer, &outputs, capacity, &inputs, inputCount)
        }
        for channel in channels.indices {
            channels[channel] += UnsafeBufferPointer(start: storage + channel * Int(capacity), count: Int(count))
        }
    }
}

extension Frame {
    /// Whether sound has a plane of this number: all channels share the first one unless they are stored apart.
    fileprivate func hasPlane(_ index: Int) -> Bool {
        index == 0 || av_sample_fmt_is_planar(AVSampleFormat(rawValue: pointer.pointee.format)) != 0
    }
}
