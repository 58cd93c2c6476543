public import Torch
public import TorchNN

/// Codes by matching pursuit over the decoder's own atoms (Costa et al. 2025, arXiv:2506.03093): the residual's best atom is
/// taken out of it again and again. Atoms may be correlated, and what is left never grows from step to step, so the number of
/// steps can be chosen anew for a trained model: ``SparseAutoencoder/pursuing(_:)``.
///
/// There is nothing to learn beside the atoms. The input should be without the decoder's bias, as it is unless
/// ``SparseAutoencoderConfiguration/subtractsDecoderBias`` is switched off.
public final class MatchingPursuitEncoder: FeatureEncoder {
    public let featureCount: Int
    public private(set) var settings: Settings

    /// The residuals at which a row stops are in the normalised scale.
    public typealias Settings = PursuitRules

    public init(featureCount: Int, settings: Settings) {
        require(settings.steps >= 1, "MatchingPursuitEncoder: \(settings.steps) steps")
        self.featureCount = featureCount
        self.settings = settings
    }

    public func visit(_ v: inout ParameterVisitor) {}

    public func encode(_ input: Tensor, in context: EncodingContext) -> any Encoding {
        PursuitEncoding(input.matchingPursuit(atoms: context.atoms, settings))
    }

    /// Codes are products with the atoms, which change together with them.
    public func scaleCodes(by factors: Tensor) throws {}

    public func scaleInputs(by factor: Double) throws { settings = settings.withInputs(scaledBy: factor) }
}

extension PursuitRules: EncoderSettings {
    public static var name: String { "matchingpursuit" }

    public func makeEncoder(weight: Tensor, bias: Tensor) -> any FeatureEncoder {
        MatchingPursuitEncoder(featureCount: weight.size(0), settings: self)
    }

    public func problem(dictionarySize: Int) -> SettingProblem? {
        // Codes have a place for each step, and files are not to be trusted.
        let possible = 1...(1 << 16)
        if !possible.contains(steps) {
            return SettingProblem("steps", "must be between \(possible.lowerBound) and \(possible.upperBound), found \(steps)")
        }
        return SettingProblem("absoluteResidual", notNegative: absoluteResidual)
            ?? SettingProblem("relativeResidual", notNegative: relativeResidual)
    }

    public func withInputs(scaledBy factor: Double) -> PursuitRules {
        var copy = self
        copy.absoluteResidual *= factor
        return copy
    }
}

/// A pursuit's code, and how it came about.
public struct PursuitEncoding: Encoding {
    public let picks: PursuitPicks
    public let code: FeatureCode

    public init(_ picks: PursuitPicks) {
        self.picks = picks
        code = .sparse(picks.code)
    }
}

extension EncoderKind {
    public static func matchingPursuit(_ settings: MatchingPursuitEncoder.Settings) -> EncoderKind { EncoderKind(settings) }
    public static func matchingPursuit(steps: Int) -> EncoderKind { EncoderKind(PursuitRules(steps: steps)) }
}

extension SparseAutoencoder {
    /// A model with the same weights, shared, whose pursuit has other settings: more or fewer steps, another end. Traps for other
    /// architectures.
    public func pursuing(_ change: (inout MatchingPursuitEncoder.Settings) -> Void) -> SparseAutoencoder {
        var settings = pursuitEncoder.settings
        change(&settings)
        var changed = configuration
        changed.encoder = .matchingPursuit(settings)
        return SparseAutoencoder(
            configuration: changed, encoder: MatchingPursuitEncoder(featureCount: dictionarySize, settings: settings), atoms: atoms,
            decoderBias: decoderBias)
    }

    /// The atoms that are taken for each input, in order. Traps for other architectures.
    /// - Parameter input: shape [B, D].
    public func pursuit(of input: Tensor) -> PursuitPicks {
        encoderInput(configuration.normalization.normalize(input).rows).matchingPursuit(atoms: atoms, pursuitEncoder.settings)
    }

    private var pursuitEncoder: MatchingPursuitEncoder {
        guard let encoder = encoder as? MatchingPursuitEncoder else {
            preconditionFailure("a matching-pursuit model is needed, this one is '\(configuration.encoder)'")
        }
        return encoder
    }
}
