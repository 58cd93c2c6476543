import Torch

extension Operator {
    /// oneDNN's matrix product with weights laid out beforehand, about 1.4 times as fast as MKL's on current CPUs;
    /// nil where libtorch is built without it.
    fileprivate static let packWeight = try? withTorchErrors { Operator("mkldnn::_reorder_linear_weight") }
    fileprivate static let packedLinear = try? withTorchErrors { Operator("mkldnn::_linear_pointwise") }
}

/// Linear maps of one input whose weights do not change, computed as one product x·[W₁; W₂; …]ᵀ + [b₁; b₂; …].
///
/// The product is made for speed: on the CPU weights are laid out for oneDNN once, and once more transposed when gradients
/// are first wanted. They flow to the input, never to the weights.
final class FrozenLinear {
    private let source: any WeightSource
    private let weightNames: [String]
    private let placement: Placement
    /// The joined bias, if the maps have one.
    private let bias: Tensor?
    private var prepared: Prepared?
    /// The map that gradients go through, [in] from [out].
    private var transposed: Packed?

    private enum Prepared {
        case packed(Packed)
        case plain(Tensor)
    }

    /// A weight laid out for oneDNN, which nothing changes any more.
    private struct Packed: @unchecked Sendable {
        let weight: Tensor
    }

    /// - Parameter names: of the maps, without ".weight" and ".bias"; either all have a bias or none.
    init(_ names: [String], from source: any WeightSource, hasBias: Bool, placement: Placement) throws {
        self.source = source
        self.placement = placement
        weightNames = names.map { "\($0).weight" }
        bias = try hasBias ? placement.place(Tensor.concatenated(names.map { try source.weight("\($0).bias") })) : nil
    }

    /// The joined weight, [out, in], read from its source anew unless it is kept anyway.
    func weight() throws -> Tensor {
        if case .plain(let weight) = prepared { return weight }
        let weights = try weightNames.map(source.weight)
        return placement.place(weights.count == 1 ? weights[0] : Tensor.concatenated(weights))
    }

    func callAsFunction(_ input: Tensor) throws -> Tensor {
        switch try prepare() {
        case .plain(let weight): return input.linear(weight: weight, bias: bias)
        case .packed(let packed):
            guard isRecordingGradients && input.requiresGrad else { return Self.product(input, packed, bias) }
            return Self.recordedProduct(input, packed, bias, gradientThrough: try prepareTransposed())
        }
    }

    private static func product(_ input: Tensor, _ packed: Packed, _ bias: Tensor?) -> Tensor {
        Operator.packedLinear!(input, packed.weight, bias, "none", [Double](), "")
    }

    /// The packed product has no gradient formula. A map and its transpose are each other's gradients, so that derivatives of any
    /// order work.
    private static func recordedProduct(_ input: Tensor, _ packed: Packed, _ bias: Tensor?, gradientThrough transposed: Packed) -> Tensor {
        guard isRecordingGradients && input.requiresGrad else { return product(input, packed, bias) }
        return customGradient(of: [input]) { [product($0[0], packed, bias)] } backward: {
            [recordedProduct($0[0], transposed, nil, gradientThrough: packed)]
        }[0]
    }

    private func prepare() throws -> Prepared {
        if let prepared { return prepared }
        let new: Prepared = try outsideInferenceMode {
            let weight = try weight()
            return placement.allowsPacking ? Self.packed(weight).map { .packed($0) } ?? .plain(weight) : .plain(weight)
        }
        prepared = new
        return new
    }

    private func prepareTransposed() throws -> Packed {
        if let transposed { return transposed }
        guard let new = try outsideInferenceMode({ Self.packed(try weight().transposed().contiguous()) }) else {
            preconditionFailure("FrozenLinear: a weight that was packed cannot be packed when transposed")
        }
        transposed = new
        return new
    }

    /// nil where there is no such product.
    private static func packed(_ weight: Tensor) -> Packed? {
        guard let pack = Operator.packWeight, Operator.packedLinear != nil else { return nil }
        // The number is the batch the layout is tuned for.
        return Packed(weight: pack(weight, 1024))
    }
}

/// Where and in which precision weights are held.
struct Placement {
    let device: Device
    let dtype: DType

    var allowsPacking: Bool { device == .cpu && dtype == .float32 }

    func place(_ tensor: Tensor) -> Tensor { tensor.to(dtype: dtype).to(device: device) }
}
