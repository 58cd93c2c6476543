internal import Torch

/// A way to train a sparse autoencoder: its encoder, its losses, and the settings that belong to it. A new variant is a type
/// that conforms to this and a case of ``SAEArchitecture``.
public protocol SAEVariant: Codable, Sendable, Equatable {
    /// The encoder of the trained model.
    var encoder: EncoderKind { get }
    /// What keeps codes from shrinking while atoms grow.
    var atomConstraint: AtomConstraint { get }
    /// How the model starts.
    var start: ModelStart { get }
    /// The usual learning rate for a dictionary of this size.
    func learningRate(dictionarySize: Int) -> Double
    /// The summands of the loss beside the squared error.
    /// - Parameter sparsityWarmupSteps: steps until penalties have their full size.
    func makeLossTerms(inputSize: Int, sparsityWarmupSteps: Int) -> [any LossTerm]
    /// Changes the model before a step, e.g. a number of features that falls over time.
    func prepare(_ model: SparseAutoencoder, step: Int)
    /// The first setting that makes no sense.
    func problem(inputSize: Int?, dictionarySize: Int) -> SettingProblem?
}

extension SAEVariant {
    public func prepare(_ model: SparseAutoencoder, step: Int) {}
}

/// A setting that cannot be used.
public struct SettingProblem: Sendable, Equatable {
    /// Key below the variant's own.
    public var key: String
    /// What it must be and what it is, e.g. `must be positive, found -1`.
    public var problem: String

    public init(_ key: String, _ problem: String) {
        self.key = key
        self.problem = problem
    }
}

/// What holds for the norms of atoms.
public enum AtomConstraint: String, Codable, Sendable {
    /// Gradients lose their component along each atom, and every atom has the norm 1 after each step.
    case unitNorm
    case free
}

/// Norms of atoms and encoder rows before the first step.
public struct ModelStart: Sendable, Equatable {
    public var atomNorm: Double
    /// Encoder rows are the atoms times this.
    public var encoderScale: Double

    public init(atomNorm: Double = 1, encoderScale: Double = 1) {
        self.atomNorm = atomNorm
        self.encoderScale = encoderScale
    }
}

/// The architectures that can be trained, with their settings; in YAML `architecture: {topK: {k: 32}}`.
public enum SAEArchitecture: Sendable, Equatable {
    case relu(ReLUSettings)
    case topK(TopKSettings)

    /// The settings with what they mean.
    public var variant: any SAEVariant {
        switch self {
        case .relu(let settings): settings
        case .topK(let settings): settings
        }
    }

    /// Name as the key in configurations.
    public var name: String { key.rawValue }

    /// An architecture with its default settings by name; nil for an unknown one.
    public init?(named name: String) {
        switch Key(rawValue: name) {
        case .relu: self = .relu(ReLUSettings())
        case .topK: self = .topK(TopKSettings())
        case nil: return nil
        }
    }

    /// The names that ``init(named:)`` knows.
    public static var names: [String] { Key.allCases.map(\.rawValue) }
}

extension SAEArchitecture: Codable {
    private enum Key: String, CodingKey, CaseIterable { case relu, topK }

    private var key: Key {
        switch self {
        case .relu: .relu
        case .topK: .topK
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let present = Key.allCases.filter { container.contains($0) }
        guard present.count == 1 else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "it needs exactly one of \(Self.names.joined(separator: ", ")) with its settings"))
        }
        switch present[0] {
        case .relu: self = .relu(try container.decode(ReLUSettings.self, forKey: .relu))
        case .topK: self = .topK(try container.decode(TopKSettings.self, forKey: .topK))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .relu(let settings): try container.encode(settings, forKey: .relu)
        case .topK(let settings): try container.encode(settings, forKey: .topK)
        }
    }
}
