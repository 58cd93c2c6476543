internal import Experiments
internal import Networks
public import Torch

/// Inputs of a network and what it is to say of them.
public struct Examples {
    /// [n] + the shape that the network takes.
    public let inputs: Tensor
    /// Class of each, int64 [n]; or of each place of a sequence, [n, length].
    public let targets: Tensor

    public init(inputs: Tensor, targets: Tensor) {
        require(
            inputs.rank > 0 && targets.rank > 0 && inputs.size(0) == targets.size(0),
            "Examples: there must be targets for all inputs, found \(inputs.shape) and \(targets.shape).")
        self.inputs = inputs
        self.targets = targets
    }

    public var count: Int { inputs.size(0) }

    /// Some of them, by their places.
    public func chosen(_ places: [Int]) -> Examples {
        let rows = Tensor(places).to(device: inputs.device)
        return Examples(inputs: inputs.gathered(indices: rows), targets: targets.gathered(indices: rows))
    }
}

extension Examples {
    /// - Throws: `GraphProblem` for inputs that a network does not take, or targets that it has no scores for.
    func check(for graph: NetworkGraph) throws(GraphProblem) {
        let shape = Array(inputs.shape.dropFirst()), classes = try graph.classCount()
        guard shape == graph.inputShape else { throw GraphProblem("the examples have the shape \(shape), and the network takes \(graph.inputShape)") }
        let labels = (targets.min().item(), targets.max().item())
        guard labels.0 >= 0, Int(labels.1) < classes else {
            throw GraphProblem("the examples have classes from \(Int(labels.0)) to \(Int(labels.1)), and the network has scores for 0 to \(classes - 1)")
        }
    }
}

/// Where the batches of a training come from. Batch number i is always the same, so that a training can go on where it stopped.
public protocol ExampleSource: AnyObject {
    /// - Throws: errors of reading files.
    func batch(_ number: Int, size: Int) throws -> Examples
}

/// Examples in a random order, another one in each epoch; a last batch that would be smaller is left out.
public final class ShuffledExamples: ExampleSource {
    private let examples: any ExampleSet
    private let seed: UInt64
    private let mirrors: Bool
    private var epoch: (number: Int, order: [Int])?

    /// - Parameter mirrors: whether half of them, drawn anew for each batch, are turned left to right; for pictures [channels, height, width].
    public init(_ examples: any ExampleSet, seed: UInt64, mirrors: Bool = false) {
        (self.examples, self.seed, self.mirrors) = (examples, seed, mirrors)
    }

    public func batch(_ number: Int, size: Int) throws -> Examples {
        // Of fewer examples than a batch all are taken each time.
        let size = min(size, examples.count)
        require(size > 0, "ShuffledExamples: a batch has at least one example of at least one.")
        let perEpoch = examples.count / size, wanted = number / perEpoch, first = number % perEpoch * size
        if epoch?.number != wanted {
            var random = SplitMix64(seed: seed, stream: wanted)
            epoch = (wanted, random.permutation(examples.count))
        }
        let batch = try examples.chosen(Array(epoch!.order[first..<first + size]))
        guard mirrors, batch.inputs.rank == 4 else { return batch }
        var random = SplitMix64(seed: seed, stream: number, 1)
        let isMirrored = Tensor((0..<size).map { _ in Float(random.below(2)) }).reshaped([size, 1, 1, 1]).to(dtype: .bool)
        return Examples(inputs: Tensor.select(where: isMirrored, batch.inputs.flipped(axes: [3]), else: batch.inputs), targets: batch.targets)
    }
}

/// Parts of a long text from random places: each id's target is the one that follows.
public final class TextWindows: ExampleSource {
    private let ids: Tensor
    private let length: Int
    private let seed: UInt64

    /// - Parameters:
    ///   - ids: int64 [n], more than `length`.
    ///   - length: of the parts.
    public init(_ ids: Tensor, length: Int, seed: UInt64) {
        require(ids.rank == 1 && length > 0 && ids.size(0) > length, "TextWindows: a text of \(ids.shape) ids has no parts of \(length) with a next id.")
        self.ids = ids
        self.length = length
        self.seed = seed
    }

    public func batch(_ number: Int, size: Int) throws -> Examples {
        var random = SplitMix64(seed: seed, stream: number)
        return Self.examples(of: ids, at: (0..<size).map { _ in Int(random.below(UInt64(ids.size(0) - length))) }, length: length)
    }

    /// A text cut into parts that follow each other; what is left at its end is left out.
    public static func all(of ids: Tensor, length: Int) -> Examples {
        examples(of: ids, at: Array(stride(from: 0, to: ids.size(0) - length, by: length)), length: length)
    }

    private static func examples(of ids: Tensor, at starts: [Int], length: Int) -> Examples {
        let places = Tensor(starts).unsqueezed(1) + Tensor(Array(0...length)).unsqueezed(0)
        let parts = ids.gathered(indices: places.flattened().to(device: ids.device)).reshaped([starts.count, length + 1])
        return Examples(inputs: parts.narrowed(axis: 1, from: 0, count: length), targets: parts.narrowed(axis: 1, from: 1, count: length))
    }
}
