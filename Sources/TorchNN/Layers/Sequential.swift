public import Torch

/// Layers one after the other; their names in the state dictionary are `0`, `1`, ….
public final class Sequential: Layer {
    public let layers: [any Layer]

    public init(_ layers: [any Layer]) { self.layers = layers }
    public convenience init(_ layers: any Layer...) { self.init(layers) }

    public func visit(_ v: inout ParameterVisitor) { v("", layers) }
    public func callAsFunction(_ input: Tensor) -> Tensor { layers.reduce(input) { $1($0) } }
}

/// Gives its input back.
public final class Identity: Layer {
    public init() {}
    public func visit(_ v: inout ParameterVisitor) {}
    public func callAsFunction(_ input: Tensor) -> Tensor { input }
}

/// Joins all dimensions from `firstAxis` on into one.
public final class Flatten: Layer {
    public let firstAxis: Int

    public init(from firstAxis: Int = 1) { self.firstAxis = firstAxis }
    public func visit(_ v: inout ParameterVisitor) {}

    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(input.rank > firstAxis, "Flatten: there is no axis \(firstAxis) in shape \(input.shape).")
        return input.reshaped(Array(input.shape.prefix(firstAxis)) + [-1])
    }
}

/// Any function without parameters as a layer, for ``Sequential``.
public final class Function: Layer {
    private let body: (Tensor) -> Tensor

    public init(_ body: @escaping (Tensor) -> Tensor) { self.body = body }
    public func visit(_ v: inout ParameterVisitor) {}
    public func callAsFunction(_ input: Tensor) -> Tensor { body(input) }
}

/// Turns channels into space: [batch, c·r², h, w] → [batch, c, h·r, w·r] (Shi et al., arXiv:1609.05158).
public final class PixelShuffle: Layer {
    public let factor: Int

    public init(_ factor: Int) {
        require(factor > 0, "PixelShuffle: the factor must be positive, found \(factor).")
        self.factor = factor
    }

    public func visit(_ v: inout ParameterVisitor) {}

    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(
            input.rank >= 3 && input.size(-3) % (factor * factor) == 0,
            "PixelShuffle: the channels of shape \(input.shape) do not divide by \(factor)².")
        return input.pixelShuffled(factor)
    }
}

/// Turns space into channels, the inverse of ``PixelShuffle``: [batch, c, h·r, w·r] → [batch, c·r², h, w].
public final class PixelUnshuffle: Layer {
    public let factor: Int

    public init(_ factor: Int) {
        require(factor > 0, "PixelUnshuffle: the factor must be positive, found \(factor).")
        self.factor = factor
    }

    public func visit(_ v: inout ParameterVisitor) {}

    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(
            input.rank >= 3 && input.size(-1) % factor == 0 && input.size(-2) % factor == 0,
            "PixelUnshuffle: height and width of shape \(input.shape) do not divide by \(factor).")
        return input.pixelUnshuffled(factor)
    }
}

/// Enlarges images [batch, channels, height, width] by a factor.
public final class Upsample: Layer {
    public enum Interpolation: String, Codable, Sendable { case nearest, bilinear }

    public let factor: Int
    public let interpolation: Interpolation

    public init(factor: Int, interpolation: Interpolation = .nearest) {
        require(factor > 0, "Upsample: the factor must be positive, found \(factor).")
        self.factor = factor
        self.interpolation = interpolation
    }

    public func visit(_ v: inout ParameterVisitor) {}

    public func callAsFunction(_ input: Tensor) -> Tensor {
        require(input.rank == 4, "Upsample: the input must be [batch, channels, height, width], found shape \(input.shape).")
        let height = input.size(2) * factor, width = input.size(3) * factor
        return switch interpolation {
        case .nearest: input.resizedNearest(height: height, width: width)
        case .bilinear: input.resizedBilinear(height: height, width: width)
        }
    }
}
