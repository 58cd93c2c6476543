import Foundation
public import Torch

/// A running average of a module's parameters, which often generalises better than the parameters themselves.
///
/// ```swift
/// let average = WeightAverage(of: model, .debiasedExponential(decay: 0.999))
/// // after each optimiser step:
/// average.update()
/// // to evaluate:
/// let quality = average.applied { evaluate(model) }
/// ```
public final class WeightAverage {
    /// How past parameters count.
    public enum Kind: Codable, Sendable, Equatable {
        /// `a ← decay · a + (1 − decay) · θ`, starting at the first θ.
        case exponential(decay: Double)
        /// The same started at 0 and divided by `1 − decayᵗ`: an exponential average without a weight on the start
        /// (Kingma & Ba, arXiv:1412.6980, section 3).
        case debiasedExponential(decay: Double)
        /// The mean of all updates, as in stochastic weight averaging (Izmailov et al., arXiv:1803.05407).
        case equal

        /// The weight of the newest parameters in update number `count`, which counts from 1.
        func weight(at count: Int) -> Double {
            switch self {
            case .exponential(let decay): count == 1 ? 1 : 1 - decay
            case .debiasedExponential(let decay): (1 - decay) / (1 - pow(decay, Double(count)))
            case .equal: 1 / Double(count)
            }
        }
    }

    public let kind: Kind
    /// Number of updates so far.
    public private(set) var count = 0
    private let parameters: [NamedTensor]
    private let averages: [Tensor]

    public init(of module: some Module, _ kind: Kind) {
        self.kind = kind
        parameters = module.namedParameters()
        averages = parameters.map { Tensor.zeros(like: $0.tensor.detached()) }
    }

    /// Takes the present parameters into the average.
    public func update() {
        count += 1
        withoutGradients {
            Operator.interpolateAllInPlace.run(averages, parameters.map { $0.tensor.detached() }, kind.weight(at: count))
        }
    }

    /// Runs a closure while the module has the averaged parameters, and gives it its own back afterwards.
    public func applied<Result>(_ body: () throws -> Result) rethrows -> Result {
        require(count > 0, "WeightAverage.applied: there has been no update yet.")
        let own = parameters.map { $0.tensor.detached().cloned() }
        write(averages)
        defer { write(own) }
        return try body()
    }

    /// Overwrites the module's parameters with the averages, for good.
    public func commit() {
        require(count > 0, "WeightAverage.commit: there has been no update yet.")
        write(averages)
    }

    /// The averages by parameter name, and the number of updates as `update_count`.
    public var stateDictionary: [String: Tensor] {
        var state = Dictionary(uniqueKeysWithValues: zip(parameters, averages).map { ($0.name, $1.cloned()) })
        state[Self.countName] = Tensor(scalar: count)
        return state
    }

    /// Continues from a saved state.
    /// - Throws: ``StateMismatch`` if it belongs to other parameters; then nothing is changed.
    public func load(_ state: [String: Tensor]) throws {
        let expected = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.tensor.shape) } + [(Self.countName, [])])
        let missing = expected.keys.filter { state[$0] == nil }.sorted()
        let unexpected = state.keys.filter { expected[$0] == nil }.sorted()
        let shapes = expected.compactMap { name, shape in
            state[name].flatMap { $0.shape == shape ? nil : StateMismatch.ShapeMismatch(name: name, expected: shape, found: $0.shape) }
        }
        if !missing.isEmpty || !unexpected.isEmpty || !shapes.isEmpty {
            throw StateMismatch(owner: "the state of WeightAverage", missing: missing, unexpected: unexpected, shapes: shapes)
        }
        for (parameter, average) in zip(parameters, averages) { average.copyInPlace(from: state[parameter.name]!) }
        count = Int(state[Self.countName]!.item())
    }

    private static let countName = "update_count"

    private func write(_ values: [Tensor]) {
        withoutGradients { for (parameter, value) in zip(parameters, values) { parameter.tensor.copyInPlace(from: value) } }
    }
}
