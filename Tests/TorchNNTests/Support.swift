import CondenseTesting
import Foundation
import Testing
import Torch
import TorchNN

/// The golden file of this name among the fixtures.
func goldens(_ name: String) throws -> Goldens {
    let url = try #require(Bundle.module.url(forResource: name, withExtension: "safetensors", subdirectory: "Fixtures"))
    return try Goldens(url)
}

/// A generator whose numbers do not matter for the test.
func anyGenerator() -> RandomGenerator { RandomGenerator(seed: 1) }

/// Records an issue that says where two tensors differ.
func expectClose(
    _ actual: Tensor, _ expected: Tensor, relative: Double = 1e-5, absolute: Double = 1e-6, _ label: String = "tensor",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let difference = mismatch(actual, expected, relative: relative, absolute: absolute, label)
    #expect(difference == nil, sourceLocation: sourceLocation)
}

/// Gives a module the golden weights of a case and compares forward pass, all gradients, buffers and evaluation.
func expectGolden(
    _ golden: Goldens, _ name: String, _ module: any Module, sourceLocation: SourceLocation = #_sourceLocation,
    _ forward: ([Tensor]) -> Tensor
) throws {
    module.zeroGradients()
    try module.load(golden.group("\(name)/weights/"))
    #expect(forgottenMembers(of: module).isEmpty, "\(name)", sourceLocation: sourceLocation)
    let inputs = try golden.inputs(of: name)
    func compare(_ actual: Tensor?, _ what: String) throws {
        let actual = try #require(actual, "\(name)/\(what)", sourceLocation: sourceLocation)
        // The absolute part is for gradients that are zero but for rounding, such as that of the keys' bias in attention.
        expectClose(
            actual, try golden("\(name)/\(what)"), relative: 1e-5, absolute: 5e-6, "\(name)/\(what)",
            sourceLocation: sourceLocation)
    }
    let output = forward(inputs)
    try compare(output, "output")
    output.backward(gradient: try golden("\(name)/cotangent"))
    for (index, input) in inputs.enumerated() where input.requiresGrad {
        try compare(input.grad, "gradients/input\(index == 0 ? "" : "\(index)")")
    }
    for parameter in module.namedParameters() { try compare(parameter.tensor.grad, "gradients/\(parameter.name)") }
    for buffer in module.namedBuffers() { try compare(buffer.tensor, "buffers/\(buffer.name)") }
    if golden.names.contains("\(name)/evaluation") {
        try compare(module.evaluating { forward(inputs) }, "evaluation")
    }
}

func expectGolden(_ golden: Goldens, _ name: String, _ layer: any Layer, sourceLocation: SourceLocation = #_sourceLocation) throws {
    try expectGolden(golden, name, layer, sourceLocation: sourceLocation) { layer($0[0]) }
}

extension Goldens {
    /// `input`, `input1`, …, recording gradients if they are numbers.
    fileprivate func inputs(of name: String) throws -> [Tensor] {
        let count = names.count { $0.hasPrefix("\(name)/input") }
        return try (0..<count).map { index in
            let input = try self("\(name)/input\(index == 0 ? "" : "\(index)")")
            return input.dtype.isFloatingPoint ? input.requiringGrad() : input
        }
    }
}
