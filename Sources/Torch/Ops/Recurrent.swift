extension Operator {
    static let lstm = Operator("aten::lstm", "input")
}

extension Tensor {
    /// A long short-term memory (Hochreiter & Schmidhuber 1997) in one direction over sequences [batch, length, inputSize]; gates in
    /// PyTorch's order i, f, g, o.
    /// - Parameters:
    ///   - hidden: before the first place, shape [layers, batch, hiddenSize].
    ///   - cell: in the shape of `hidden`.
    ///   - weights: for each layer [4·hiddenSize, inputs], [4·hiddenSize, hiddenSize], and with `hasBiases` two of [4·hiddenSize].
    /// - Returns: the top layer's output [batch, length, hiddenSize], and hidden and cell after the last place.
    public func lstm(hidden: Tensor, cell: Tensor, weights: [Tensor], hasBiases: Bool) -> (output: Tensor, hidden: Tensor, cell: Tensor) {
        let (output, hidden, cell) = Operator.lstm.triple(self, [hidden, cell], weights, hasBiases, hidden.size(0), 0.0, isRecordingGradients, false, true)
        return (output, hidden, cell)
    }
}
