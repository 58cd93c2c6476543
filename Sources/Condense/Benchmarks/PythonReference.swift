import Foundation

/// A reference implementation in a process of its own that does its work once whenever it is asked, so that
/// both sides can be measured in turn.
final class PythonReference {
    private let process = Process()
    private let requests = Pipe()
    private let answers = Pipe()
    private var pending = Data()

    /// Starts the script.
    /// - Parameters:
    ///   - python: the interpreter.
    ///   - script: name within `Tools/bench` of the repository.
    /// - Throws: ``BenchmarkError`` if the script is not at hand; Foundation's error if it cannot be started.
    init(python: String, script: String, arguments: [String]) throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../Tools/bench/\(script)").standardized
        guard FileManager.default.fileExists(atPath: path.path) else {
            throw BenchmarkError(description: "'\(path.path)' is missing: run the comparison from a checkout of the repository")
        }
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python, path.path] + arguments
        process.standardInput = requests
        process.standardOutput = answers
        try process.run()
    }

    /// Waits for the line that says the script is ready.
    /// - Returns: what the script says of itself.
    func waitUntilReady() throws -> String {
        let line = try readLine()
        guard line.hasPrefix("ready") else { throw BenchmarkError(description: "the Python reference said '\(line)' instead of 'ready'") }
        return String(line.dropFirst(6))
    }

    /// One repetition.
    /// - Returns: seconds, as measured there.
    func measure() throws -> Double { try ask("go") }

    /// The number with which the script answers a word.
    func ask(_ word: String) throws -> Double {
        requests.fileHandleForWriting.write(Data("\(word)\n".utf8))
        guard let number = Double(try readLine()) else { throw BenchmarkError(description: "the Python reference gave no number for '\(word)'") }
        return number
    }

    private func readLine() throws -> String {
        while true {
            if let end = pending.firstIndex(of: 0x0A) {
                defer { pending = pending[(end + 1)...] }
                return String(decoding: pending[..<end], as: UTF8.self)
            }
            let more = answers.fileHandleForReading.availableData
            guard !more.isEmpty else {
                throw BenchmarkError(description: "the Python reference ended early: its message is above; check its packages")
            }
            pending.append(more)
        }
    }

    deinit {
        try? requests.fileHandleForWriting.close()
        process.waitUntilExit()
    }
}

/// A comparison that could not be made.
public struct BenchmarkError: Error, CustomStringConvertible {
    public var description: String
}
