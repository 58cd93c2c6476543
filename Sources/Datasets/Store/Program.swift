import Foundation

/// An external program, found on the `PATH` of a given environment, and one run of it.
struct Program {
    let name: String
    let executable: URL
    private let environment: [String: String]

    /// Nil where `PATH` has no such program.
    init?(_ name: String, environment: [String: String]) {
        let folders = (environment["PATH"] ?? "").split(separator: ":")
        guard let path = folders.map({ "\($0)/\(name)" }).first(where: FileManager.default.isExecutableFile(atPath:)) else { return nil }
        self.name = name
        self.executable = URL(fileURLWithPath: path)
        self.environment = environment
    }

    /// How a run ended and what it said.
    struct Outcome {
        let status: Int32
        let output: String
        let complaints: String

        /// The line of the complaints that most likely tells the reason.
        var reason: String {
            let lines = complaints.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
            let marked = lines.last { $0.hasPrefix("ERROR:") || $0.hasPrefix("E:") || $0.hasPrefix("error:") }
            return marked ?? lines.last ?? "exit status \(status)"
        }
    }

    /// Runs the program to its end. Its output goes to files under `scratch`, so that no pipe can fill up;
    /// `whileRunning` is called about ten times a second.
    func run(
        _ arguments: [String], in folder: URL, scratch: URL, variables: [String: String] = [:], standardOutput: URL? = nil,
        whileRunning: () -> Void = {}
    ) throws(DataError) -> Outcome {
        let outputFile = standardOutput ?? scratch.appendingPathComponent("\(name).out")
        let complaintsFile = scratch.appendingPathComponent("\(name).err")
        return try Files.access(executable) {
            for file in [outputFile, complaintsFile] { try Data().write(to: file) }
            let output = try FileHandle(forWritingTo: outputFile)
            let complaints = try FileHandle(forWritingTo: complaintsFile)
            defer {
                try? output.close()
                try? complaints.close()
            }
            let process = Process()
            process.executableURL = executable
            process.arguments = arguments
            process.currentDirectoryURL = folder
            process.environment = environment.merging(variables) { _, new in new }
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = output
            process.standardError = complaints
            let ended = DispatchSemaphore(value: 0)
            process.terminationHandler = { _ in ended.signal() }
            try process.run()
            while ended.wait(timeout: .now() + .milliseconds(100)) == .timedOut { whileRunning() }
            return Outcome(
                status: process.terminationStatus,
                output: standardOutput == nil ? String(decoding: try Data(contentsOf: outputFile), as: UTF8.self) : "",
                complaints: String(decoding: try Data(contentsOf: complaintsFile), as: UTF8.self))
        }
    }
}
