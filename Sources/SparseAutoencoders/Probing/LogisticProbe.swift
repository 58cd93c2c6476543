public import Torch

/// A linear probe for one class: the minimum of ½‖w‖² + C Σ log(1 + exp(−y(w·x + b))) with y = ±1, the objective of scikit-learn's
/// `LogisticRegression` at its defaults, by Newton's method in double precision.
public struct LogisticProbe {
    /// w, shape [D], float64.
    public let weights: Tensor
    /// b, float64, no dimensions.
    public let intercept: Tensor

    /// - Parameters:
    ///   - inputs: shape [N, D], of any floating-point type.
    ///   - isPositive: which rows belong to the class, bool, shape [N]; some must, and some must not.
    ///   - inverseRegularization: C.
    public init(_ inputs: Tensor, isPositive: Tensor, inverseRegularization: Double = 1) {
        require(
            inputs.rank == 2 && isPositive.shape == [inputs.size(0)] && isPositive.any().item() != 0 && isPositive.all().item() == 0,
            "LogisticProbe: inputs \(inputs.shape) with classes \(isPositive.shape), of which both must be there")
        (weights, intercept) = withoutGradients {
            let rows = inputs.to(dtype: .float64), targets = isPositive.to(dtype: .float64)
            guard rows.size(1) > rows.size(0) else { return Self.solution(rows, targets, inverseRegularization) }
            // The solution lies in the space of the rows, which has fewer dimensions.
            let basis = rows.transposed().qr().q
            let (inner, intercept) = Self.solution(rows.matmul(basis), targets, inverseRegularization)
            return (basis.matmul(inner), intercept)
        }
    }

    private static func solution(_ rows: Tensor, _ targets: Tensor, _ strength: Double) -> (weights: Tensor, intercept: Tensor) {
        let count = rows.size(0), width = rows.size(1)
        let extended = Tensor.concatenated([rows, Tensor.ones([count, 1], dtype: .float64, device: rows.device)], axis: 1)
        // The intercept is free; the tiny number keeps the matrix invertible where all probabilities are 0 or 1.
        let penalty = Tensor.ones([width + 1], dtype: .float64, device: rows.device)
        penalty[width..<width + 1].fillInPlace(1e-10)
        func objective(_ parameters: Tensor) -> Double {
            let scores = extended.matmul(parameters)
            let loss = (scores.softplus(threshold: 40) - scores * targets).sum() * strength
            return (loss + (penalty * parameters.squared()).sum() / 2).item()
        }
        var parameters = Tensor.zeros([width + 1], dtype: .float64, device: rows.device)
        var value = objective(parameters)
        for _ in 0..<100 {
            let probabilities = extended.matmul(parameters).sigmoid()
            let gradient = (probabilities - targets).matmul(extended) * strength + penalty * parameters
            if gradient.abs().max().item() < 1e-8 * max(1, strength) { break }
            let curvature = (probabilities * (1 - probabilities) * strength).unsqueezed(1)
            let hessian = extended.transposed().matmul(extended * curvature) + penalty.unsqueezed(1) * Tensor.identity(width + 1, dtype: .float64, device: rows.device)
            let step = hessian.solve(gradient.unsqueezed(1)).squeezed(1)
            // Whole steps at last, shorter ones where the parabola is a bad model.
            var length = 1.0
            var next = parameters - step
            var nextValue = objective(next)
            while nextValue > value, length > 1e-8 {
                length /= 2
                next = parameters - step * length
                nextValue = objective(next)
            }
            guard nextValue < value else { break }
            (parameters, value) = (next, nextValue)
        }
        return (parameters[..<width], parameters[width])
    }

    /// w·x + b, positive for the class, float64, shape [N].
    public func scores(_ inputs: Tensor) -> Tensor { inputs.to(dtype: .float64).matmul(weights) + intercept }

    /// The part of rows that are told rightly.
    public func accuracy(_ inputs: Tensor, isPositive: Tensor) -> Double {
        (scores(inputs) .> 0).equals(isPositive).to(dtype: .float64).mean().item()
    }
}
