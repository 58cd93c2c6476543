internal import TorchNN

/// Sizes of residual networks of He et al. (arXiv:1512.03385).
public enum ResNetSize: Int, Codable, Sendable, CaseIterable {
    case resNet18 = 18, resNet34 = 34, resNet50 = 50, resNet101 = 101

    /// Blocks of each stage, and whether they narrow to a quarter inside.
    var stages: (blocks: [Int], isBottleneck: Bool) {
        switch self {
        case .resNet18: ([2, 2, 2, 2], false)
        case .resNet34: ([3, 4, 6, 3], false)
        case .resNet50: ([3, 4, 6, 3], true)
        case .resNet101: ([3, 4, 23, 3], true)
        }
    }
}

extension NetworkGraph {
    /// A residual network for images, with torchvision's names of weights.
    /// - Parameters:
    ///   - input: channels, height and width.
    ///   - width: channels of the first stage.
    ///   - startsSmall: for images of 64 pixels and less: begin with a 3 × 3 convolution at full size instead of 7 × 7 and pooling.
    public static func resNet(
        _ size: ResNetSize, input: [Int] = [3, 224, 224], classes: Int = 1_000, width: Int = 64, startsSmall: Bool = false
    ) -> NetworkGraph {
        var builder = ResNetBuilder(input: input)
        builder.convolve("conv1", to: width, kernel: startsSmall ? 3 : 7, stride: startsSmall ? 1 : 2, norm: "bn1", activation: "relu")
        if !startsSmall { builder.last = builder.graph.add("maxpool", .maxPool(.init(3, stride: 2, padding: 1)), to: builder.last) }
        let (blocks, isBottleneck) = size.stages
        for (stage, count) in blocks.enumerated() {
            for block in 0..<count {
                builder.block("layer\(stage + 1).\(block)", inner: width << stage, stride: stage > 0 && block == 0 ? 2 : 1, isBottleneck: isBottleneck)
            }
        }
        var graph = builder.graph
        let vector = graph.add("flatten", .flatten, to: graph.add("avgpool", .globalAveragePool, to: builder.last))
        graph.add("fc", .linear(inputSize: builder.channels, outputSize: classes, bias: true), to: vector)
        return graph
    }
}

private struct ResNetBuilder {
    var graph: NetworkGraph
    var last: Int
    private(set) var channels: Int

    init(input: [Int]) {
        graph = NetworkGraph(input: input)
        (last, channels) = (graph.input, input[0])
    }

    mutating func convolve(_ name: String, to outputs: Int, kernel: Int, stride: Int, norm: String, activation: String?) {
        let settings = GraphOperation.Convolution(channels, outputs, kernel: kernel, stride: stride, bias: false)
        last = graph.add(norm, .batchNorm(channels: outputs, epsilon: 1e-5), to: graph.add(name, .convolution(settings), to: last))
        if let activation { last = graph.add(activation, .activation(.relu), to: last) }
        channels = outputs
    }

    mutating func block(_ name: String, inner: Int, stride: Int, isBottleneck: Bool) {
        let start = last, inputs = channels, outputs = isBottleneck ? 4 * inner : inner
        if isBottleneck {
            convolve("\(name).conv1", to: inner, kernel: 1, stride: 1, norm: "\(name).bn1", activation: "\(name).relu1")
            convolve("\(name).conv2", to: inner, kernel: 3, stride: stride, norm: "\(name).bn2", activation: "\(name).relu2")
            convolve("\(name).conv3", to: outputs, kernel: 1, stride: 1, norm: "\(name).bn3", activation: nil)
        } else {
            convolve("\(name).conv1", to: inner, kernel: 3, stride: stride, norm: "\(name).bn1", activation: "\(name).relu1")
            convolve("\(name).conv2", to: inner, kernel: 3, stride: 1, norm: "\(name).bn2", activation: nil)
        }
        let branch = last
        last = start
        if stride != 1 || inputs != outputs {
            channels = inputs
            convolve("\(name).downsample.0", to: outputs, kernel: 1, stride: stride, norm: "\(name).downsample.1", activation: nil)
        }
        last = graph.add("\(name).relu", .activation(.relu), to: graph.add("\(name).add", .add, to: [branch, last]))
        channels = outputs
    }
}
