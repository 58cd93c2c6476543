public import Torch

/// What an encoder is beside its weights, as it stands in a model's configuration.
public protocol EncoderSettings: Codable, Sendable, Equatable {
    /// Name in files.
    static var name: String { get }
    /// An encoder around weights [F, D] and biases [F], which are shared, not copied; one that has no weights of its own leaves
    /// them.
    func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder
    /// The same encoder for inputs, residuals and atoms in units in which they are `factor` times as large.
    func withInputs(scaledBy factor: Double) -> Self
    /// The first setting that makes no sense.
    func problem(dictionarySize: Int) -> SettingProblem?
}

extension EncoderSettings {
    public func problem(dictionarySize: Int) -> SettingProblem? { nil }
    public func withInputs(scaledBy factor: Double) -> Self { self }

    fileprivate func isEqual(to other: any EncoderSettings) -> Bool { self == other as? Self }
}

/// Which ``FeatureEncoder`` a model has: `{"name": "topk", "k": 32}` in files.
public struct EncoderKind: Sendable, Equatable {
    public let settings: any EncoderSettings

    public init(_ settings: some EncoderSettings) { self.settings = settings }

    /// Every kind that can be read from files.
    static let all: [any EncoderSettings.Type] = [
        ReLUEncoder.Settings.self, TopKEncoder.Settings.self, BatchTopKEncoder.Settings.self, JumpReLUEncoder.Settings.self,
        GatedEncoder.Settings.self, AbsTopKEncoder.Settings.self, AFAEncoder.Settings.self, MatchingPursuitEncoder.Settings.self,
        VariationalEncoder.Settings.self, FeatureChoiceEncoder.Settings.self, GradientTopKEncoder.Settings.self,
    ]

    public var name: String { type(of: settings).name }

    func withInputs(scaledBy factor: Double) -> EncoderKind {
        func scaled(_ settings: some EncoderSettings) -> EncoderKind { EncoderKind(settings.withInputs(scaledBy: factor)) }
        return scaled(settings)
    }

    public static func == (a: EncoderKind, b: EncoderKind) -> Bool { a.settings.isEqual(to: b.settings) }
}

extension EncoderKind: CustomStringConvertible {
    public var description: String { name }
}

extension EncoderKind: Codable {
    private enum Keys: String, CodingKey { case name }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        let name = try container.decode(String.self, forKey: .name)
        guard let type = Self.all.first(where: { $0.name == name }) else {
            let known = Self.all.map { $0.name }.joined(separator: ", ")
            throw DecodingError.dataCorruptedError(
                forKey: .name, in: container, debugDescription: "unknown architecture '\(name)'; known are \(known)")
        }
        settings = try type.init(from: decoder)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode(name, forKey: .name)
        try settings.encode(to: encoder)
    }
}
