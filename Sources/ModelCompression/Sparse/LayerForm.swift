public import Experiments
public import Torch

/// How a layer's product is computed.
public enum LayerForm: Codable, Sendable, Hashable {
    /// libtorch's product with all numbers.
    case dense
    /// Ours with those that are not zero.
    case sparse(SparseLinearWeight.Layout)
}

extension LayerForm: CustomStringConvertible {
    public var description: String {
        switch self {
        case .dense: "dense"
        case .sparse(.rows): "rows"
        case .sparse(.bitmask): "bitmask"
        case .sparse(.blocks(let rows, let columns)): "blocks \(rows)×\(columns)"
        }
    }
}

/// What was measured of a layer, and the form that was chosen for it.
public struct LayerChoice: Codable, Sendable, Equatable {
    /// Of the node.
    public var layer: String
    /// The part of its weights that is not zero.
    public var density: Double
    /// Of the input it was measured with, batch included.
    public var inputShape: [Int]
    public var form: LayerForm
    public var times: [FormTime]

    /// Seconds of one pass, the median of several.
    public struct FormTime: Codable, Sendable, Equatable {
        public var form: LayerForm
        public var seconds: Double
    }

    public func seconds(_ form: LayerForm) -> Double { times.first { $0.form == form }?.seconds ?? .nan }
    public var denseSeconds: Double { seconds(.dense) }
    public var chosenSeconds: Double { seconds(form) }

    /// Layers with their times, for a report.
    public static func table(_ choices: [LayerChoice]) -> Table {
        Table(
            columns: [.text("layer"), .number("density"), .text("form"), .number("dense, ms"), .number("chosen, ms"), .number("faster")],
            rows: choices.map {
                [
                    $0.layer, formatNumber($0.density, digits: 3), "\($0.form)", formatNumber($0.denseSeconds * 1e3, digits: 3),
                    formatNumber($0.chosenSeconds * 1e3, digits: 3), formatNumber($0.denseSeconds / $0.chosenSeconds, digits: 3),
                ]
            })
    }
}

extension LayerForm {
    /// A sparse form is taken only where it saves at least this part of the time: less may be the clock's.
    static let leastGain = 0.05
    /// Layers with a larger part of numbers that are not zero are not tried.
    static let largestDensity = 0.7

    /// Forms worth measuring for a weight [outputs, inputs]: those with blocks where zeros come in such blocks.
    static func candidates(for weight: Tensor) -> [LayerForm] {
        let count = Int(weight.nonzeroCount(axes: [0, 1]).item())
        guard weight.dtype == .float32, weight.device == .cpu, Double(count) <= largestDensity * Double(weight.elementCount) else { return [] }
        let blocks = [(8, 8), (4, 4), (1, 16), (1, 8), (4, 1), (1, 4)].first { height, width in
            weight.size(0) >= height && weight.size(1) >= width && weight.countInBlocks(height, width) * 10 <= count * 11
        }
        return [.sparse(.rows), .sparse(.bitmask)] + (blocks.map { [.sparse(.blocks(rows: $0.0, columns: $0.1))] } ?? [])
    }
}
