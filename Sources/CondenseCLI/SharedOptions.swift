import ArgumentParser
import Experiments
import Foundation
import Torch

/// How a command speaks.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print results as JSON on standard output (and progress as lines of JSON on standard error).")
    var json = false

    @Flag(help: "Print nothing but results and errors.")
    var quiet = false

    /// Where progress of this command is told.
    func progress() -> any ProgressReporter {
        if quiet { return SilentProgress() }
        return TerminalProgress(json ? .json : Terminal.isInteractive ? .bar : .lines)
    }
}

/// What a command computes with.
struct ComputeOptions: ParsableArguments {
    @Option(help: "Device: cpu, cuda, cuda:1, mps (default: cpu).")
    var device: String?

    @Option(help: "Seed of all random numbers (default: 0).")
    var seed: UInt64?

    @Option(help: "Number of CPU threads (default: all cores).")
    var threads: Int?

    /// The options given, as changes of the run settings.
    var overrides: [String] {
        [device.map { "run.device='\($0)'" }, seed.map { "run.seed=\($0)" }, threads.map { "run.threads=\($0)" }]
            .compactMap { $0 }
    }

    /// Makes the engine compute as the settings say.
    ///
    /// - Throws: an error if there is no such device here.
    static func apply(_ settings: RunSettings) throws {
        let device = try Device(parsing: settings.device)
        guard Device.available.contains(where: { $0.kind == device.kind && device.index ?? 0 <= $0.index ?? 0 }) else {
            let available = Set(Device.available.map(\.description)).sorted().joined(separator: ", ")
            throw CommandError("the device '\(settings.device)' is not available here; there is \(available)")
        }
        Engine.threadCount = settings.threads
    }
}

/// The options of every command that writes a run directory.
struct RunOptions: ParsableArguments {
    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    @Option(help: ArgumentHelp("Run directory to create (default: runs/<command>-<date>).", valueName: "directory"))
    var out: String?

    @Option(help: ArgumentHelp("YAML file with settings, e.g. the config.yaml of a run.", valueName: "file"))
    var config: String?

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Change one setting; may be repeated.", valueName: "key.path=value"))
    var changes: [String] = []

    @Option(help: ArgumentHelp("Continue an interrupted run from its last checkpoint.", valueName: "directory"))
    var resume: String?

    func validate() throws {
        guard resume != nil else { return }
        if config != nil || out != nil || !changes.isEmpty || !compute.overrides.isEmpty {
            throw ValidationError(
                "--resume continues a run with the settings it has; leave out --config, --set, --out, --device, --seed and --threads")
        }
    }

    /// Adds a change of a setting that is a text, whatever characters it has.
    mutating func change(_ key: String, toText value: String?) {
        if let value { changes.append("\(key)='\(value.replacing("'", with: "''"))'") }
    }

    /// The settings from defaults, file and options, in this order.
    func resolve<C: RunConfiguration>(_ defaults: C) throws -> ResolvedConfiguration<C> {
        let source = ConfigurationSource(file: config.map { URL(filePath: $0) }, overrides: changes + compute.overrides)
        return try source.resolve(defaults)
    }
}

/// An error of the command line itself, in one sentence.
struct CommandError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
