extension Operator {
    static let relu = Operator("aten::relu")
    static let gelu = Operator("aten::gelu")
    static let silu = Operator("aten::silu")
    static let sigmoid = Operator("aten::sigmoid")
    static let logSigmoid = Operator("aten::log_sigmoid")
    static let tanh = Operator("aten::tanh")
    static let softplus = Operator("aten::softplus")
    static let leakyRelu = Operator("aten::leaky_relu")
    static let elu = Operator("aten::elu")
    static let mish = Operator("aten::mish")
    static let hardswish = Operator("aten::hardswish")
    static let hardsigmoid = Operator("aten::hardsigmoid")
    static let selu = Operator("aten::selu")
    static let celu = Operator("aten::celu")
    static let softshrink = Operator("aten::softshrink")
    static let hardshrink = Operator("aten::hardshrink")
    static let threshold = Operator("aten::threshold")
    static let prelu = Operator("aten::prelu")
    static let softmax = Operator("aten::softmax", "int")
    static let logSoftmax = Operator("aten::log_softmax", "int")
    static let embedding = Operator("aten::embedding")
    static let layerNorm = Operator("aten::layer_norm")
    static let rmsNorm = Operator("aten::rms_norm")
    static let groupNorm = Operator("aten::group_norm")
    static let batchNorm = Operator("aten::batch_norm")
    static let convolution = Operator("aten::convolution")
    static let scaledDotProductAttention = Operator("aten::scaled_dot_product_attention")
    static let crossEntropy = Operator("aten::cross_entropy_loss")
    static let nllLoss = Operator("aten::nll_loss_nd")
    static let bceWithLogits = Operator("aten::binary_cross_entropy_with_logits")
    static let maxPool1d = Operator("aten::max_pool1d")
    static let maxPool2d = Operator("aten::max_pool2d")
    static let maxPool3d = Operator("aten::max_pool3d")
    static let avgPool1d = Operator("aten::avg_pool1d")
    static let avgPool2d = Operator("aten::avg_pool2d")
    static let avgPool3d = Operator("aten::avg_pool3d")
    static let adaptiveAvgPool1d = Operator("aten::adaptive_avg_pool1d")
    static let adaptiveAvgPool2d = Operator("aten::adaptive_avg_pool2d")
    static let adaptiveAvgPool3d = Operator("aten::adaptive_avg_pool3d")
    static let adaptiveMaxPool1d = Operator("aten::adaptive_max_pool1d")
    static let adaptiveMaxPool2d = Operator("aten::adaptive_max_pool2d")
    static let adaptiveMaxPool3d = Operator("aten::adaptive_max_pool3d")
    static let pixelShuffle = Operator("aten::pixel_shuffle")
    static let pixelUnshuffle = Operator("aten::pixel_unshuffle")
    static let upsampleNearest2d = Operator("aten::upsample_nearest2d", "vec")
    static let upsampleBilinear2d = Operator("aten::upsample_bilinear2d", "vec")
    static let upsampleBicubic2d = Operator("aten::upsample_bicubic2d", "vec")
    static let upsampleBicubic2dAntialiased = Operator("aten::_upsample_bicubic2d_aa", "vec")
}

// MARK: - Activations

extension Tensor {
    public func relu() -> Tensor { Operator.relu(self) }
    /// x·Φ(x), exactly or by the tanh formula (Hendrycks & Gimpel 2016).
    public func gelu(tanhApproximation: Bool = false) -> Tensor { Operator.gelu(self, tanhApproximation ? "tanh" : "none") }
    /// x·sigmoid(x).
    public func silu() -> Tensor { Operator.silu(self) }
    public func sigmoid() -> Tensor { Operator.sigmoid(self) }
    public func logSigmoid() -> Tensor { Operator.logSigmoid(self) }
    public func tanh() -> Tensor { Operator.tanh(self) }
    /// log(1 + exp(βx))/β, linear above βx = threshold.
    public func softplus(beta: Double = 1, threshold: Double = 20) -> Tensor { Operator.softplus(self, beta, threshold) }
    public func leakyReLU(negativeSlope: Double = 0.01) -> Tensor { Operator.leakyRelu(self, negativeSlope) }
    public func elu(alpha: Double = 1) -> Tensor { Operator.elu(self, alpha) }
    public func mish() -> Tensor { Operator.mish(self) }
    public func hardSwish() -> Tensor { Operator.hardswish(self) }
    public func hardSigmoid() -> Tensor { Operator.hardsigmoid(self) }
    /// The scaled ELU of self-normalising networks (Klambauer et al. 2017).
    public func selu() -> Tensor { Operator.selu(self) }
    /// x where positive, α·(exp(x/α) − 1) elsewhere.
    public func celu(alpha: Double = 1) -> Tensor { Operator.celu(self, alpha) }
    /// Moved towards 0 by `threshold`, and stopped there.
    public func softShrink(threshold: Double = 0.5) -> Tensor { Operator.softshrink(self, threshold) }
    /// 0 where |x| ≤ threshold.
    public func hardShrink(threshold: Double = 0.5) -> Tensor { Operator.hardshrink(self, threshold) }
    /// x where greater than `threshold`, `value` elsewhere.
    public func thresholded(_ threshold: Double, value: Double) -> Tensor { Operator.threshold(self, threshold, value) }
    /// A learned slope (one, or one a channel) for negative elements.
    public func prelu(slope: Tensor) -> Tensor { Operator.prelu(self, slope) }
    public func softmax(axis: Int = -1, dtype: DType? = nil) -> Tensor { Operator.softmax(self, axis, dtype) }
    public func logSoftmax(axis: Int = -1, dtype: DType? = nil) -> Tensor { Operator.logSoftmax(self, axis, dtype) }
}

// MARK: - Layers as functions

extension Tensor {
    /// Rows of this [count, width] table for integer `indices` of any shape.
    /// - Parameter paddingIndex: a row that gets no gradient.
    public func embedding(_ indices: Tensor, paddingIndex: Int? = nil) -> Tensor {
        Operator.embedding(self, indices, paddingIndex ?? -1)
    }

    /// Normalised over the trailing axes of `shape`.
    public func layerNorm(shape: [Int], weight: Tensor? = nil, bias: Tensor? = nil, epsilon: Double = 1e-5) -> Tensor {
        Operator.layerNorm(self, shape, weight, bias, epsilon)
    }

    /// x/√(mean x² + ε)·weight over the trailing axes of `shape`.
    public func rmsNorm(shape: [Int], weight: Tensor? = nil, epsilon: Double? = nil) -> Tensor {
        Operator.rmsNorm(self, shape, weight, epsilon)
    }

    public func groupNorm(groups: Int, weight: Tensor? = nil, bias: Tensor? = nil, epsilon: Double = 1e-5) -> Tensor {
        Operator.groupNorm(self, groups, weight, bias, epsilon)
    }

    /// Normalised per channel (axis 1) by the batch if `training`, otherwise by the running statistics,
    /// which training updates in place.
    public func batchNorm(
        weight: Tensor?, bias: Tensor?, runningMean: Tensor?, runningVariance: Tensor?, training: Bool,
        momentum: Double = 0.1, epsilon: Double = 1e-5
    ) -> Tensor {
        Operator.batchNorm(self, weight, bias, runningMean, runningVariance, training, momentum, epsilon, true)
    }

    /// Convolution over the trailing `stride.count` axes of [batch, channels, …]; weight is
    /// [out, in/groups, …], or [in, out/groups, …] if `transposed`.
    ///
    /// Those of size 5 that halve or double images on the CPU are computed by a kernel of ours, whose sums differ from libtorch's in the last bits.
    public func convolved(
        weight: Tensor, bias: Tensor? = nil, stride: [Int], padding: [Int], dilation: [Int], transposed: Bool = false,
        outputPadding: [Int]? = nil, groups: Int = 1
    ) -> Tensor {
        if Stride2Convolution.serves(
            self, weight, stride: stride, padding: padding, dilation: dilation, transposed: transposed, outputPadding: outputPadding, groups: groups)
        {
            return Operator.stride2Convolution(self, weight, bias, transposed)
        }
        return Operator.convolution(
            self, weight, bias, stride, padding, dilation, transposed, outputPadding ?? stride.map { _ in 0 }, groups)
    }

    /// softmax(q·kᵀ·scale + mask)·v for [batch, heads, length, width]; `self` is q.
    /// - Parameters:
    ///   - mask: bool (true: may be seen) or added to the scores.
    ///   - scale: 1/√width if nil.
    ///   - groupedQuery: k and v may have fewer heads, each serving a group of q's.
    public func attention(
        keys: Tensor, values: Tensor, mask: Tensor? = nil, causal: Bool = false, scale: Double? = nil, groupedQuery: Bool = false
    ) -> Tensor {
        Operator.scaledDotProductAttention(self, keys, values, mask, 0.0, causal, scale, groupedQuery)
    }
}

// MARK: - Pooling and resampling

extension Tensor {
    /// The largest of each window over the trailing `kernel.count` axes (1 to 3).
    /// - Parameter roundingUp: let the last window reach beyond the end.
    public func maxPooled(
        kernel: [Int], stride: [Int]? = nil, padding: [Int]? = nil, dilation: [Int]? = nil, roundingUp: Bool = false
    ) -> Tensor {
        let operators = [Operator.maxPool1d, .maxPool2d, .maxPool3d]
        return operators[kernel.count - 1](
            self, kernel, stride ?? kernel, padding ?? kernel.map { _ in 0 }, dilation ?? kernel.map { _ in 1 }, roundingUp)
    }

    /// The mean of each window over the trailing `kernel.count` axes (1 to 3).
    /// - Parameters:
    ///   - roundingUp: let the last window reach beyond the end.
    ///   - countingPadding: whether padded zeros count in the mean.
    public func averagePooled(
        kernel: [Int], stride: [Int]? = nil, padding: [Int]? = nil, roundingUp: Bool = false, countingPadding: Bool = true
    ) -> Tensor {
        let operators = [Operator.avgPool1d, .avgPool2d, .avgPool3d]
        return operators[kernel.count - 1](
            self, kernel, stride ?? kernel, padding ?? kernel.map { _ in 0 }, roundingUp, countingPadding)
    }

    /// Means over windows chosen so that the trailing axes get the given sizes (1 to 3 of them).
    public func adaptiveAveragePooled(to sizes: [Int]) -> Tensor {
        let operators = [Operator.adaptiveAvgPool1d, .adaptiveAvgPool2d, .adaptiveAvgPool3d]
        return operators[sizes.count - 1](self, sizes)
    }

    /// The largest of windows chosen so that the trailing axes get the given sizes (1 to 3 of them).
    public func adaptiveMaxPooled(to sizes: [Int]) -> Tensor {
        let operators = [Operator.adaptiveMaxPool1d, .adaptiveMaxPool2d, .adaptiveMaxPool3d]
        return operators[sizes.count - 1].pair(self, sizes).0
    }

    /// [B, C·f², H, W] → [B, C, H·f, W·f].
    public func pixelShuffled(_ factor: Int) -> Tensor { Operator.pixelShuffle(self, factor) }
    /// [B, C, H·f, W·f] → [B, C·f², H, W].
    public func pixelUnshuffled(_ factor: Int) -> Tensor { Operator.pixelUnshuffle(self, factor) }
    /// Images [B, C, H, W] at another size, each pixel the nearest one.
    public func resizedNearest(height: Int, width: Int) -> Tensor { Operator.upsampleNearest2d(self, [height, width], nil) }
    /// Images [B, C, H, W] at another size, bilinearly.
    public func resizedBilinear(height: Int, width: Int, alignCorners: Bool = false) -> Tensor {
        Operator.upsampleBilinear2d(self, [height, width], alignCorners, nil)
    }
    /// Images [B, C, H, W] at another size by Keys' cubic convolution (1981); values may go a little beyond those of the image.
    /// - Parameter antialiased: widen the kernel with the pixels where the image becomes smaller, with a = −0.5 instead of −0.75, as Pillow does.
    public func resizedBicubic(height: Int, width: Int, antialiased: Bool = false) -> Tensor {
        (antialiased ? Operator.upsampleBicubic2dAntialiased : .upsampleBicubic2d)(self, [height, width], false, nil)
    }
}

// MARK: - Losses

/// What a loss does with the values of its elements.
public enum Reduction: Int, Sendable { case none = 0, mean = 1, sum = 2 }

extension Tensor {
    /// −log softmax(self)[target]; self is [N, classes] or [N, classes, …], target int64 without the classes' axis.
    public func crossEntropy(
        _ target: Tensor, weight: Tensor? = nil, reduction: Reduction = .mean, ignoreIndex: Int = -100, labelSmoothing: Double = 0
    ) -> Tensor {
        Operator.crossEntropy(self, target, weight, reduction.rawValue, ignoreIndex, labelSmoothing)
    }

    /// −self[target], where self holds log-probabilities.
    public func negativeLogLikelihood(_ target: Tensor, weight: Tensor? = nil, reduction: Reduction = .mean, ignoreIndex: Int = -100) -> Tensor {
        Operator.nllLoss(self, target, weight, reduction.rawValue, ignoreIndex)
    }

    /// Binary cross-entropy of logits against targets in [0, 1].
    public func binaryCrossEntropyWithLogits(_ target: Tensor, weight: Tensor? = nil, positiveWeight: Tensor? = nil, reduction: Reduction = .mean) -> Tensor {
        Operator.bceWithLogits(self, target, weight, positiveWeight, reduction.rawValue)
    }
}
