import Foundation

/// The version of this package.
public let condenseVersion = "0.1.0"

/// Where a run took place: the contents of `environment.json`.
public struct RunEnvironment: Codable, Sendable, Equatable {
    /// Names and versions of programs and libraries.
    public var versions: [String: String]
    public var operatingSystem: String
    public var processor: String
    public var cores: Int
    /// Physical memory in bytes.
    public var memory: UInt64
    public var settings: RunSettings
    /// Commit of the working directory, with `-dirty` if it has changes; nil outside a repository.
    public var gitCommit: String?

    /// Looks around.
    ///
    /// - Parameter libraries: names and versions of libraries that the caller knows, e.g. `libtorch`.
    public static func current(settings: RunSettings, libraries: [String: String] = [:]) -> RunEnvironment {
        let process = ProcessInfo.processInfo
        let own = ["condense": condenseVersion, "swift": swiftVersion]
        return RunEnvironment(
            versions: own.merging(libraries) { $1 }, operatingSystem: process.operatingSystemVersionString,
            processor: processorName(), cores: process.processorCount, memory: process.physicalMemory,
            settings: settings, gitCommit: gitCommit())
    }

    /// The small print of a report.
    public var summary: [KeyNumber] {
        let versions = versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        return [
            KeyNumber(label: "Versions", value: versions),
            KeyNumber(
                label: "Computer",
                value: "\(processor), \(cores) cores, \(memory >> 30) GiB, \(operatingSystem)"),
            KeyNumber(
                label: "Run", value: "device \(settings.device), \(settings.threads) threads, seed \(settings.seed)"),
        ] + (gitCommit.map { [KeyNumber(label: "Git commit", value: $0)] } ?? [])
    }

    private static var swiftVersion: String {
        #if compiler(>=6.5)
        "6.5 or later"
        #elseif compiler(>=6.4)
        "6.4"
        #elseif compiler(>=6.3)
        "6.3"
        #else
        "6.2 or earlier"
        #endif
    }

    private static func processorName() -> String {
        #if canImport(Darwin)
        var size = 0
        sysctlbyname("machdep.cpu.brand_string", nil, &size, nil, 0)
        var name = [UInt8](repeating: 0, count: max(1, size))
        sysctlbyname("machdep.cpu.brand_string", &name, &size, nil, 0)
        return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
        #else
        let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = info.split(separator: "\n").first { $0.hasPrefix("model name") }
        let name = line?.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) }
        return name ?? "unknown processor"
        #endif
    }

    private static func gitCommit() -> String? {
        func git(_ arguments: [String]) -> String? {
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = ["git"] + arguments
            let output = Pipe()
            process.standardOutput = output
            process.standardError = FileHandle.nullDevice
            guard (try? process.run()) != nil else { return nil }
            let data = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { return nil }
            return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        guard let commit = git(["rev-parse", "HEAD"]), !commit.isEmpty else { return nil }
        let changes = git(["status", "--porcelain", "--untracked-files=no"]) ?? ""
        return changes.isEmpty ? commit : "\(commit)-dirty"
    }
}
