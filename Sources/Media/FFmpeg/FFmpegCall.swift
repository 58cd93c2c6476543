internal import CFFmpeg
internal import Synchronization

/// A call of FFmpeg that failed.
struct FFmpegFailure: Error {
    let code: Int32
    /// Errors that the libraries logged during the call, the first one first.
    let messages: [String]

    /// The most telling part of what is known, without a full stop.
    var reason: String { messages.first ?? systemReason }

    /// FFmpeg's own text for the code.
    private var systemReason: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let start = buffer.baseAddress, av_strerror(code, start, buffer.count) >= 0 else { return "FFmpeg's error \(code)" }
            let text = String(cString: start)
            return text.prefix(1).lowercased() + text.dropFirst()
        }
    }
}

/// Calls FFmpeg.
/// - Returns: the call's result, which is not negative.
/// - Throws: ``FFmpegFailure`` with what the libraries logged in the meantime; nothing reaches the terminal.
@discardableResult
func checked(_ call: () -> Int32) throws(FFmpegFailure) -> Int32 {
    let (status, messages) = FFmpegLog.capturing(call)
    guard status >= 0 else { throw FFmpegFailure(code: status, messages: messages) }
    return status
}

/// An allocation of FFmpeg's, which gives no pointer only when memory is short.
func allocated<Pointee>(_ pointer: UnsafeMutablePointer<Pointee>?) throws(FFmpegFailure) -> UnsafeMutablePointer<Pointee> {
    guard let pointer else { throw FFmpegFailure(code: cffmpeg_out_of_memory, messages: []) }
    return pointer
}

/// What the libraries log, kept per thread while a call runs.
///
/// FFmpeg has one log for the whole process. Messages of threads that are in no call of ours (the decoders' own) are dropped.
enum FFmpegLog {
    private static let messages = Mutex<[UInt: [String]]>([:])

    private static let installation: Void = cffmpeg_set_log_receiver { _, line in
        guard let line else { return }
        FFmpegLog.append(String(cString: line))
    }

    /// Runs `body` and gives the errors that were logged meanwhile on this thread.
    static func capturing<Result>(_ body: () -> Result) -> (Result, [String]) {
        _ = installation
        let thread = UInt(cffmpeg_thread())
        messages.withLock { $0[thread] = [] }
        let result = body()
        return (result, messages.withLock { $0.removeValue(forKey: thread) } ?? [])
    }

    private static func append(_ line: String) {
        let thread = UInt(cffmpeg_thread())
        messages.withLock { kept in
            // A damaged file may be complained about in every block.
            guard let count = kept[thread]?.count, count < 8 else { return }
            let text = line.sentencePart
            if !text.isEmpty { kept[thread]?.append(text) }
        }
    }
}

extension String {
    /// On one line, without what is not printable, without the final stop.
    var sentencePart: String {
        let scalars = unicodeScalars.map { $0.properties.generalCategory == .control || $0 == "\u{FFFD}" ? " " : $0 }
        var text = String(String.UnicodeScalarView(scalars)).split(separator: " ").joined(separator: " ")
        while let last = text.last, last == "." || last == "!" { text.removeLast() }
        return String(text.prefix(200))
    }
}
