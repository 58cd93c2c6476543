package import Foundation

/// An external program, found on the `PATH` of a given environment, and one run of it.
package struct Program: Sendable {
    package let name: String
    let executable: URL
    private let environment: [String: String]

    /// Nil where `PATH` has no such program.
    package init?(_ name: String, environment: [String: String]) {
        let folders = (environment["PATH"] ?? "").split(separator: ":")
        guard let path = folders.map({ "\($0)/\(name)" }).first(where: FileManager.default.isExecutableFile(atPath:)) else { return nil }
        self.name = name
        self.executable = URL(fileURLWithPath: path)
        self.environment = environment
    }

    /// How a run ended and what it said.
    package struct Outcome {
        package let status: Int32
        package let output: String
        package let complaints: String

        /// The line of the complaints that most likely tells the reason.
        package var reason: String {
            let lines = complaints.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
            let marked = lines.last { $0.hasPrefix("ERROR:") || $0.hasPrefix("E:") || $0.hasPrefix("error:") }
            return marked ?? lines.last ?? "exit status \(status)"
        }
    }

    /// Runs the program to its end. Its output goes to files under `scratch`, so that no pipe can fill up;
    /// `whileRunning` is called about ten times a second.
    package func run(
        _ arguments: [String], in folder: URL, scratch: URL, variables: [String: String] = [:], standardOutput: URL? = nil,
        whileRunning: () -> Void = {}
    ) throws(DataError) -> Outcome {
        let output = standardOutput ?? scratch.appendingPathComponent("\(name).out")
        let complaints = scratch.appendingPathComponent("\(name).err")
        let process = try spawn(arguments, in: folder, variables: variables, output: output, complaints: complaints)
        let status = wait(for: process, whileRunning)
        return try Files.access(complaints) {
            Outcome(
                status: status, output: standardOutput == nil ? String(decoding: try Data(contentsOf: output), as: UTF8.self) : "",
                complaints: String(decoding: try Data(contentsOf: complaints), as: UTF8.self))
        }
    }

    /// Starts the program. Foundation's `Process` is not used: on Linux it learns of a child's end through a socket
    /// and waits forever where it could not open one, as without a loopback device.
    private func spawn(
        _ arguments: [String], in folder: URL, variables: [String: String], output: URL, complaints: URL
    ) throws(DataError) -> pid_t {
        #if canImport(Darwin)
        var actions: posix_spawn_file_actions_t?
        #else
        var actions = posix_spawn_file_actions_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, complaints.path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        // The folder is changed by the shell, since not every C library can do it here.
        let shell = "/bin/sh"
        let words = [shell, "-c", "cd \"$0\" && exec \"$@\"", folder.path, executable.path] + arguments
        let settings = environment.merging(variables) { _, new in new }.map { "\($0.key)=\($0.value)" }
        var process = pid_t()
        let failure = Program.withCStrings(words) { words in
            Program.withCStrings(settings) { settings in posix_spawn(&process, shell, &actions, nil, words, settings) }
        }
        guard failure == 0 else { throw .fileAccess(path: executable.path, reason: String(cString: strerror(failure))) }
        return process
    }

    /// The exit status, or 128 and the number of the signal that ended the program, as shells have it.
    private func wait(for process: pid_t, _ whileRunning: () -> Void) -> Int32 {
        var status: Int32 = 0
        var polls = 0
        while true {
            let ended = waitpid(process, &status, WNOHANG)
            if ended == process { break }
            if ended < 0, errno != EINTR { return -1 }
            usleep(2_000)
            polls += 1
            if polls % 50 == 0 { whileRunning() }
        }
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }

    private static func withCStrings<Result>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result) -> Result {
        let copies = strings.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies + [nil])
    }
}
