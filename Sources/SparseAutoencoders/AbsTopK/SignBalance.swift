public import Torch

/// How often each feature of a dictionary with signed codes is positive and negative.
public struct SignBalance: Sendable {
    /// Rows in which each feature is positive, and negative.
    public private(set) var positive: [Int]
    public private(set) var negative: [Int]

    /// - Parameter inputs: shape [N, D].
    public init(of dictionary: any ActivationDictionary, on inputs: Tensor, batchSize: Int = 2_048) {
        var counts: (positive: Tensor, negative: Tensor)?
        for batch in inputs.split(size: batchSize) {
            let code = withoutGradients { dictionary.encode(batch) }
            let positive = code.firingCounts(where: { $0 .> 0 }), negative = code.firingCounts(where: { $0 .< 0 })
            counts = counts.map { ($0.positive + positive, $0.negative + negative) } ?? (positive, negative)
        }
        positive = counts?.positive.scalars(as: Int.self) ?? []
        negative = counts?.negative.scalars(as: Int.self) ?? []
    }

    /// The part of each live feature's firings that have its rarer sign, 0…0.5; features that never fire are left out.
    public var minorityShares: [Double] {
        zip(positive, negative).compactMap { $0 + $1 > 0 ? Double(min($0, $1)) / Double($0 + $1) : nil }
    }

    /// The part of live features that fire with each sign in more than `minimum` of their firings.
    public func bidirectionalShare(minimum: Double = 0.05) -> Double {
        let shares = minorityShares
        return shares.isEmpty ? 0 : Double(shares.count { $0 > minimum }) / Double(shares.count)
    }
}
