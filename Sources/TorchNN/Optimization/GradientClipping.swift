public import Torch

/// Scales all gradients down together so that the norm of them as one vector is at most `maximum`.
/// - Parameter order: of the norm; `.infinity` for the greatest magnitude.
/// - Returns: the norm before, 0 without gradients.
@discardableResult
public func clipGradients(of parameters: [Tensor], toNorm maximum: Double, order: Double = 2) -> Double {
    require(maximum > 0, "clipGradients: the greatest norm must be positive, found \(maximum).")
    let gradients = parameters.compactMap(\.grad)
    if gradients.isEmpty { return 0 }
    return withoutGradients {
        let total = gradientNorm(gradients, order)
        // Always multiplied, so that the numbers are PyTorch's; the factor is 1 for a small norm.
        Operator.multiplyAllInPlace.run(gradients, (maximum / (total + 1e-6)).clamped(maximum: 1))
        return total.item()
    }
}

/// Limits every element of every gradient to ±`maximum`.
public func clipGradients(of parameters: [Tensor], toValue maximum: Double) {
    require(maximum >= 0, "clipGradients: the greatest value must not be negative, found \(maximum).")
    withoutGradients { for gradient in parameters.compactMap(\.grad) { gradient.clampInPlace(minimum: -maximum, maximum: maximum) } }
}

private func gradientNorm(_ gradients: [Tensor], _ order: Double) -> Tensor {
    let norms = Operator.norms.list(gradients, order)
    return Tensor.stacked(norms).norm(order: order)
}
