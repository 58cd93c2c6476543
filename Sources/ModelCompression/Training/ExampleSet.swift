internal import Experiments
internal import Torch

/// Examples that are read when they are asked for, or are in memory.
public protocol ExampleSet {
    var count: Int { get }
    /// The class of each example; nil where each has several targets, as sequences do.
    var labels: [Int]? { get }
    /// Some of them, by their places.
    /// - Throws: errors of reading files.
    func chosen(_ places: [Int]) throws -> Examples
}

extension Examples: ExampleSet {
    public var labels: [Int]? { targets.rank == 1 ? targets.scalars() : nil }
}

extension ExampleSet {
    /// Places of so many examples of each class, the first ones; of so many altogether where there are no classes.
    public func places(perClass count: Int) -> [Int] {
        guard let labels else { return Array(0..<Swift.min(count, self.count)) }
        var found: [Int: Int] = [:]
        return labels.indices.filter { place in
            found[labels[place], default: 0] += 1
            return found[labels[place]]! <= count
        }
    }
}

/// Some of the examples of a set.
public struct ExampleSubset: ExampleSet {
    private let base: any ExampleSet
    private let places: [Int]
    public let labels: [Int]?

    public init(_ base: any ExampleSet, _ places: [Int]) {
        self.base = base
        self.places = places
        labels = base.labels.map { labels in places.map { labels[$0] } }
    }

    public var count: Int { places.count }
    public func chosen(_ places: [Int]) throws -> Examples { try base.chosen(places.map { self.places[$0] }) }
}

extension ExampleSet {
    /// Disjoint parts drawn by a seed.
    /// - Parameter fraction: of the examples that is held back, at least one of them.
    public func split(heldOut fraction: Double, seed: UInt64) -> (training: ExampleSubset, heldOut: ExampleSubset) {
        var random = SplitMix64(seed: seed, stream: -1)
        let order = random.permutation(count), held = Swift.min(count, Swift.max(1, Int((Double(count) * fraction).rounded())))
        return (ExampleSubset(self, order.dropFirst(held).sorted()), ExampleSubset(self, order.prefix(held).sorted()))
    }
}
