internal import Foundation
public import Torch

/// What is done to activations before the encoder, and undone after the decoder.
public enum InputNormalization: Codable, Sendable, Equatable {
    case none
    /// One factor for all inputs, chosen from the data; see ``FixedScale``. Can be folded into the weights exactly.
    case scaled(by: Double)
    /// Each row is scaled to the norm √D (SAELens' `constant_norm_rescale`).
    case constantNorm
    /// Each row loses its mean and is divided by its standard deviation (n − 1) + 1e-5; reconstructions are multiplied by the
    /// deviation alone (SAELens' `layer_norm`; OpenAI's TopK models).
    case layerNorm

    /// How a factor for all inputs is chosen from data.
    public enum FixedScale: String, Codable, Sendable {
        /// √D / E‖x‖ (SAELens' `expected_average_only_in`).
        case expectedAverageNorm
        /// 1 / √E‖x‖²: the mean square norm becomes 1 (dictionary_learning).
        case unitMeanSquare
    }

    /// Whether rows are scaled one by one, so that decoding needs the input.
    public var dependsOnRow: Bool {
        switch self {
        case .none, .scaled: false
        case .constantNorm, .layerNorm: true
        }
    }

    /// Normalised rows and what undoes it.
    public struct Normalized {
        /// Shape [B, D].
        public let rows: Tensor
        let shift: Tensor?
        let scale: Tensor?
        let factor: Double

        /// Brings reconstructions of ``rows`` back into the scale of the input.
        public func restored(_ reconstruction: Tensor) -> Tensor {
            var result = factor == 1 ? reconstruction : reconstruction / factor
            if let scale { result = result * scale }
            if let shift { result = result + shift }
            return result
        }
    }

    /// - Parameter input: shape [B, D].
    public func normalize(_ input: Tensor) -> Normalized {
        switch self {
        case .none:
            return Normalized(rows: input, shift: nil, scale: nil, factor: 1)
        case .scaled(let factor):
            return Normalized(rows: factor == 1 ? input : input * factor, shift: nil, scale: nil, factor: factor)
        case .constantNorm:
            // A row of zeros stays one.
            let scale = (input.norm(axes: [-1], keepingDimensions: true) / Double(input.size(-1)).squareRoot())
                .clamped(minimum: 1e-30)
            return Normalized(rows: input / scale, shift: nil, scale: scale, factor: 1)
        case .layerNorm:
            let mean = input.mean(axis: -1, keepingDimensions: true)
            let centred = input - mean
            let deviation = centred.standardDeviation(axes: [-1], keepingDimensions: true)
            return Normalized(rows: centred / (deviation + 1e-5), shift: mean, scale: deviation, factor: 1)
        }
    }
}

extension InputNormalization.FixedScale {
    /// The factor for given inputs.
    /// - Parameter inputs: shape [N, D].
    /// - Returns: a positive number; 1 if all inputs are 0.
    public func factor(for inputs: Tensor) -> Double {
        let squares = inputs.to(dtype: .float64).squared().sum(axis: -1)
        let result = switch self {
        case .expectedAverageNorm: Double(inputs.size(-1)).squareRoot() / squares.sqrt().mean().item()
        case .unitMeanSquare: 1 / squares.mean().item().squareRoot()
        }
        return result.isFinite && result > 0 ? result : 1
    }
}
