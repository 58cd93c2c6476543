internal import Experiments
internal import Torch

extension ActivationSplit {
    /// The coordinates of the activations, less their mean, along the directions in which the training set varies most: small
    /// vectors that are still a language model's. There is no network to splice into any more.
    package func projected(onto width: Int) -> ActivationSplit {
        let axes = training.principalAxes(), variances = axes.variances, total = variances.size(0)
        require((1...total).contains(width), "projected: \(width) components of width \(total)")
        let kept = axes.directions.narrowed(axis: 1, from: total - width, count: width)
        let part = variances[(total - width)...].sum().item() / variances.sum().item()
        func coordinates(_ rows: Tensor) -> Tensor { (rows.to(dtype: .float64) - axes.mean).matmul(kept).to(dtype: .float32) }
        return ActivationSplit(
            training: coordinates(training), validation: coordinates(validation), test: coordinates(test),
            origin: "the \(width) leading principal components (\(formatNumber(part * 100, digits: 3)) % of the variance) of \(origin)")
    }
}
