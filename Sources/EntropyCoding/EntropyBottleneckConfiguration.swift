internal import Torch

/// The shape of an ``EntropyBottleneck``; the defaults are those of all published models.
public struct EntropyBottleneckConfiguration: Codable, Sendable, Equatable {
    /// Widths of the hidden layers of each channel's network.
    public var filters = [3, 3, 3, 3]
    /// Width of the distribution at the beginning: the outer quantiles are ± this.
    public var initialScale = 10.0
    /// Probability of what lies outside of the outer quantiles.
    public var tailMass = 1e-9
    /// No likelihood is smaller.
    public var likelihoodBound = 1e-9

    public init() {}

    func check() {
        require(filters.allSatisfy { $0 > 0 }, "EntropyBottleneck: the filters must be positive, found \(filters).")
        require(
            initialScale > 0 && tailMass > 0 && tailMass < 1 && likelihoodBound > 0,
            "EntropyBottleneck: initial scale \(initialScale), tail mass \(tailMass) and bound \(likelihoodBound) must be positive.")
    }
}
