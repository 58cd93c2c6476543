import Experiments
import Foundation
import ModelCompression
import Networks
import Testing
import Torch
import TorchNN

@Suite struct InspectionTests {
    @Test func layersOfAResidualNetwork() throws {
        let network = try GraphNetwork(.resNet(.resNet18, input: [3, 32, 32], classes: 4, width: 8, startsSmall: true), generator: RandomGenerator(seed: 2))
        network.masks["layer1.0.conv1.weight"] = SparsityPattern.unstructured.mask(of: network.stateDictionary["layer1.0.conv1.weight"]!, sparsity: 0.75)
        let inspection = try NetworkInspection(of: network, measuredWith: network.exampleInput(batch: 2), repetitions: 2)
        #expect(inspection.weights == network.weightCounts.all && inspection.weights - inspection.zeros == network.weightCounts.nonzero)
        #expect(try inspection.multiplyAdds == network.graph.multiplyAdds().reduce(0, +) && inspection.batch == 2 && (inspection.seconds ?? 0) > 0)
        func layer(_ name: String) throws -> NetworkInspection.Layer { try #require(inspection.layers.first { $0.name == name }) }
        let inner = try layer("layer1.0.conv1")
        #expect(inner.operation == "convolution 3 × 3" && inner.outputShape == [8, 32, 32] && inner.weights == 576 && inner.zeros == 432)
        #expect(inner.channels?.count == 8 && inner.channels?.coupledWith == [] && inner.multiplyAdds == 576 * 1_024)
        // The stream of the first stage has three writers.
        #expect(try layer("conv1").channels?.coupledWith == ["layer1.0.conv2", "layer1.1.conv2"])
        #expect(try layer("fc").obstacle == "it is the network's output" && layer("fc").channels == nil)
        #expect(inspection.layers.allSatisfy { ($0.seconds ?? -1) >= 0 })
        let table = inspection.table
        #expect(table.columns.last?.title == "ms" && table.rows.last?[0].hasSuffix("others") == true && table.rows.allSatisfy { $0.count == 8 })
        #expect(table.rows.contains { $0[0] == "conv1" && $0[6] == "8, with layer1.0.conv2 and 1 more" })
    }

    @Test func networksAreOpenedByName() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "inspect-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let network = try GraphNetwork(.resNet(.resNet18, classes: 4, width: 8), generator: RandomGenerator(seed: 2)), weights = folder.appending(path: "resnet.safetensors").path
        try SafetensorsWriter.write(network.stateDictionary, to: weights)
        #expect(try GraphNetwork.open(weights).graph == network.graph)
        #expect(try GraphNetwork.open(weights, imageSize: 64).graph.shapes()[0] == [3, 64, 64])
        try network.export(to: folder.appending(path: "export").path)
        #expect(try GraphNetwork.open(folder.appending(path: "export").path).graph == network.graph)
        for name in ["nothing-there", "prose"] {
            let error = #expect(throws: FileAccessError.self) { _ = try GraphNetwork.open(name) }
            #expect(try #require(error).description.contains("there is no such file, exported network or fetched vision model"))
        }
        let empty = folder.appending(path: "empty").path
        try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
        #expect(throws: FileAccessError.self) { _ = try GraphNetwork.open(empty) }
    }
}
