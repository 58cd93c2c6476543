import CondenseTesting
import Datasets
import Foundation
import Networks
import Testing
import Torch
import TorchNN

@Suite struct KnownNetworkTests {
    /// The published weights, in the format before PyTorch 1.6, give the scores that the published code gives.
    @Test func pretrainedEfficientNetScoresAsPublished() throws {
        let golden = try #require(Bundle.module.url(forResource: "efficientnet-lite0", withExtension: "safetensors", subdirectory: "Fixtures"))
        let network = try GraphNetwork(weights: DataStore().fetch("efficientnet-lite0").mainFile.path)
        #expect(network.mode == .evaluation && network.graph == .efficientNetLite(0))
        let (rows, columns) = (Tensor((0..<224).map(Float.init)).unsqueezed(1), Tensor((0..<224).map(Float.init)).unsqueezed(0))
        let picture = Tensor.stacked((0..<3).map { (columns * (0.05 * Double($0 + 1)) + rows * 0.03).sin() }).unsqueezed(0)
        let scores = withoutGradients { network(picture) }, expected = try Goldens(golden)("scores")
        #expect(mismatch(scores, expected, relative: 1e-3, absolute: 1e-3) == nil)
        #expect(scores.argmax(axis: 1).item() == expected.argmax(axis: 1).item())
    }

    static let graphs: [NetworkGraph] = [
        .resNet(.resNet34, classes: 7, width: 8), .resNet(.resNet50, input: [1, 224, 224], classes: 3, width: 8, startsSmall: true),
        .efficientNetLite(2, classes: 4), .vgg16(input: [3, 64, 64], classes: 5, hidden: 12), .vgg16(input: [1, 32, 32], classes: 5, hidden: 9, normalizes: true),
    ]

    private func shapes(_ graph: NetworkGraph) throws -> [String: [Int]] {
        try GraphNetwork(graph, generator: RandomGenerator(seed: 1)).stateDictionary.mapValues(\.shape)
    }

    @Test(arguments: graphs.indices) func networksAreRecognisedByTheirWeights(_ index: Int) throws {
        var shapes = try shapes(Self.graphs[index])
        shapes["bn1.num_batches_tracked"] = []
        #expect(try NetworkGraph.recognized(by: shapes) == Self.graphs[index])
    }

    @Test func whatIsMissingIsSaid() throws {
        var shapes = try shapes(.resNet(.resNet18, classes: 7, width: 8))
        shapes["layer4.1.bn2.running_var"] = nil
        #expect(throws: GraphProblem("the weights are nearly those of a network that is known, but there is no 'layer4.1.bn2.running_var'")) { try NetworkGraph.recognized(by: shapes) }
        shapes["layer4.1.bn2.running_var"] = [64]
        shapes["head.weight"] = [3]
        #expect(throws: GraphProblem("the weights are nearly those of a network that is known, but there is 'head.weight', too")) { try NetworkGraph.recognized(by: shapes) }
        let problem = #expect(throws: GraphProblem.self) { try NetworkGraph.recognized(by: ["encoder.weight": [3, 4]]) }
        #expect(try #require(problem).description.contains("are of no network that is known; known are EfficientNet-Lite 0 to 2"))
    }
}
