extension Operator {
    static let waveletPacket = Operator("condense::wavelet_packet")
}

extension Tensor {
    /// How many of the trailing axes are split into bands.
    public enum WaveletAxes: Int, Sendable {
        /// Signals [batch, channels, length].
        case one = 1
        /// Images [batch, channels, height, width].
        case two = 2
    }

    /// The wavelet packet of signals or images: biorthogonal 4.4 filters (Cohen, Daubechies, Feauveau 1992), periodic, every band split again
    /// at every level.
    ///
    /// After each level channel `c` has become, for signals, 2c (low) and 2c + 1 (high); for images 4c (both low), 4c + 1 (height high), 4c + 2
    /// (width high) and 4c + 3 (both high). The mean of an image stays in the first, doubled by each level.
    /// - Parameters:
    ///   - levels: J ≥ 0; sides must be multiples of 2^J.
    /// - Returns: shape [batch, channels·2^J, length/2^J] or [batch, channels·4^J, height/2^J, width/2^J].
    public func waveletPacket(levels: Int, axes: WaveletAxes) -> Tensor { Operator.waveletPacket(self, levels, axes.rawValue, false, false) }

    /// The signals or images of a ``waveletPacket(levels:axes:)``.
    public func inverseWaveletPacket(levels: Int, axes: WaveletAxes) -> Tensor { Operator.waveletPacket(self, levels, axes.rawValue, true, true) }
}
