public import Foundation
internal import Torch

/// Where the settings of a run come from: a YAML file and overrides, laid over the defaults in this order.
public struct ConfigurationSource: Sendable {
    /// A complete or partial YAML file.
    public var file: URL?
    /// Overrides of the form `key.path=value`; the value is read as YAML.
    public var overrides: [String]

    /// - Parameters:
    ///   - file: a YAML file; keys that it lacks keep their defaults.
    ///   - overrides: `key.path=value`, applied in order after the file.
    public init(file: URL? = nil, overrides: [String] = []) {
        self.file = file
        self.overrides = overrides
    }

    /// Reads, checks and validates the settings.
    ///
    /// - Parameters:
    ///   - defaults: the configuration before file and overrides.
    ///   - settings: the run settings before file and overrides.
    /// - Throws: ``ConfigurationError`` for a file that cannot be read, is not YAML, has unknown keys or values of
    ///   the wrong type, or fails ``RunConfiguration/validate()``.
    public func resolve<C: RunConfiguration>(
        _ defaults: C = C(), settings: RunSettings = RunSettings()
    ) throws -> ResolvedConfiguration<C> {
        var tree = try ResolvedConfiguration(configuration: defaults, settings: settings).tree()
        if let file {
            let text = try Self.read(file)
            let name = file.lastPathComponent
            let changes = try ConfigurationTree.parse(text, origin: { .file(name: name, line: $0) })
            guard case .mapping = changes.value else {
                throw ConfigurationError(origin: name, problem: "expected keys and values, found \(changes.summary)")
            }
            tree = tree.overlaid(with: changes)
        }
        for override in overrides {
            tree = tree.overlaid(with: try ConfigurationTree.parse(override: override))
        }
        let resolved = try ConfigurationDecoder.decode(ResolvedConfiguration<C>.self, from: tree)
        do {
            try resolved.settings.validate()
            try resolved.configuration.validate()
        } catch {
            throw ConfigurationError(
                origin: error.origin ?? error.key.flatMap { tree.origin(of: $0) }, key: error.key,
                problem: error.problem)
        }
        return resolved
    }

    private static func read(_ file: URL) throws -> String {
        let path = file.filePath
        do {
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            // One byte more than allowed is enough to see that a file is too long, even an endless one.
            let data = try handle.read(upToCount: ConfigurationTree.Limit.bytes + 1) ?? Data()
            guard data.count <= ConfigurationTree.Limit.bytes else {
                throw ConfigurationError(
                    origin: path,
                    problem: "a configuration has at most \(ConfigurationTree.Limit.bytes / 1_024) KiB; is this the right file?")
            }
            guard let text = String(data: data, encoding: .utf8) else {
                throw ConfigurationError(origin: path, problem: "this is not UTF-8 text; expected a YAML file")
            }
            return text
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw ConfigurationError(origin: path, problem: "the configuration file cannot be read; check the path")
        }
    }
}

/// A configuration with the settings of its run: the contents of `config.yaml`.
public struct ResolvedConfiguration<Configuration: RunConfiguration>: Sendable, Equatable {
    /// The method's own settings.
    public var configuration: Configuration
    /// Seed, threads and device.
    public var settings: RunSettings

    public init(configuration: Configuration, settings: RunSettings) {
        self.configuration = configuration
        self.settings = settings
    }

    /// The complete settings as YAML, which ``ConfigurationSource`` reads back to an equal value.
    ///
    /// - Throws: errors of the configuration's own `encode(to:)`.
    public func yaml() throws -> String {
        try tree().yaml()
    }

    func tree() throws -> ConfigurationTree {
        let own = try ConfigurationEncoder.tree(of: configuration)
        guard case .mapping(let entries) = own.value else {
            preconditionFailure("\(Configuration.self) must be encoded as keys and values")
        }
        require(own["run"] == nil, "\(Configuration.self) must not have a key 'run'")
        let run = ConfigurationTree.Entry(
            key: "run", origin: .defaults, value: try ConfigurationEncoder.tree(of: settings))
        return ConfigurationTree(value: .mapping(entries + [run]), origin: .defaults)
    }
}

extension ResolvedConfiguration: Decodable {
    private enum Keys: CodingKey { case run }

    public init(from decoder: any Decoder) throws {
        settings = try decoder.container(keyedBy: Keys.self).decode(RunSettings.self, forKey: .run)
        configuration = try Configuration(from: decoder)
    }
}

extension ConfigurationTree {
    /// Where the value of a dotted key path was written, unless it is a default.
    fileprivate func origin(of path: String) -> String? {
        var node = self
        for key in path.split(separator: ".") {
            guard let child = node[String(key)] else { return nil }
            node = child
        }
        return node.origin == .defaults ? nil : node.origin.description
    }
}
