import Torch

/// What all blocks of one pass share: hooks, rotation angles, what each position may see, and the cache.
struct DecoderPass {
    let hooks: HookTable
    let rotation: Rotation
    let visibility: Visibility
    let cache: KeyValueCache?

    /// Which earlier positions each position attends to.
    enum Visibility {
        /// Itself and all before.
        case causal
        /// True where it may be seen, broadcast to [B, H, T, S].
        case mask(Tensor)
        /// A single new position that sees everything.
        case all
    }

    /// cos and sin of the angles, [T, 1, d] or, with padding, [B, T, 1, d]; the first half of sin is negated, so that
    /// rotating is x·cos + swapHalves(x)·sin.
    struct Rotation {
        let cosine: Tensor
        let sine: Tensor
    }

    /// softmax(q·kᵀ/√d)·v for q [B, H, T, d], k and v [B, K, S, d].
    func attention(_ queries: Tensor, _ keys: Tensor, _ values: Tensor) -> Tensor {
        let isGrouped = queries.size(1) != keys.size(1)
        return switch visibility {
        case .causal: queries.attention(keys: keys, values: values, causal: true, groupedQuery: isGrouped)
        case .all: queries.attention(keys: keys, values: values, groupedQuery: isGrouped)
        case .mask(let mask): queries.attention(keys: keys, values: values, mask: mask, groupedQuery: isGrouped)
        }
    }

    /// The masked scores, [B, H, T, S], in the open.
    func scores(_ queries: Tensor, _ keys: Tensor) -> Tensor {
        let groups = queries.size(1) / keys.size(1)
        let keys = groups == 1 ? keys : keys.repeated(groups, axis: 1)
        let scores = queries.matmul(keys.transposed()) / Double(queries.size(3)).squareRoot()
        let lowest = -Double(Float.greatestFiniteMagnitude)
        switch visibility {
        case .all: return scores
        case .mask(let mask): return scores.filled(where: mask.logicalNot(), with: lowest)
        case .causal:
            let shape = [scores.size(2), scores.size(3)]
            let hidden = Tensor.ones(shape, dtype: .bool, device: scores.device).upperTriangle(diagonal: 1)
            return scores.filled(where: hidden, with: lowest)
        }
    }
}

extension DecoderPass {
    /// x·cos + swapHalves(x)·sin for x [B, T, heads, d].
    func rotated(_ x: Tensor) -> Tensor {
        let half = x.size(3) / 2
        let swapped = Tensor.concatenated(
            [x.narrowed(axis: 3, from: half, count: half), x.narrowed(axis: 3, from: 0, count: half)], axis: 3)
        return (x * rotation.cosine).addProductInPlace(swapped, rotation.sine)
    }
}

extension DecoderPass.Rotation {
    /// - Parameter positions: int64, [T] or [B, T].
    init(positions: Tensor, frequencies: [Double], placement: Placement) {
        // Angles in double precision: at position 100,000 single precision is off by 0.004 radians.
        let angles = positions.to(device: .cpu).to(dtype: .float64).unsqueezed(-1) * Tensor(frequencies)
        let cosine = angles.cos(), sine = angles.sin()
        self.cosine = placement.place(Tensor.concatenated([cosine, cosine], axis: -1).unsqueezed(-2))
        self.sine = placement.place(Tensor.concatenated([-sine, sine], axis: -1).unsqueezed(-2))
    }
}

/// Rotated keys and values of the positions seen so far, for each block.
package final class KeyValueCache {
    private var entries: [(keys: Tensor, values: Tensor)?]
    /// Positions stored.
    package private(set) var count = 0

    package init(layerCount: Int) { entries = Array(repeating: nil, count: layerCount) }

    /// Appends the new positions' keys and values, [B, K, T, d], and returns all, [B, K, S, d].
    ///
    /// Memory grows by doubling, so that a generation copies each entry a few times at most.
    func append(_ keys: Tensor, _ values: Tensor, layer: Int) -> (keys: Tensor, values: Tensor) {
        let shape = keys.shape
        let end = count + shape[2]
        if entries[layer].map({ $0.keys.size(2) < end }) ?? true {
            let capacity = [shape[0], shape[1], max(64, 2 * end), shape[3]]
            let old = entries[layer]
            func grown(_ old: Tensor?) -> Tensor {
                let new = Tensor.zeros(capacity, dtype: keys.dtype, device: keys.device)
                if let old, count > 0 { new.narrowed(axis: 2, from: 0, count: count).copyInPlace(from: old.narrowed(axis: 2, from: 0, count: count)) }
                return new
            }
            entries[layer] = (grown(old?.keys), grown(old?.values))
        }
        let entry = entries[layer]!
        entry.keys.narrowed(axis: 2, from: count, count: shape[2]).copyInPlace(from: keys)
        entry.values.narrowed(axis: 2, from: count, count: shape[2]).copyInPlace(from: values)
        return (entry.keys.narrowed(axis: 2, from: 0, count: end), entry.values.narrowed(axis: 2, from: 0, count: end))
    }

    /// Ends a pass over `count` new positions.
    func advance(by count: Int) { self.count += count }
}
