package import Torch
package import TorchNN

/// A layer that takes an image's rows from top to bottom, and gives those of its output as soon as nothing that follows can change
/// them. Memory is that of a few rows, and these stay in the processor's caches.
protocol RowStream: AnyObject {
    /// - Parameters:
    ///   - rows: the next ones, shape [batch, channels, rows, width]; nil if there are none.
    ///   - isLast: nothing follows.
    /// - Returns: nil if none is known yet.
    func push(_ rows: Tensor?, isLast: Bool) -> Tensor?
}

/// A layer made of others that can be a stream of rows.
protocol RowStreaming: Layer {
    func rowStream() -> any RowStream
}

extension Sequential {
    /// The network's output without gradients, a strip of rows at a time: that of the whole image, but for the last bits.
    /// - Parameters:
    ///   - input: shape [batch, channels, height, width].
    ///   - height: of the strips of the input.
    package func callAsFunction(_ input: Tensor, inStripsOf height: Int) -> Tensor {
        require(height > 0, "Strips must have rows, found \(height).")
        return withoutGradients {
            let input = input.channelsLast()
            guard input.size(2) > height else { return self(input).contiguous() }
            let stream = rows(of: self), count = input.size(2)
            let strips = stride(from: 0, to: count, by: height).compactMap { start in
                stream.push(input.narrowed(axis: 2, from: start, count: min(height, count - start)), isLast: start + height >= count)
            }
            return Tensor.concatenated(strips, axis: 2).contiguous()
        }
    }
}

func rows(of layer: any Layer) -> any RowStream {
    switch layer {
    case let sequence as Sequential: Chain(sequence.layers.map(rows))
    case let convolution as Conv2d: ConvolvedRows(convolution)
    case let convolution as ConvTranspose2d: EnlargedRows(convolution)
    case let block as any RowStreaming: block.rowStream()
    default: EachRow(layer)
    }
}

/// Streams one after the other.
private final class Chain: RowStream {
    private let streams: [any RowStream]

    init(_ streams: [any RowStream]) { self.streams = streams }

    func push(_ rows: Tensor?, isLast: Bool) -> Tensor? {
        streams.reduce(rows) { $1.push($0, isLast: isLast) }
    }
}

/// A layer whose output at a place depends on the input there alone.
private final class EachRow: RowStream {
    private let layer: any Layer

    init(_ layer: any Layer) { self.layer = layer }
    func push(_ rows: Tensor?, isLast: Bool) -> Tensor? { rows.map { layer($0) } }
}

/// Two streams of the same rows, whose outputs are joined row by row.
final class JoinedRows: RowStream {
    private let first: any RowStream, second: any RowStream
    private let join: (Tensor, Tensor) -> Tensor
    /// Rows of one that wait for the other's.
    private var waiting: (first: Tensor?, second: Tensor?)

    init(_ first: any RowStream, _ second: any RowStream, _ join: @escaping (Tensor, Tensor) -> Tensor) {
        (self.first, self.second, self.join) = (first, second, join)
    }

    func push(_ rows: Tensor?, isLast: Bool) -> Tensor? {
        waiting.first = joined(waiting.first, first.push(rows, isLast: isLast))
        waiting.second = joined(waiting.second, second.push(rows, isLast: isLast))
        guard let one = waiting.first, let other = waiting.second else { return nil }
        let count = min(one.size(2), other.size(2))
        (waiting.first, waiting.second) = (one.droppingRows(count), other.droppingRows(count))
        return join(one.narrowed(axis: 2, from: 0, count: count), other.narrowed(axis: 2, from: 0, count: count))
    }
}

/// The input as it is, for the other side of a sum.
final class PassedRows: RowStream {
    func push(_ rows: Tensor?, isLast: Bool) -> Tensor? { rows }
}

/// Keeps the rows that outputs still need.
private final class ConvolvedRows: RowStream {
    private let convolution: Conv2d
    private let packed: Stride2Convolution?
    private let size: Int, step: Int, border: [Int]
    /// From the first row on that the next output needs.
    private var kept: Tensor?
    /// Rows to come that no output needs.
    private var unneeded = 0
    private var hasBegun = false

    init(_ convolution: Conv2d) {
        guard case .symmetric(let padding) = convolution.padding, convolution.paddingMode == .constant(0), convolution.dilation == [1, 1] else {
            preconditionFailure("Rows of a convolution need zeros around the image and no dilation.")
        }
        self.convolution = convolution
        (size, step) = (convolution.kernelSize[0], convolution.stride[0])
        border = padding.expanded(to: 2, "padding")
        packed = border == [2, 2]
            ? Stride2Convolution(
                weight: convolution.weight, bias: convolution.bias, stride: convolution.stride, dilation: convolution.dilation, transposed: false,
                groups: convolution.groups) : nil
    }

    func push(_ rows: Tensor?, isLast: Bool) -> Tensor? {
        // The zeros above and below the image are made here, and the convolution adds those at its sides.
        let next = hasBegun ? rows : rows?.padded([0, 0, border[0], 0], mode: .constant(0))
        hasBegun = hasBegun || rows != nil
        guard var seen = joined(kept, next) else { return nil }
        if isLast { seen = seen.padded([0, 0, 0, border[0]], mode: .constant(0)) }
        let cut = min(unneeded, seen.size(2))
        unneeded -= cut
        kept = seen.droppingRows(cut)
        guard let seen = kept, seen.size(2) >= size else { return nil }
        let count = (seen.size(2) - size) / step + 1
        kept = seen.droppingRows(count * step)
        unneeded = max(0, count * step - seen.size(2))
        // The first of these outputs sees no zeros above the image, as the second of a whole image does.
        if let packed, seen.size(3) % 2 == 0 { return packed(seen, rows: 1..<1 + count) }
        return seen.narrowed(axis: 2, from: 0, count: (count - 1) * step + size).convolved(
            weight: convolution.weight, bias: convolution.bias, stride: convolution.stride, padding: [0, border[1]], dilation: [1, 1],
            groups: convolution.groups)
    }
}

/// Keeps the sums of rows to which the next strip adds.
private final class EnlargedRows: RowStream {
    private let convolution: ConvTranspose2d
    private let packed: Stride2Convolution?
    private let size: Int, step: Int
    private var unfinished: Tensor?
    /// Rows above the image, which are cut off.
    private var above: Int

    init(_ convolution: ConvTranspose2d) {
        (size, step, above) = (convolution.weight.size(2), convolution.stride[0], convolution.padding[0])
        require(convolution.dilation == [1, 1] && size >= step, "Rows of a transposed convolution need no dilation and no gaps.")
        self.convolution = convolution
        packed = convolution.padding == [2, 2] && convolution.outputPadding == [1, 1]
            ? Stride2Convolution(
                weight: convolution.weight, bias: nil, stride: convolution.stride, dilation: convolution.dilation, transposed: true, groups: convolution.groups) : nil
    }

    func push(_ rows: Tensor?, isLast: Bool) -> Tensor? {
        guard let sums = rows.map(summed) ?? (isLast ? unfinished : nil) else { return nil }
        // The next strip's sums begin `step` rows after those of this one's last row.
        var count = (rows?.size(2) ?? 0) * step
        unfinished = sums.droppingRows(count)
        if isLast { count += size - step - convolution.padding[0] + convolution.outputPadding[0] }
        let missing = max(0, count - sums.size(2))
        let finished = sums.narrowed(axis: 2, from: 0, count: count - missing).padded([0, 0, 0, missing], mode: .constant(0))
        let cut = min(above, count)
        above -= cut
        guard let result = finished.droppingRows(cut) else { return nil }
        return convolution.bias.map { result + $0.reshaped([1, -1, 1, 1]) } ?? result
    }

    private func summed(_ rows: Tensor) -> Tensor {
        // Two rows above those of an image of its own, and one below.
        let sums = packed?(rows, rows: -2..<2 * rows.size(2) + 1) ?? rows.convolved(
            weight: convolution.weight, stride: convolution.stride, padding: [0, convolution.padding[1]], dilation: [1, 1], transposed: true,
            outputPadding: [0, convolution.outputPadding[1]], groups: convolution.groups)
        if let unfinished { sums.narrowed(axis: 2, from: 0, count: unfinished.size(2)).addInPlace(unfinished) }
        return sums
    }
}

/// One strip below the other; nil if there is none.
private func joined(_ above: Tensor?, _ below: Tensor?) -> Tensor? {
    guard let above, above.size(2) > 0 else { return below }
    return below.map { Tensor.concatenated([above, $0], axis: 2) } ?? above
}

extension Tensor {
    /// All rows but the first; nil if there are no more.
    fileprivate func droppingRows(_ count: Int) -> Tensor? {
        count < size(2) ? narrowed(axis: 2, from: count, count: size(2) - count) : nil
    }
}
