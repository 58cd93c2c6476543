extension Operator {
    static let matchingPursuit = Operator("condense::matching_pursuit")
}

/// When a matching pursuit stops.
public struct PursuitRules: Codable, Sendable, Equatable {
    /// Steps at most, each of which takes one atom.
    public var steps: Int
    /// Whether atoms are only ever added: a row stops when its residual has a positive product with no atom. Otherwise the largest
    /// product counts even where all are negative.
    public var nonNegative: Bool
    /// A row stops when the norm of its residual is at most this.
    public var absoluteResidual: Double
    /// A row stops when the norm of its residual is at most this part of its own.
    public var relativeResidual: Double

    public init(steps: Int, nonNegative: Bool = true, absoluteResidual: Double = 0, relativeResidual: Double = 0) {
        self.steps = steps
        self.nonNegative = nonNegative
        self.absoluteResidual = absoluteResidual
        self.relativeResidual = relativeResidual
    }
}

/// What a matching pursuit took, in the order of its steps.
public struct PursuitPicks {
    /// The picks, [rows, steps]: an atom may occur several times in a row; the places after a row's end hold 0.
    public let sequence: SparseCode
    /// Of each pick the place of the first pick of the same atom, int64, [rows, steps].
    let firstPlaces: Tensor

    /// The code: each atom once, where it was picked first, with the sum of its picks. Differentiable as the picks are.
    public var code: SparseCode {
        sequence.with(values: Tensor.zeros(like: sequence.values).scatterAdding(sequence.values, at: firstPlaces, axis: 1))
    }
}

extension Tensor {
    /// How the products of a pursuit's next step are found; results are the same but for rounding.
    public enum PursuitRoute: Sendable {
        /// Whichever is expected to be faster.
        case automatic
        /// By a row of the atoms' Gram matrix, which is made first.
        case gram
        /// By multiplying all atoms again.
        case products

        var byGram: Bool? {
            switch self {
            case .automatic: nil
            case .gram: true
            case .products: false
            }
        }
    }

    /// Matching pursuit of each row over a dictionary (Mallat & Zhang 1993): again and again the atom with the largest product
    /// r·w/‖w‖ gets v = r·w/‖w‖², and r ← r − v·w, beginning with the row itself. Nothing is assumed of the atoms' norms; atoms
    /// of zeros are never picked.
    ///
    /// Differentiable once, with respect to rows and atoms: the derivative of all steps with the selection held fixed, in
    /// O(rows·steps·D).
    /// - Parameter atoms: [F, D] for rows [rows, D].
    public func matchingPursuit(atoms: Tensor, _ rules: PursuitRules, route: PursuitRoute = .automatic) -> PursuitPicks {
        let (values, indices, first) = Operator.matchingPursuit.triple(
            self, atoms, rules.steps, rules.nonNegative, rules.absoluteResidual, rules.relativeResidual, route.byGram)
        return PursuitPicks(
            sequence: SparseCode(values: values, indices: indices, featureCount: atoms.size(0)), firstPlaces: first)
    }
}
