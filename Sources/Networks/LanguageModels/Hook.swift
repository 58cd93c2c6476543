public import Torch

/// Where and when a hook fires.
public struct HookContext: Sendable {
    public let point: HookPoint
    /// The sequence positions of this pass: from 0 in a full pass, the new ones in generation with a cache.
    public let positions: Range<Int>
}

/// A function called at a hook point with the activation there; what it returns replaces the activation, nil leaves it.
///
/// Hooks run in the order of registration, each on the result of the one before. A replacement must have the same shape.
/// The activation may be a view of memory the pass uses again: do not change it in place.
public struct Hook {
    public let point: HookPoint
    public let action: (Tensor, HookContext) throws -> Tensor?

    public init(_ point: HookPoint, _ action: @escaping (Tensor, HookContext) throws -> Tensor?) {
        self.point = point
        self.action = action
    }
}

/// Which positions an intervention changes.
public enum HookPositions: Sendable, Equatable {
    case all
    /// Absolute positions of the sequence.
    case at(Set<Int>)

    /// The rows of a pass over `positions` that are meant.
    func rows(in positions: Range<Int>) -> [Int] {
        switch self {
        case .all: Array(0..<positions.count)
        case .at(let chosen): chosen.filter(positions.contains).sorted().map { $0 - positions.lowerBound }
        }
    }
}

extension Hook {
    /// Keeps the activation in `cache`. Several passes of a generation are joined along the positions,
    /// except for scores and patterns, of which the last pass is kept.
    public static func record(_ point: HookPoint, in cache: ActivationCache) -> Hook {
        Hook(point) { activation, context in
            cache.record(activation, at: point, positions: context.positions)
            return nil
        }
    }

    /// Puts `value` (broadcast to the activation's shape) in place of the activation, at `positions`.
    public static func replace(_ point: HookPoint, with value: Tensor, at positions: HookPositions = .all) -> Hook {
        Hook(point) { activation, context in
            changing(activation, at: positions, context) { old in
                let axis = point.positionAxis
                guard value.rank == activation.rank, value.size(axis) > 1 else { return value.expanded(to: old.shape) }
                let rows = positions.rows(in: context.positions).map { $0 + context.positions.lowerBound }
                return value.gathered(indices: Tensor(rows).to(device: value.device), axis: axis).expanded(to: old.shape)
            }
        }
    }

    /// Sets the activation to zero.
    public static func ablateToZero(_ point: HookPoint, at positions: HookPositions = .all) -> Hook {
        Hook(point) { activation, context in
            changing(activation, at: positions, context) { Tensor.zeros(like: $0) }
        }
    }

    /// Sets the activation to its mean over batch and positions of this pass.
    public static func ablateToMean(_ point: HookPoint, at positions: HookPositions = .all) -> Hook {
        Hook(point) { activation, context in
            let mean = activation.mean(axes: [0, point.positionAxis], keepingDimensions: true)
            return changing(activation, at: positions, context) { mean.expanded(to: $0.shape) }
        }
    }

    /// Adds `scale`·`direction`, where `direction` is broadcast against the activation, e.g. [D].
    public static func add(_ point: HookPoint, direction: Tensor, scale: Double = 1, at positions: HookPositions = .all) -> Hook {
        Hook(point) { activation, context in
            changing(activation, at: positions, context) { $0 + direction * scale }
        }
    }

    /// `activation` with `change` applied at the chosen positions, or nil when none of them is in this pass.
    private static func changing(
        _ activation: Tensor, at positions: HookPositions, _ context: HookContext, _ change: (Tensor) -> Tensor
    ) -> Tensor? {
        let rows = positions.rows(in: context.positions)
        guard !rows.isEmpty else { return nil }
        if rows.count == context.positions.count { return change(activation) }
        let axis = context.point.positionAxis
        let indices = Tensor(rows).to(device: activation.device)
        return Operator.indexCopy(activation, axis, indices, change(activation.gathered(indices: indices, axis: axis)))
    }
}

extension Operator {
    fileprivate static let indexCopy = Operator("aten::index_copy")
}

/// Activations recorded by `Hook.record`.
public final class ActivationCache {
    private var activations: [HookPoint: Tensor] = [:]

    public init() {}

    public subscript(point: HookPoint) -> Tensor? { activations[point] }

    /// The points recorded, sorted by name.
    public var points: [HookPoint] { activations.keys.sorted { $0.name < $1.name } }

    public func removeAll() { activations = [:] }

    func record(_ activation: Tensor, at point: HookPoint, positions: Range<Int>) {
        let activation = activation.detached()
        if positions.lowerBound > 0, let earlier = activations[point], point.positionAxis == 1 {
            activations[point] = Tensor.concatenated([earlier, activation], axis: 1)
        } else {
            activations[point] = activation
        }
    }
}

extension HookPoint {
    /// The axis of the pass's positions: queries' positions in scores and patterns, [B, H, T, S].
    fileprivate var positionAxis: Int {
        switch self {
        case .block(_, .attentionScores), .block(_, .pattern): 2
        default: 1
        }
    }
}

/// The hooks of one pass, by point, with the positions of that pass.
struct HookTable {
    let positions: Range<Int>
    private var actions: [HookPoint: [(Tensor, HookContext) throws -> Tensor?]] = [:]

    init(_ hooks: [Hook], positions: Range<Int>, layerCount: Int) throws {
        self.positions = positions
        for hook in hooks {
            if let layer = hook.point.layer, !(0..<layerCount).contains(layer) {
                // Parsing the name gives the error with a suggestion.
                _ = try HookPoint(parsing: hook.point.name, layerCount: layerCount)
            }
            actions[hook.point, default: []].append(hook.action)
        }
    }

    func has(_ point: HookPoint) -> Bool { !actions.isEmpty && actions[point] != nil }

    /// The replacement of `activation`, or nil when no hook replaced it.
    func replacement(of activation: @autoclosure () throws -> Tensor, at point: HookPoint) throws -> Tensor? {
        guard !actions.isEmpty, let actions = actions[point] else { return nil }
        var current = try activation()
        let shape = current.shape
        var isReplaced = false
        for action in actions {
            guard let new = try action(current, HookContext(point: point, positions: positions)) else { continue }
            require(new.shape == shape, "hook at \(point): replaced an activation of shape \(shape) by one of \(new.shape)")
            current = new
            isReplaced = true
        }
        return isReplaced ? current : nil
    }

    /// The activation after the hooks of `point`.
    func callAsFunction(_ point: HookPoint, _ activation: Tensor) throws -> Tensor {
        try replacement(of: activation, at: point) ?? activation
    }
}
