import Foundation
public import Torch

/// How a tensor differs from what was expected.
///
/// ```swift
/// #expect(mismatch(layer(input), golden, relative: 1e-5) == nil)
/// ```
/// prints the sentence below when the test fails.
public struct Mismatch: Equatable, CustomStringConvertible, Sendable {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Compares two tensors element by element: `|actual − expected| ≤ absolute + relative · |expected|`.
/// NaN agrees with NaN, an infinity with itself.
/// - Parameter label: named in the message.
/// - Returns: nil if all elements agree, otherwise where and by how much they do not.
public func mismatch(
    _ actual: Tensor, _ expected: Tensor, relative: Double = 1e-5, absolute: Double = 1e-6, _ label: String = "tensor"
) -> Mismatch? {
    if actual.shape != expected.shape { return Mismatch("\(label): shape \(actual.shape), expected \(expected.shape)") }
    let found = actual.scalars(as: Double.self), wanted = expected.scalars(as: Double.self)
    var wrong = 0, worst = 0, relativeWorst = 0
    var worstError = -1.0, worstRatio = -1.0
    for index in found.indices {
        let (a, b) = (found[index], wanted[index])
        if a == b || a.isNaN && b.isNaN { continue }
        let error = (a - b).isFinite ? abs(a - b) : .infinity, ratio = error / max(abs(b), .leastNormalMagnitude)
        if error.isInfinite || error > absolute + relative * abs(b) { wrong += 1 }
        if error > worstError { (worst, worstError) = (index, error) }
        if ratio > worstRatio { (relativeWorst, worstRatio) = (index, ratio) }
    }
    if wrong == 0 { return nil }
    func show(_ index: Int) -> String { "\(position(index, in: actual.shape)) (\(found[index]), expected \(wanted[index]))" }
    return Mismatch(
        "\(label): \(wrong) of \(found.count) elements differ by more than \(absolute) + \(relative)·|expected|; greatest error "
            + "\(String(format: "%.3g", worstError)) at \(show(worst)), greatest relative error "
            + "\(String(format: "%.3g", worstRatio)) at \(show(relativeWorst))")
}

/// The indices, one per dimension, of an element counted in row-major order.
private func position(_ index: Int, in shape: [Int]) -> [Int] {
    var rest = index
    return shape.reversed().map { size in
        defer { rest /= size }
        return rest % size
    }.reversed()
}
