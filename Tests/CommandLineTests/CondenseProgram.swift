import Foundation
import Testing

/// The built program, run as a user runs it, in a folder of its own that is removed afterwards.
final class CondenseProgram: Sendable {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "condense-program-\(UUID().uuidString)", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    struct Outcome {
        let status: Int32
        let output: String
        let errors: String
    }

    /// Runs `condense` to its end.
    func run(_ arguments: String...) throws -> Outcome { try run(arguments) }

    func run(_ arguments: [String]) throws -> Outcome { try start(arguments).outcome() }

    /// Starts `condense` and does not wait.
    func start(_ arguments: [String]) throws -> RunningProgram { try RunningProgram(arguments, in: folder) }

    func url(_ path: String) -> URL { folder.appending(path: path) }

    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: url(path).path) }

    /// Every file below a folder with its bytes.
    func files(below path: String) throws -> [String: Data] {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: url(path).path)
        return Dictionary(
            uniqueKeysWithValues: paths.compactMap { name in
                (try? Data(contentsOf: url(path).appending(path: name))).map { (name, $0) }
            })
    }
}

final class RunningProgram {
    private let process = Process()
    private let output: URL
    private let errors: URL

    /// The program lies beside the bundle of the tests.
    private static var executable: URL {
        get throws {
            var folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
            for _ in 0..<5 {
                let candidate = folder.appending(path: "condense")
                if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
                folder.deleteLastPathComponent()
            }
            throw CocoaError(.fileNoSuchFile, userInfo: [NSLocalizedDescriptionKey: "condense is not beside the tests"])
        }
    }

    init(_ arguments: [String], in folder: URL) throws {
        output = folder.appending(path: "output-\(UUID().uuidString)")
        errors = folder.appending(path: "errors-\(UUID().uuidString)")
        for file in [output, errors] { try Data().write(to: file) }
        process.executableURL = try Self.executable
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        // The list of runs is the user's; tests keep one of their own.
        process.environment = ProcessInfo.processInfo.environment.merging(["XDG_DATA_HOME": folder.path]) { $1 }
        try process.run()
    }

    var isRunning: Bool { process.isRunning }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits until a condition holds; false if the program ended before. It holds on to its thread: other tests compute on all of them,
    /// and whoever lets go may get one back only when the program has long ended.
    func wait(for condition: () -> Bool) -> Bool {
        while isRunning {
            if condition() { return true }
            usleep(5_000)
        }
        return false
    }

    func outcome() throws -> CondenseProgram.Outcome {
        process.waitUntilExit()
        let signalled = process.terminationReason == .uncaughtSignal
        return CondenseProgram.Outcome(
            status: signalled ? 128 + process.terminationStatus : process.terminationStatus,
            output: try String(contentsOf: output, encoding: .utf8), errors: try String(contentsOf: errors, encoding: .utf8))
    }
}
