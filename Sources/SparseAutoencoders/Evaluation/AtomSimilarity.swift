public import Torch

extension ActivationDictionary {
    /// The largest cosine of each decoder direction with any other one, shape [F].
    ///
    /// At most `chunk` · F cosines exist at a time.
    public func maximumCosines(chunk: Int = 1_024) -> Tensor {
        withoutGradients {
            let directions = decoderDirections.unitRows()
            let count = directions.size(0)
            let pieces = stride(from: 0, to: count, by: chunk).map { start in
                let length = min(chunk, count - start)
                let cosines = directions.narrowed(axis: 0, from: start, count: length).matmul(directions.transposed())
                // A direction is not compared with itself.
                cosines.narrowed(axis: 1, from: start, count: length).diagonal().fillInPlace(-.infinity)
                return cosines.max(axes: [1])
            }
            return Tensor.concatenated(pieces)
        }
    }

    /// For each of some known directions, the largest cosine with any decoder direction, shape [G]: how well a ground truth
    /// was found.
    /// - Parameters:
    ///   - targets: shape [G, D].
    ///   - ignoringSign: whether an opposite direction counts as found, as for signed codes.
    public func bestCosines(with targets: Tensor, ignoringSign: Bool = false, chunk: Int = 1_024) -> Tensor {
        withoutGradients {
            let directions = decoderDirections.unitRows().transposed()
            return Tensor.concatenated(
                targets.unitRows().split(size: chunk).map { targets in
                    let cosines = targets.matmul(directions)
                    return (ignoringSign ? cosines.abs() : cosines).max(axes: [1])
                })
        }
    }

    /// The mean of ``maximumCosines(chunk:)``: near 1 where many features are copies of each other.
    public func meanMaximumCosine() -> Double { maximumCosines().to(dtype: .float64).mean().item() }
}
