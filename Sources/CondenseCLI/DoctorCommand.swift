import ArgumentParser
import Datasets
import Experiments
import Foundation
import Media
import Torch

/// `condense doctor`: what was found on this machine.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Print what was found: engine, devices, cache, package clients.",
        discussion: """
            Examples:
              condense doctor
              condense doctor --json
            """)

    @OptionGroup var output: OutputOptions

    func run() throws {
        let findings = Findings()
        if output.json { return try Terminal.printJSON(findings) }
        Terminal.print(TextTable(rows: findings.rows).text(width: Terminal.width))
        for problem in findings.problems { Terminal.print("\n! \(problem)") }
    }
}

/// What there is, and what of it is a problem.
private struct Findings: Encodable {
    let environment = RunEnvironment.current(settings: RunSettings(), libraries: ["libtorch": Engine.version, "FFmpeg": FFmpeg.version])
    let libtorchPath = Findings.loadedLibrary(named: "libtorch_cpu")
    let libtorchCapability = Findings.cpuCapability
    let kernels = Engine.vectorInstructions
    let ffmpegLibraries = FFmpeg.libraries
    let threads = Engine.threadCount
    let devices = Device.available.map(\.description)
    let cache: String
    let cacheBytes: Int
    let freeBytes: Int?
    let clients: [PackageClient]
    let problems: [String]

    init() {
        let store = DataStore()
        cache = store.cache.path
        cacheBytes = store.usedBytes
        freeBytes = store.freeBytes
        clients = store.packageClients
        problems = Findings.problems(clients: clients, freeBytes: freeBytes)
    }

    private static func problems(clients: [PackageClient], freeBytes: Int?) -> [String] {
        var problems = clients.filter { $0.path == nil }.map { "\($0.name) was not found: \($0.need)." }
        if let freeBytes, freeBytes < 2_000_000_000 {
            problems.append("Only \(formatBytes(freeBytes)) are free for the cache: set XDG_CACHE_HOME to a folder on another disk.")
        }
        return problems
    }

    var rows: [[String]] {
        let space = "\(formatBytes(cacheBytes)) used" + (freeBytes.map { ", \(formatBytes($0)) free" } ?? "")
        return environment.versions.sorted { $0.key < $1.key }.map { [$0.key, $0.value] } + [
            ["libtorch from", libtorchPath ?? "unknown place"],
            ["libtorch uses", libtorchCapability],
            ["own kernels use", kernels],
            ["FFmpeg libraries", ffmpegLibraries.map { "\($0.name) \($0.version)" }.joined(separator: ", ")],
            ["processor", environment.processor],
            ["threads", "\(threads) of \(environment.cores) cores"],
            ["memory", formatBytes(Int(clamping: environment.memory))],
            ["system", environment.operatingSystem],
            ["devices", devices.joined(separator: ", ")],
            ["cache", "\(cache) (\(space))"],
        ] + clients.map { [$0.name, $0.path ?? "not found"] }
    }

    /// The line of libtorch's build description that names the instruction set, e.g. `AVX512`.
    private static var cpuCapability: String {
        let line = Engine.buildDescription.split(separator: "\n").first { $0.contains("CPU capability usage") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown instructions"
    }

    /// The file that a library of this process was loaded from; nil where the system does not tell.
    private static func loadedLibrary(named name: String) -> String? {
        // The file's size is told as 0, and it is long: only reading to its end gives all of it.
        guard let data = try? FileHandle(forReadingFrom: URL(filePath: "/proc/self/maps")).readToEnd() else { return nil }
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
        let paths = lines.lazy.compactMap { line in line.firstIndex(of: "/").map { String(line[$0...]) } }
        return paths.first { $0.contains("/\(name).") }
    }
}
