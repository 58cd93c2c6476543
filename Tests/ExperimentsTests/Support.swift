import Experiments
import Foundation

/// Calls `body` with a new directory that is removed afterwards.
func withTemporaryDirectory<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let directory = FileManager.default.temporaryDirectory.appending(path: "condense-\(UUID().uuidString)")
        .resolvingSymlinksInPath()
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    return try body(directory)
}

/// A configuration of one number.
struct ToyConfiguration: RunConfiguration {
    var steps = 60
    init() {}
}

extension Run {
    /// A run of nothing in particular.
    static func toy(_ directory: URL, index: RunIndex? = nil, method: String = "toy") throws -> Run {
        try create(
            in: directory, method: method, title: "Toy", configuration: toyConfiguration, command: ["toy", "run"], index: index)
    }

    static var toyConfiguration: ResolvedConfiguration<ToyConfiguration> {
        ResolvedConfiguration(configuration: ToyConfiguration(), settings: RunSettings(seed: 1, threads: 1))
    }
}

extension URL {
    func contents() throws -> String { try String(contentsOf: self, encoding: .utf8) }
}
