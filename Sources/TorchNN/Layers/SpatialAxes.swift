internal import Torch

/// The number of spatial (or temporal) dimensions of a layer, as a type: `Conv2d` is `Convolution<TwoAxes>`.
public protocol SpatialAxes: Sendable {
    static var count: Int { get }
}

/// Sequences and signals: inputs of shape [batch, channels, length].
public enum OneAxis: SpatialAxes { public static var count: Int { 1 } }
/// Images: inputs of shape [batch, channels, height, width].
public enum TwoAxes: SpatialAxes { public static var count: Int { 2 } }
/// Volumes and videos: inputs of shape [batch, channels, depth, height, width].
public enum ThreeAxes: SpatialAxes { public static var count: Int { 3 } }

/// One number for all spatial dimensions, or one for each: `3` or `[3, 5]`.
public struct PerAxis: Codable, Sendable, Equatable, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral, CustomStringConvertible {
    private var values: [Int]

    public init(_ value: Int) { values = [value] }
    public init(_ values: [Int]) { self.values = values }
    public init(integerLiteral value: Int) { self.init(value) }
    public init(arrayLiteral elements: Int...) { self.init(elements) }

    /// The number of each of `count` dimensions.
    public func expanded(to count: Int, _ name: @autoclosure () -> String) -> [Int] {
        require(values.count == 1 || values.count == count, "\(name()): \(values) does not fit \(count) spatial dimensions.")
        return values.count == count ? values : Array(repeating: values[0], count: count)
    }

    public var description: String { values.count == 1 ? "\(values[0])" : "\(values)" }
}
