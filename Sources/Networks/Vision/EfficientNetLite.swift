internal import Foundation
internal import Torch
internal import TorchNN

extension NetworkGraph {
    /// EfficientNet-Lite (Tan & Le, arXiv:1905.11946, without gates and with ReLU6), for images whose pixels are (value − 127) / 128.
    ///
    /// Weights go under the names of the PyPI package efficientnet-lite-pytorch.
    /// - Parameters:
    ///   - variant: 0, 1 or 2.
    ///   - imageSize: height and width; the variant's own if nil. Zeros around images are TensorFlow's, which depend on it.
    public static func efficientNetLite(_ variant: Int = 0, classes: Int = 1_000, imageSize: Int? = nil) -> NetworkGraph {
        let variants: [(width: Double, depth: Double, size: Int, dropout: Double)] = [(1, 1, 224, 0.2), (1, 1.1, 240, 0.2), (1.1, 1.2, 260, 0.3)]
        require(variants.indices.contains(variant), "EfficientNet-Lite has the variants 0 to 2, not \(variant).")
        let (width, depth, ownSize, dropout) = variants[variant], size = imageSize ?? ownSize
        var builder = EfficientNetBuilder(imageSize: size)
        builder.convolve("_conv_stem", to: 32, kernel: 3, stride: 2, norm: "_bn0")
        let stages: [(kernel: Int, stride: Int, expansion: Int, channels: Int, repeats: Int)] = [
            (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
        ]
        var block = 0
        for (place, stage) in stages.enumerated() {
            // The first and last stages of all variants have one block.
            let isEnd = place == 0 || place == stages.count - 1
            let repeats = isEnd ? stage.repeats : Int((depth * Double(stage.repeats)).rounded(.up))
            let channels = Self.rounded(stage.channels, width)
            for index in 0..<repeats {
                builder.block(block, expansion: stage.expansion, kernel: stage.kernel, stride: index == 0 ? stage.stride : 1, to: channels)
                block += 1
            }
        }
        builder.convolve("_conv_head", to: 1_280, kernel: 1, stride: 1, norm: "_bn1")
        var graph = builder.graph
        let pooled = graph.add("_avg_pooling", .globalAveragePool, to: builder.last)
        let vector = graph.add("_dropout", .dropout(dropout), to: graph.add("flatten", .flatten, to: pooled))
        graph.add("_fc", .linear(inputSize: 1_280, outputSize: classes, bias: true), to: vector)
        return graph
    }

    /// A multiple of 8 near to a scaled number of channels, at least nine tenths of it.
    private static func rounded(_ channels: Int, _ width: Double) -> Int {
        guard width != 1 else { return channels }
        let scaled = Double(channels) * width, nearest = max(8, Int(scaled + 4) / 8 * 8)
        return Double(nearest) < 0.9 * scaled ? nearest + 8 : nearest
    }
}

private struct EfficientNetBuilder {
    var graph: NetworkGraph
    var last: Int
    private var channels = 3, size: Int

    init(imageSize: Int) {
        graph = NetworkGraph(input: [3, imageSize, imageSize])
        (last, size) = (graph.input, imageSize)
    }

    /// Convolution, batch norm and, if there is an activation, ReLU6.
    mutating func convolve(
        _ name: String, to outputs: Int, kernel: Int, stride: Int, norm: String, isDepthwise: Bool = false, activates: Bool = true
    ) {
        var settings = GraphOperation.Convolution(channels, outputs, kernel: kernel, stride: stride, groups: isDepthwise ? channels : 1, bias: false)
        let smaller = (size + stride - 1) / stride, missing = max(0, (smaller - 1) * stride + kernel - size)
        settings.padding = [missing / 2, missing - missing / 2, missing / 2, missing - missing / 2]
        last = graph.add(norm, .batchNorm(channels: outputs, epsilon: 1e-3), to: graph.add(name, .convolution(settings), to: last))
        if activates { last = graph.add("\(norm).relu6", .activation(.relu6), to: last) }
        (channels, size) = (outputs, smaller)
    }

    /// Enlarge, filter each channel, make few channels again; with the input added where shapes allow it.
    mutating func block(_ index: Int, expansion: Int, kernel: Int, stride: Int, to outputs: Int) {
        let prefix = "_blocks.\(index).", start = last, inputs = channels
        if expansion > 1 { convolve(prefix + "_expand_conv", to: inputs * expansion, kernel: 1, stride: 1, norm: prefix + "_bn0") }
        convolve(prefix + "_depthwise_conv", to: channels, kernel: kernel, stride: stride, norm: prefix + "_bn1", isDepthwise: true)
        convolve(prefix + "_project_conv", to: outputs, kernel: 1, stride: 1, norm: prefix + "_bn2", activates: false)
        if stride == 1, inputs == outputs { last = graph.add(prefix + "add", .add, to: [last, start]) }
    }
}
