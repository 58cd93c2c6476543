public import Foundation

/// The settings of one experiment: a plain `Codable` structure whose `init()` gives the defaults.
///
/// Property names are the keys of the YAML file. Conforming types are read with
/// ``ConfigurationSource/resolve(_:settings:)``, which fills in defaults, rejects unknown keys and calls
/// ``validate()``.
///
/// ```swift
/// struct Configuration: RunConfiguration {
///     var steps = 1_000
///     var learningRate = 3e-4
///     init() {}
///     func validate() throws(ConfigurationError) {
///         try ConfigurationError.require(steps > 0, "steps", "must be positive", found: steps)
///     }
/// }
/// ```
///
/// The key `run` at the top level is taken by ``RunSettings``.
public protocol RunConfiguration: Codable, Sendable, Equatable {
    /// The default settings.
    init()
    /// Checks what the types cannot express.
    ///
    /// - Throws: ``ConfigurationError`` that names the key.
    func validate() throws(ConfigurationError)
}

extension RunConfiguration {
    public func validate() throws(ConfigurationError) {}

    /// Whether there is a setting at a dotted key path, given or not.
    package func hasSetting(_ key: String) -> Bool {
        let path = key.split(separator: ".").map(String.init)
        guard let name = path.last, let tree = try? ConfigurationEncoder.tree(of: self) else { return false }
        return (try? ConfigurationDecoder.knownKeys(of: Self.self, in: tree, at: path.dropLast()).contains(name)) ?? false
    }

    /// The configuration with another value at a dotted key path.
    /// - Parameter value: YAML, as after `--set key=`.
    /// - Throws: ``ConfigurationError`` for an unknown key or a value of the wrong type.
    package func setting(_ key: String, to value: String) throws -> Self {
        let change = try ConfigurationTree.parse(override: "\(key)=\(value)", option: "")
        return try ConfigurationDecoder.decode(Self.self, from: try ConfigurationEncoder.tree(of: self).overlaid(with: change))
    }
}

/// What every run has besides its own configuration, written under `run:` in `config.yaml`.
///
/// Equal settings and equal configuration give equal bits on one device.
public struct RunSettings: Codable, Sendable, Equatable {
    /// Seed of every random generator of the run.
    public var seed: UInt64
    /// Number of CPU threads the numerics use.
    public var threads: Int
    /// Device in libtorch's notation: `cpu`, `cuda`, `cuda:1`, `mps`.
    public var device: String

    /// - Parameters:
    ///   - seed: seed of every random generator of the run.
    ///   - threads: number of CPU threads; all active cores by default.
    ///   - device: `cpu`, `cuda`, `cuda:1` or `mps`.
    public init(
        seed: UInt64 = 0, threads: Int = ProcessInfo.processInfo.activeProcessorCount, device: String = "cpu"
    ) {
        self.seed = seed
        self.threads = threads
        self.device = device
    }

    /// Checks the number of threads.
    ///
    /// - Throws: ``ConfigurationError`` for fewer than 1 or more than 4,096 threads.
    public func validate() throws(ConfigurationError) {
        try ConfigurationError.require(
            (1...4_096).contains(threads), "run.threads", "must be between 1 and 4096", found: threads)
    }
}

/// A configuration that cannot be used, in one sentence.
public struct ConfigurationError: Error, CustomStringConvertible, Equatable {
    /// Where the value comes from, e.g. `config.yaml, line 3` or `--set train.steps=x`.
    public var origin: String?
    /// The key path concerned, e.g. `train.steps`.
    public var key: String?
    /// What is wrong with it and what would be right.
    public var problem: String

    /// - Parameters:
    ///   - origin: file and line, or option, if known.
    ///   - key: dotted key path, if one is concerned.
    ///   - problem: predicate of the sentence, e.g. `must be positive, found -3`.
    public init(origin: String? = nil, key: String? = nil, problem: String) {
        self.origin = origin
        self.key = key
        self.problem = problem
    }

    public var description: String {
        [origin.map { "\($0): " }, key.map { "\($0) " }, problem].compactMap { $0 }.joined()
    }

    /// Throws unless `condition` holds; for use in ``RunConfiguration/validate()``.
    ///
    /// - Throws: ``ConfigurationError`` with the sentence `<key> <requirement>, found <value>`.
    public static func require<Value>(
        _ condition: Bool, _ key: String, _ requirement: String, found value: Value
    ) throws(ConfigurationError) {
        guard condition else { throw ConfigurationError(key: key, problem: "\(requirement), found \(value)") }
    }
}
