import Foundation
public import Torch

/// Compares the gradients that autograd computes with central differences, in double precision.
///
/// ```swift
/// let x = Tensor.normal([3, 4], dtype: .float64, generator: generator)
/// #expect(gradientMismatch(at: [x] + layer.parameters()) { layer(x) } == nil)
/// ```
/// - Parameters:
///   - leaves: contiguous float64 tensors on the CPU, which `function` reads. Every element is moved and put back.
///   - step: how far each element is moved to both sides.
///   - tolerance: accepted difference, relative to the gradient's size and absolute near 0.
///   - function: deterministic; its result may have any shape.
/// - Returns: nil if all gradients agree.
public func gradientMismatch(
    at leaves: [Tensor], step: Double = 1e-6, tolerance: Double = 1e-6, of function: () -> Tensor
) -> Mismatch? {
    for (index, leaf) in leaves.enumerated() {
        require(leaf.dtype == .float64 && leaf.isContiguous, "gradientMismatch: leaf \(index) must be contiguous float64.")
        leaf.requiresGrad = true
    }
    let output = function()
    // Different weights for the elements of the result, so that no error cancels in their sum.
    let weights = Tensor((0..<output.elementCount).map { cos(Double($0) + 1) }, shape: output.shape)
    let computed = gradients(of: (output * weights).sum(), withRespectTo: leaves, allowUnused: true)
    func value() -> Double { withoutGradients { (function() * weights).sum().item() } }
    for (index, (leaf, gradient)) in zip(leaves, computed).enumerated() {
        var estimate: [Double] = []
        for element in 0..<leaf.elementCount {
            let original = leaf.element(element)
            leaf.setElement(element, original + step)
            let above = value()
            leaf.setElement(element, original - step)
            let below = value()
            leaf.setElement(element, original)
            estimate.append((above - below) / (2 * step))
        }
        let difference = mismatch(
            gradient, Tensor(estimate, shape: leaf.shape), relative: tolerance, absolute: tolerance, "gradient of leaf \(index)")
        if let difference { return difference }
    }
    return nil
}

extension Tensor {
    fileprivate func element(_ index: Int) -> Double { withMutableBytes { $0.bindMemory(to: Double.self)[index] } }

    fileprivate func setElement(_ index: Int, _ value: Double) {
        withMutableBytes { $0.bindMemory(to: Double.self)[index] = value }
    }
}
