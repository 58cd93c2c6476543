internal import Torch

/// Measures ``DialogueMetrics`` over contexts of dialogues.
public final class DialogueEvaluation {
    private let dictionary: any ActivationDictionary
    private let special: SpecialTokens
    private let maximumNorm: Double
    private var sums = [TokenGroup: Sum]()
    private var activeSum = 0.0
    private var ordinaryCount = 0

    private struct Sum {
        var tokens = 0
        var dialogues = 0
        var error = 0.0
        var dialogueMeans = 0.0
    }

    /// - Parameters:
    ///   - special: the tokens that count as special.
    ///   - maximumNorm: rows of a greater norm are attention sinks; nil for none.
    public init(of dictionary: any ActivationDictionary, special: SpecialTokens, maximumNorm: Double? = nil) {
        self.dictionary = dictionary
        self.special = special
        self.maximumNorm = maximumNorm ?? .infinity
    }

    /// Counts the dialogues of a batch, each context as one.
    public func add(_ batch: ContextBatch) {
        guard batch.activations.size(0) > 0 else { return }
        let (errors, active, norms) = withoutGradients {
            let reconstruction = dictionary.reconstruct(batch.activations)
            let error = (batch.activations - reconstruction.output).to(dtype: .float64).squared().mean(axis: 1)
            return (
                error.scalars(as: Double.self), reconstruction.code.activeCounts().scalars(as: Int.self),
                batch.activations.norm(axes: [1]).scalars(as: Float.self)
            )
        }
        for context in batch.tokens.indices {
            var here = [TokenGroup: (tokens: Int, error: Double)]()
            for token in DialogueToken.all(of: batch, context: context) {
                let isOrdinary = token.position > 0 && Double(norms[token.row]) <= maximumNorm
                for group in groups(of: token, isOrdinary: isOrdinary) {
                    here[group, default: (0, 0)].tokens += 1
                    here[group, default: (0, 0)].error += errors[token.row]
                }
                if isOrdinary {
                    activeSum += Double(active[token.row])
                    ordinaryCount += 1
                }
            }
            for (group, found) in here {
                sums[group, default: Sum()].tokens += found.tokens
                sums[group, default: Sum()].dialogues += 1
                sums[group, default: Sum()].error += found.error
                sums[group, default: Sum()].dialogueMeans += found.error / Double(found.tokens)
            }
        }
    }

    private func groups(of token: DialogueToken, isOrdinary: Bool) -> [TokenGroup] {
        let isSpecial = special.ids.contains(token.id)
        var groups: [TokenGroup] = isSpecial ? [.all, .special] : [.all]
        guard isOrdinary else { return groups }
        groups.append(.ordinary)
        if isSpecial { groups.append(.ordinarySpecial) }
        if isSpecial, token.isBehindMessage { groups.append(.laterSpecial) }
        switch token.role {
        case .template: groups.append(.template)
        case .system: groups.append(.system)
        case .user: groups.append(.user)
        case .assistant: groups.append(.assistant)
        case nil: break
        }
        return groups
    }

    /// What was measured so far; groups without tokens are left out.
    public var metrics: DialogueMetrics {
        DialogueMetrics(
            errors: TokenGroup.allCases.compactMap { group in
                guard let sum = sums[group] else { return nil }
                return DialogueMetrics.GroupError(
                    group: group, tokenCount: sum.tokens, dialogueCount: sum.dialogues,
                    perDialogue: sum.dialogueMeans / Double(sum.dialogues), perToken: sum.error / Double(sum.tokens))
            }, l0: activeSum / Double(max(1, ordinaryCount)))
    }
}

/// A token of a context that is a row, with what is known of it.
struct DialogueToken {
    let row: Int
    let position: Int
    let id: Int32
    /// nil without dialogues.
    let role: TokenRole?
    /// Whether user or assistant have said something before.
    let isBehindMessage: Bool

    /// The tokens of a context with rows counted from the batch's first.
    static func all(of batch: ContextBatch, context: Int) -> [DialogueToken] {
        let first = batch.layout.firstPosition
        var isBehindMessage = false
        return batch.tokens[context].indices.compactMap { position in
            let role = batch.roles?[context][position]
            defer { isBehindMessage = isBehindMessage || role == .user || role == .assistant }
            guard position >= first else { return nil }
            return DialogueToken(
                row: batch.rowStarts[context] + position - first, position: position, id: batch.tokens[context][position], role: role,
                isBehindMessage: isBehindMessage)
        }
    }
}
