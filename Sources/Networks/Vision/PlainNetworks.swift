public import TorchNN

extension NetworkGraph {
    /// Layers of neurons with an activation between them: `0`, `2`, … are the names of the matrices, as in a PyTorch `Sequential`.
    /// - Parameter sizes: of the input, the hidden layers and the output.
    public static func perceptron(_ sizes: [Int], activation: Activation = .relu, dropout: Double = 0) -> NetworkGraph {
        var graph = NetworkGraph(input: [sizes[0]]), last = graph.input, index = 0
        func next() -> String {
            defer { index += 1 }
            return "\(index)"
        }
        for (place, pair) in zip(sizes, sizes.dropFirst()).enumerated() {
            last = graph.add(next(), .linear(inputSize: pair.0, outputSize: pair.1, bias: true), to: last)
            guard place + 2 < sizes.count else { break }
            last = graph.add(next(), .activation(activation), to: last)
            if dropout > 0 { last = graph.add(next(), .dropout(dropout), to: last) }
        }
        return graph
    }

    /// VGG-16 (Simonyan & Zisserman, arXiv:1409.1556) with torchvision's names of weights.
    /// - Parameters:
    ///   - input: channels, height and width, which must be multiples of 32.
    ///   - hidden: width of the two layers before the classes.
    ///   - normalizes: with batch norms after the convolutions.
    public static func vgg16(
        input: [Int] = [3, 224, 224], classes: Int = 1_000, hidden: Int = 4_096, normalizes: Bool = false
    ) -> NetworkGraph {
        var graph = NetworkGraph(input: input), last = graph.input, index = 0, channels = input[0], size = [input[1], input[2]]
        func next() -> String {
            defer { index += 1 }
            return "features.\(index)"
        }
        for stage in [[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]] {
            for outputs in stage {
                last = graph.add(next(), .convolution(.init(channels, outputs, kernel: 3)), to: last)
                if normalizes { last = graph.add(next(), .batchNorm(channels: outputs, epsilon: 1e-5), to: last) }
                last = graph.add(next(), .activation(.relu), to: last)
                channels = outputs
            }
            last = graph.add(next(), .maxPool(.init(2)), to: last)
            size = size.map { $0 / 2 }
        }
        last = graph.add("flatten", .flatten, to: last)
        last = graph.add("classifier.0", .linear(inputSize: channels * size[0] * size[1], outputSize: hidden, bias: true), to: last)
        last = graph.add("classifier.2", .dropout(0.5), to: graph.add("classifier.1", .activation(.relu), to: last))
        last = graph.add("classifier.3", .linear(inputSize: hidden, outputSize: hidden, bias: true), to: last)
        last = graph.add("classifier.5", .dropout(0.5), to: graph.add("classifier.4", .activation(.relu), to: last))
        graph.add("classifier.6", .linear(inputSize: hidden, outputSize: classes, bias: true), to: last)
        return graph
    }

    /// A language model of one or more LSTM layers: ids [length] in, scores of the next id [length, vocabulary] out.
    /// - Parameter length: of the sequences it is planned for.
    public static func lstmLanguageModel(
        vocabulary: Int, embeddingSize: Int, hiddenSize: Int, layers: Int = 1, length: Int, dropout: Double = 0
    ) -> NetworkGraph {
        var graph = NetworkGraph(input: [length])
        var last = graph.add("embedding", .embedding(count: vocabulary, size: embeddingSize), to: graph.input)
        for layer in 0..<layers {
            last = graph.add("lstm.\(layer)", .lstm(inputSize: layer == 0 ? embeddingSize : hiddenSize, hiddenSize: hiddenSize), to: last)
            if dropout > 0 { last = graph.add("dropout.\(layer)", .dropout(dropout), to: last) }
        }
        graph.add("output", .linear(inputSize: hiddenSize, outputSize: vocabulary, bias: true), to: last)
        return graph
    }
}
