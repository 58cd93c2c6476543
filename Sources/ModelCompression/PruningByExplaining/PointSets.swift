internal import Experiments
internal import Foundation
internal import Torch

/// Sets of points in the plane whose classes no line divides, as the paper's authors draw them.
package enum PointSet: String, CaseIterable, Sendable {
    case moons, circles, spiral

    package var classes: Int { self == .spiral ? 4 : 2 }

    /// Points of all classes, one class after the other.
    package func examples(perClass count: Int, seed: UInt64) -> Examples {
        let random = RandomGenerator(seed: seed)
        func noise(_ scale: Double) -> Tensor { Tensor.normal([count, 2], generator: random) * scale }
        let even = Tensor((0..<count).map { Float($0) / Float(max(1, count - 1)) })
        let parts = (0..<classes).map { label -> Tensor in
            switch self {
            case .moons:
                let angle = even * Double.pi
                let points = label == 0 ? [angle.cos(), angle.sin()] : [1 - angle.cos(), 0.5 - angle.sin()]
                return Tensor.stacked(points, axis: 1) + noise(0.1)
            case .circles:
                let angle = even * (2 * Double.pi), radius = label == 0 ? 1 : 0.3
                return Tensor.stacked([angle.cos(), angle.sin()], axis: 1) * radius + noise(0.1)
            case .spiral:
                let angle = even * 4 + Double(4 * label) + Tensor.normal([count], generator: random) * 0.2
                return Tensor.stacked([even * angle.sin(), even * angle.cos()], axis: 1)
            }
        }
        return Examples(inputs: Tensor.concatenated(parts), targets: Tensor((0..<classes).flatMap { Array(repeating: $0, count: count) }))
    }
}
