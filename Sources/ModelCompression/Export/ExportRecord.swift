public import Networks

/// What an export of a network is made for.
public enum ExportMode: Sendable, Equatable {
    /// Weights as they are, with zeros for what is masked: what reads the state dictionary reads it.
    case fold
    /// The same of a network that was cut, with what was kept of each axis.
    case cut([CutAxis])
    /// Each weight in the format that takes the fewest bytes.
    case packed

    /// As in files and on command lines.
    public var name: String {
        switch self {
        case .fold: "fold"
        case .cut: "cut"
        case .packed: "packed"
        }
    }
}

/// What stayed of an axis of a weight when channels were cut.
public struct CutAxis: Codable, Sendable, Equatable {
    /// In the state dictionary.
    public var parameter: String
    public var axis: Int
    /// Places before the cut.
    public var size: Int
    /// Those that stayed, rising.
    public var kept: [Int]
}

extension ChannelCouplings {
    /// What stays of each axis without some units; axes that lose nothing are left out.
    public func cutAxes(without units: Set<Int>) -> [CutAxis] {
        axes.compactMap { axis in
            let kept = axis.units.indices.filter { !units.contains(axis.units[$0]) }
            return kept.count == axis.units.count ? nil : CutAxis(parameter: axis.parameter, axis: axis.axis, size: axis.units.count, kept: kept)
        }
    }
}

/// What the maker of an export tells about it.
public struct ExportDetails: Sendable, Equatable {
    /// How the network was made smaller, e.g. `gradual magnitude pruning`.
    public var method: String?
    /// Settings of the method by name.
    public var settings: [String: String] = [:]
    /// What was measured before and after.
    public var metrics: [ExportRecord.Metric] = []
    public var seed: UInt64?
    /// Of the data it was calibrated or tuned with.
    public var dataHash: String?
    /// Authors and licence of the network that it was made from, for the README.
    public var attribution: String?
    /// Bytes of the weights before; those of this network with its zeros if nil.
    public var sourceBytes: Int?

    public init(method: String? = nil) { self.method = method }
}

/// The report of an export, `condense.json`.
public struct ExportRecord: Codable, Sendable, Equatable {
    /// One weight or buffer.
    public struct Entry: Codable, Sendable, Equatable {
        /// In the state dictionary.
        public var name: String
        /// `dense`, `bitmask`, `rows`, `blocks 4×1`, `2 of 4`.
        public var kind: String
        public var shape: [Int]
        public var nonzeroCount: Int
        /// With all zeros, and as stored; headers and what follows from the rest are not counted.
        public var sourceBytes: Int, bytes: Int
    }

    public struct Metric: Codable, Sendable, Equatable {
        public var name: String
        public var before: Double?, after: Double

        public init(_ name: String, before: Double? = nil, after: Double) { (self.name, self.before, self.after) = (name, before, after) }
    }

    /// Of this file.
    public var formatVersion = 1
    /// Of ``ExportMode``.
    public var mode: String
    public var method: String?
    public var settings: [String: String]
    public var metrics: [Metric]
    public var seed: UInt64?
    public var dataHash: String?
    public var layers: [Entry]
    public var cuts: [CutAxis]
    /// Bytes of all weights before and after.
    public var sourceBytes: Int, bytes: Int
    /// Of `model.safetensors`.
    public var fileBytes: Int
    /// The largest difference of the network that was read back, on the inputs of `parity.safetensors`.
    public var parityError: Double
}
