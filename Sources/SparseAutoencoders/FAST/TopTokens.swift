internal import Torch

/// On what kind of tokens features are most active: the same special token, or tokens of the same role, in their five strongest
/// dialogues.
package struct TopTokens {
    /// What a strongest token is.
    enum Kind: Hashable {
        case special(Int32)
        case role(TokenRole)
    }

    package struct Feature {
        package let index: Int
        /// Of the strongest dialogues, falling, and their activations.
        let kinds: [Kind]
        package let activations: [Float]

        /// Whether all kinds are the same.
        package var isPure: Bool { Set(kinds).count == 1 }
        /// Whether all are the same special token.
        package var isSpecial: Bool { if isPure, case .special = kinds[0] { true } else { false } }
    }

    /// Features that are active in enough dialogues.
    package private(set) var features: [Feature] = []

    /// - Parameters:
    ///   - contexts: dialogues, one a batch or several.
    ///   - maximumNorm: rows of a greater norm, and first positions, are left out.
    ///   - count: strongest dialogues of each feature.
    package init(
        of dictionary: any ActivationDictionary, on batches: [ContextBatch], special: SpecialTokens, maximumNorm: Double, count: Int = 5
    ) {
        var strongest: [[(value: Float, kind: Kind)]] = Array(repeating: [], count: dictionary.dictionarySize)
        for batch in batches where batch.activations.size(0) > 0 {
            let code = withoutGradients { dictionary.encode(batch.activations).dense() }
            let norms = batch.activations.norm(axes: [1]).scalars(as: Float.self)
            for context in batch.tokens.indices {
                let tokens = DialogueToken.all(of: batch, context: context).filter { $0.position > 0 && Double(norms[$0.row]) <= maximumNorm }
                guard !tokens.isEmpty else { continue }
                let rows = code.gathered(indices: Tensor(tokens.map(\.row)))
                let best = rows.topK(1, axis: 0)
                let values = best.values.reshaped([-1]).scalars(as: Float.self), places = best.indices.reshaped([-1]).scalars(as: Int.self)
                for feature in values.indices where values[feature] > 0 {
                    let token = tokens[places[feature]]
                    let kind: Kind = special.ids.contains(token.id) ? .special(token.id) : .role(token.role ?? .template)
                    strongest[feature].append((values[feature], kind))
                }
            }
        }
        for (index, found) in strongest.enumerated() where found.count >= count {
            // Of equal activations the earlier dialogue counts.
            let top = found.enumerated().sorted { ($1.element.value, $0.offset) < ($0.element.value, $1.offset) }.prefix(count).map(\.element)
            features.append(Feature(index: index, kinds: top.map(\.kind), activations: top.map(\.value)))
        }
    }

    /// The part of the features whose strongest tokens are all of one kind.
    package var pureShare: Double { share { $0.isPure } }
    /// The part of the features whose strongest tokens are all the same special token.
    package var specialShare: Double { share { $0.isSpecial } }

    private func share(_ condition: (Feature) -> Bool) -> Double {
        features.isEmpty ? .nan : Double(features.count(where: condition)) / Double(features.count)
    }
}
