import Foundation
import Testing
import Torch

@Suite struct SafetensorsTensorsTests {
    @Test func writingAndReadingTensorsKeepsEveryBit() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "tensors-\(UUID().uuidString).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let generator = RandomGenerator(seed: 3)
        let matrix = Tensor.normal([3, 5], generator: generator)
        let written: [String: Tensor] = [
            "matrix": matrix, "transposed": matrix.transposed(), "half": matrix.to(dtype: .bfloat16),
            "counts": Tensor([1, -2, 3]), "mask": matrix .> 0, "number": Tensor(scalar: 2.5),
        ]
        try SafetensorsWriter.write(written, metadata: ["made by": "a test"], to: path)
        let file = try SafetensorsFile(path: path)
        #expect(file.metadata == ["made by": "a test"])
        let read = try file.tensors()
        #expect(Set(read.keys) == Set(written.keys))
        for (name, tensor) in written {
            #expect(read[name]?.dtype == tensor.dtype, "\(name)")
            #expect(read[name]?.isEqual(to: tensor) == true, "\(name)")
        }
        let error = #expect(throws: FileFormatError.self) { try file.tensor(named: "bias") }
        #expect(error?.description.contains("no tensor 'bias'") == true)
    }
}
