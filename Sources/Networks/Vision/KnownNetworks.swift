internal import Torch
internal import TorchNN

extension NetworkGraph {
    /// The plan of the network that weights belong to, recognised by their names and shapes: EfficientNet-Lite 0 to 2 under the names of the
    /// PyPI package efficientnet-lite-pytorch, ResNet 18 to 101 and VGG-16, with and without batch norms, under torchvision's.
    /// - Parameters:
    ///   - shapes: of all tensors, by name; those that only count batches are passed over.
    ///   - imageSize: height and width of images; the network's own if nil.
    /// - Throws: ``GraphProblem`` for weights of something else, with what is missing.
    public static func recognized(by shapes: [String: [Int]], imageSize: Int? = nil) throws(GraphProblem) -> NetworkGraph {
        let found = shapes.filter { !$0.key.hasSuffix("num_batches_tracked") }
        var nearest: (graph: NetworkGraph, problem: String)?
        for graph in candidates(found, imageSize) {
            guard let problem = graph.mismatch(with: found) else { return graph }
            // Of several sizes the one that has as many tensors is meant.
            if nearest == nil || graph.tensorShapes.count == found.count { nearest = (graph, problem) }
        }
        throw GraphProblem(
            nearest.map { "the weights are nearly those of a network that is known, but \($0.problem)" }
                ?? "the weights are of no network that is known; known are EfficientNet-Lite 0 to 2, ResNet 18 to 101 and VGG-16")
    }

    private static func candidates(_ shapes: [String: [Int]], _ imageSize: Int?) -> [NetworkGraph] {
        if let classes = shapes["_fc.weight"]?.first, shapes["_conv_stem.weight"] != nil, classes > 0 {
            return (0...2).map { .efficientNetLite($0, classes: classes, imageSize: imageSize) }
        }
        if let first = shapes["conv1.weight"], first.count == 4, let classes = shapes["fc.weight"]?.first, shapes["layer1.0.conv1.weight"] != nil,
            first.allSatisfy({ $0 > 0 }), classes > 0
        {
            let size = imageSize ?? 224
            return ResNetSize.allCases.map {
                .resNet($0, input: [first[1], size, size], classes: classes, width: first[0], startsSmall: first[2] == 3)
            }
        }
        if let first = shapes["features.0.weight"], first.count == 4, let hidden = shapes["classifier.0.weight"], hidden.count == 2,
            let classes = shapes["classifier.6.weight"]?.first, first[1] > 0, hidden[0] > 0, classes > 0
        {
            let side = Int(Double(hidden[1] / 512).squareRoot().rounded())
            return side > 0
                ? [.vgg16(input: [first[1], 32 * side, 32 * side], classes: classes, hidden: hidden[0], normalizes: shapes["features.1.weight"] != nil)] : []
        }
        return []
    }

    /// Of all weights and buffers.
    private var tensorShapes: [String: [Int]] {
        Dictionary(
            uniqueKeysWithValues: nodes.filter { $0.weightsOf == nil }.flatMap { node in
                node.operation.parameters.map { ("\(node.name).\($0.name)", $0.shape) }
            })
    }

    /// The first thing that does not fit; nil if all does.
    private func mismatch(with shapes: [String: [Int]]) -> String? {
        let own = tensorShapes
        for (name, shape) in own.sorted(by: { $0.key < $1.key }) where shapes[name] != shape {
            return shapes[name].map { "'\(name)' has shape \($0) instead of \(shape)" } ?? "there is no '\(name)'"
        }
        return shapes.keys.filter { own[$0] == nil }.min().map { "there is '\($0)', too" }
    }
}

extension GraphNetwork {
    /// A known network with the weights of a file, in evaluation mode: safetensors, or what `torch.save` wrote of a state dictionary.
    /// Weights lie over the mapped file; what changes them changes copies of its pages, never the file.
    /// - Parameters:
    ///   - path: of the file.
    ///   - imageSize: height and width of images; the network's own if nil.
    /// - Throws: `FileAccessError`, `FileFormatError`; ``GraphProblem`` for weights of another network.
    public convenience init(weights path: String, imageSize: Int? = nil) throws {
        let state: [String: Tensor]
        if path.hasSuffix(".safetensors") {
            state = try SafetensorsFile(path: path).mappedTensors()
        } else {
            let file = try PyTorchFile(path: path), dictionary = try file.dictionary()
            state = Dictionary(uniqueKeysWithValues: dictionary.names.compactMap { name in dictionary[name]?.tensorEntry.map { (name, $0.mappedTensor()) } })
        }
        let graph = try NetworkGraph.recognized(by: state.mapValues(\.shape), imageSize: imageSize)
        try self.init(graph, state: state.mapValues { $0.dtype.isFloatingPoint ? $0.to(dtype: .float32) : $0 }, generator: RandomGenerator(seed: 0))
        mode = .evaluation
    }
}
