public import Torch

/// Activations of a network, and what may have been recorded with them.
public struct ActivationBatch {
    /// Shape [B, D].
    public var activations: Tensor
    /// The derivative of the network's loss with respect to each activation, shape [B, D]; nil if it was not recorded.
    public var gradients: Tensor?

    public init(_ activations: Tensor, gradients: Tensor? = nil) {
        require(
            gradients.map { $0.shape == activations.shape } ?? true,
            "ActivationBatch: activations \(activations.shape) with gradients \(gradients?.shape ?? [])")
        self.activations = activations
        self.gradients = gradients
    }

    /// The same change of both, e.g. a choice of rows.
    public func mapped(_ change: (Tensor) throws -> Tensor) rethrows -> ActivationBatch {
        ActivationBatch(try change(activations), gradients: try gradients.map(change))
    }

    /// Several batches in one; the result has gradients if all of them have.
    public static func concatenated(_ batches: [ActivationBatch]) -> ActivationBatch {
        if batches.count == 1 { return batches[0] }
        let gradients = batches.compactMap(\.gradients)
        return ActivationBatch(
            .concatenated(batches.map(\.activations)), gradients: gradients.count == batches.count ? .concatenated(gradients) : nil)
    }
}

/// Where a trainer's activations come from: an endless sequence of rows in an order that depends on a seed alone.
///
/// One source can feed several trainers: hand each batch to all of them.
public protocol ActivationSource: AnyObject {
    /// Width D of the activations.
    var inputSize: Int { get }
    /// Where in the sequence the next batch begins. After setting it, the same batches follow as the first time.
    var position: ActivationPosition { get set }
    /// The next `count` rows, float32, shape [count, D].
    /// - Throws: what reading them can fail with.
    func next(_ count: Int) throws -> Tensor
    /// Whether ``nextBatch(_:)`` gives gradients.
    var hasGradients: Bool { get }
    /// The next `count` rows with their gradients, if there are any.
    func nextBatch(_ count: Int) throws -> ActivationBatch
}

extension ActivationSource {
    public var hasGradients: Bool { false }
    public func nextBatch(_ count: Int) throws -> ActivationBatch { ActivationBatch(try next(count)) }
}

/// A place in a source's endless sequence of rows.
public struct ActivationPosition: Codable, Sendable, Equatable {
    /// Which of the possible orders.
    public var seed: UInt64
    /// Rows before this place.
    public var rowsServed: Int

    public init(seed: UInt64, rowsServed: Int = 0) {
        self.seed = seed
        self.rowsServed = rowsServed
    }

    /// The next rows of a random sequence. They are drawn in blocks with a generator each, so that any position can be reached at once.
    /// - Parameter draw: gives a number of rows.
    mutating func serve(_ count: Int, blockLength: Int, drawing draw: (Int, RandomGenerator) -> Tensor) -> Tensor {
        var pieces: [Tensor] = []
        var missing = count
        while missing > 0 {
            let (block, offset) = (rowsServed / blockLength, rowsServed % blockLength)
            let taken = min(missing, blockLength - offset)
            let generator = RandomGenerator(seed: seed &+ 0xD1B5_4A32_D192_ED03 &* UInt64(block + 1))
            pieces.append(draw(blockLength, generator).narrowed(axis: 0, from: offset, count: taken))
            rowsServed += taken
            missing -= taken
        }
        return .concatenated(pieces)
    }
}

/// Rows of a matrix in memory: every epoch visits each row once in a new random order, and epochs follow each other without
/// a gap.
public final class InMemoryActivations: ActivationSource {
    /// Shape [N, D].
    public let rows: Tensor
    /// Shape [N, D]; nil without.
    public let gradients: Tensor?
    public var position: ActivationPosition
    private var order: (seed: UInt64, epoch: Int, indices: Tensor)?

    /// - Parameters:
    ///   - rows: shape [N, D] with N > 0.
    ///   - gradients: of the network's loss with respect to the rows, of their shape.
    public init(_ rows: Tensor, gradients: Tensor? = nil, seed: UInt64) {
        require(rows.rank == 2 && rows.size(0) > 0, "InMemoryActivations: rows of shape [N, D] are needed, found \(rows.shape)")
        require(gradients.map { $0.shape == rows.shape } ?? true, "InMemoryActivations: rows \(rows.shape) with gradients \(gradients?.shape ?? [])")
        self.rows = rows
        self.gradients = gradients
        position = ActivationPosition(seed: seed)
    }

    public var inputSize: Int { rows.size(1) }
    public var hasGradients: Bool { gradients != nil }

    public func next(_ count: Int) -> Tensor { rows.gathered(indices: nextIndices(count)) }

    public func nextBatch(_ count: Int) -> ActivationBatch {
        let indices = nextIndices(count)
        return ActivationBatch(rows.gathered(indices: indices), gradients: gradients?.gathered(indices: indices))
    }

    private func nextIndices(_ count: Int) -> Tensor {
        var pieces: [Tensor] = []
        var missing = count
        while missing > 0 {
            let offset = position.rowsServed % rows.size(0)
            let taken = min(missing, rows.size(0) - offset)
            pieces.append(orderOfEpoch(position.rowsServed / rows.size(0)).narrowed(axis: 0, from: offset, count: taken))
            position.rowsServed += taken
            missing -= taken
        }
        return pieces.count == 1 ? pieces[0] : .concatenated(pieces)
    }

    private func orderOfEpoch(_ epoch: Int) -> Tensor {
        if let order, order.seed == position.seed, order.epoch == epoch { return order.indices }
        let generator = RandomGenerator(seed: position.seed &+ 0x9E37_79B9_7F4A_7C15 &* UInt64(epoch + 1))
        let indices = Tensor.permutation(rows.size(0), generator: generator).to(device: rows.device)
        order = (position.seed, epoch, indices)
        return indices
    }
}

/// Activations with a known dictionary, for tests and sanity checks: x = Σ_j a_j g_j + mean + noise, where each row uses
/// `activeCount` of the ground-truth features at random with magnitudes uniform on 0.5…1.5.
public final class SyntheticActivations: ActivationSource {
    /// Ground-truth features, unit rows, shape [G, D].
    public let features: Tensor
    /// Shape [D].
    public let mean: Tensor
    public let activeCount: Int
    public let noise: Double
    public var position: ActivationPosition

    /// - Parameters:
    ///   - featureCount: number G of ground-truth features, drawn from `seed` as the rows are.
    ///   - activeCount: features per row.
    ///   - noise: standard deviation of each coordinate's noise.
    ///   - meanNorm: norm of a constant offset.
    public init(inputSize: Int, featureCount: Int, activeCount: Int, noise: Double = 0, meanNorm: Double = 0, seed: UInt64) {
        require((1...featureCount).contains(activeCount), "SyntheticActivations: \(activeCount) active of \(featureCount) features")
        let generator = RandomGenerator(seed: seed)
        let directions = Tensor.normal([featureCount, inputSize], generator: generator)
        features = directions.unitRows()
        let offset = Tensor.normal([inputSize], generator: generator)
        mean = offset * (meanNorm / offset.norm())
        self.activeCount = activeCount
        self.noise = noise
        position = ActivationPosition(seed: seed)
    }

    public var inputSize: Int { features.size(1) }

    public func next(_ count: Int) -> Tensor { position.serve(count, blockLength: 1_024, drawing: draw) }

    private func draw(_ count: Int, generator: RandomGenerator) -> Tensor {
        let chosen = Tensor.uniform([count, features.size(0)], generator: generator).topK(activeCount).indices
        let values = Tensor.uniform([count, activeCount], generator: generator) + 0.5
        let code = SparseCode(values: values, indices: chosen, featureCount: features.size(0))
        let rows = code.decoded(atoms: features) + mean
        return noise == 0 ? rows : rows + Tensor.normal(rows.shape, generator: generator) * noise
    }
}
