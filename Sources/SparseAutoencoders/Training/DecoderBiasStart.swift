package import Torch

extension SAETrainingConfiguration.DecoderBiasStart {
    /// The decoder's first bias for given rows, shape [D].
    /// - Parameter rows: normalised, shape [N, D].
    func bias(for rows: Tensor) -> Tensor {
        switch self {
        case .zeros: Tensor.zeros([rows.size(1)], dtype: rows.dtype, device: rows.device)
        case .mean: rows.mean(axis: 0)
        case .geometricMedian: rows.geometricMedian()
        }
    }
}

extension Tensor {
    /// The point with the least sum of distances to all rows of this matrix, by Weiszfeld's iteration from the mean:
    /// w_i = 1/‖x_i − g‖, g ← Σ w_i x_i / Σ w_i, until g moves by less than `tolerance` of its norm.
    package func geometricMedian(iterations: Int = 100, tolerance: Double = 1e-5) -> Tensor {
        withoutGradients {
            var guess = mean(axis: 0)
            for _ in 0..<iterations {
                // A row that coincides with the guess would have an infinite weight.
                let weights = 1 / (self - guess).norm(axes: [1]).clamped(minimum: 1e-10)
                let next = weights.unsqueezed(0).matmul(self).squeezed(0) / weights.sum()
                let moved = (next - guess).norm().item()
                guess = next
                if moved <= tolerance * guess.norm().item() { break }
            }
            return guess
        }
    }
}
