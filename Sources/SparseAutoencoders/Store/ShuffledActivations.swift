internal import Experiments
public import Torch

/// Endless batches of a store's rows in random order, with bounded memory.
///
/// An epoch visits every row once. Blocks of consecutive rows (the contexts, or 128 rows without text or of separate dialogues) are put in random
/// order over the whole store; as many as fit are read into a mixing buffer, whose rows are put in random order again.
/// So a buffer holds contexts from everywhere, and reading stays in pieces of one context.
///
/// The order depends on the seed and the store alone, and the position is one number: after setting ``position`` the same
/// batches follow as the first time. One pass can serve any number of consumers: hand each batch to all of them.
public final class ShuffledActivations: ActivationSource {
    public let store: ActivationStore
    /// The rows that are served, a part of the store's.
    public let rows: Range<Int>
    /// Setting it costs at most one filling of the buffer.
    public var position: ActivationPosition

    private let blockLength: Int
    private let blocksPerBuffer: Int
    private let device: Device
    private var epoch: (seed: UInt64, number: Int, order: BlockOrder)?
    private var buffer: (seed: UInt64, epoch: Int, number: Int, elements: ActivationBatch)?
    /// Whether batches have gradients.
    public let hasGradients: Bool

    /// - Parameters:
    ///   - rows: the part of the store to serve, e.g. all but what is held back for evaluation; everything if nil.
    ///   - bufferRows: rows in the mixing buffer, which takes `bufferRows` · width · 4 bytes, twice that with gradients.
    ///   - withGradients: whether gradients are served too.
    ///   - device: where batches are wanted.
    /// - Throws: ``StoreError`` if there are no such rows, or gradients are wanted and there are none.
    public init(
        _ store: ActivationStore, rows: Range<Int>? = nil, seed: UInt64, bufferRows: Int = 32_768, withGradients: Bool = false,
        device: Device = .cpu
    ) throws {
        if withGradients { try store.requireGradients() }
        let rows = rows ?? 0..<store.rowCount
        guard !rows.isEmpty else { throw StoreError(store.folder, .empty) }
        guard rows.lowerBound >= 0, rows.upperBound <= store.rowCount else {
            throw StoreError(store.folder, .outOfBounds(what: "row", wanted: rows.upperBound - 1, count: store.rowCount))
        }
        self.store = store
        self.rows = rows
        hasGradients = withGradients
        self.device = device
        blockLength = store.description.contexts.flatMap { $0.hasEqualLengths ? $0.rowsPerContext : nil } ?? 128
        blocksPerBuffer = max(1, bufferRows / blockLength)
        position = ActivationPosition(seed: seed)
    }

    /// Rows per epoch.
    public var rowCount: Int { rows.count }
    public var inputSize: Int { store.width }

    /// The next `count` rows as float32 [count, width]; epochs follow each other without a gap.
    ///
    /// - Throws: ``StoreError`` for damaged shards and numbers that are not finite; the position is then unchanged.
    public func next(_ count: Int) throws -> Tensor { try nextBatch(count).activations }

    public func nextBatch(_ count: Int) throws -> ActivationBatch {
        require(count > 0, "next(\(count)): a batch needs rows")
        var pieces: [ActivationBatch] = []
        var served = position.rowsServed
        var missing = count
        while missing > 0 {
            let (elements, offset) = try bufferHolding(served)
            let taken = min(missing, elements.activations.size(0) - offset)
            pieces.append(elements.mapped { $0.narrowed(axis: 0, from: offset, count: taken) })
            served += taken
            missing -= taken
        }
        position.rowsServed = served
        // A copy, so that a batch does not keep a whole buffer alive.
        let batch = pieces.count == 1 ? pieces[0].mapped { $0.cloned() } : ActivationBatch.concatenated(pieces)
        return batch.mapped { $0.to(device: device) }
    }

    /// The shuffled rows of the buffer that holds row number `served` of the sequence, and where in it that row is.
    private func bufferHolding(_ served: Int) throws -> (elements: ActivationBatch, offset: Int) {
        let epochNumber = served / rows.count
        let order = blockOrder(epoch: epochNumber)
        let (number, offset) = order.buffer(holding: served % rows.count)
        if let buffer, buffer.seed == position.seed, buffer.epoch == epochNumber, buffer.number == number {
            return (buffer.elements, offset)
        }
        buffer = nil
        let inOrder = ActivationBatch.concatenated(
            try order.blocks(inBuffer: number).map { block in
                let rows = blockRows(block)
                return hasGradients ? try store.rowsWithGradients(rows) : ActivationBatch(try store.rows(rows))
            })
        var generator = SplitMix64(seed: position.seed, stream: epochNumber, number)
        let permutation = Tensor(generator.permutation(inOrder.activations.size(0)))
        let elements = inOrder.mapped { $0.gathered(indices: permutation) }
        buffer = (position.seed, epochNumber, number, elements)
        return (elements, offset)
    }

    private func blockOrder(epoch number: Int) -> BlockOrder {
        if let epoch, epoch.seed == position.seed, epoch.number == number { return epoch.order }
        var generator = SplitMix64(seed: position.seed, stream: number)
        let order = BlockOrder(rows: rows.count, blockLength: blockLength, blocksPerBuffer: blocksPerBuffer, generator: &generator)
        epoch = (position.seed, number, order)
        return order
    }

    private func blockRows(_ block: Int) -> Range<Int> {
        let start = rows.lowerBound + block * blockLength
        return start..<min(rows.upperBound, start + blockLength)
    }
}

/// The blocks of an epoch in their order, cut into buffers.
private struct BlockOrder {
    private let blocks: [Int]
    private let blocksPerBuffer: Int
    private let rowsPerBuffer: Int
    /// The buffer with the last block of the rows, and how many rows that block lacks.
    private let shortBuffer: Int
    private let missingRows: Int

    init(rows: Int, blockLength: Int, blocksPerBuffer: Int, generator: inout SplitMix64) {
        let count = (rows + blockLength - 1) / blockLength
        blocks = generator.permutation(count)
        self.blocksPerBuffer = blocksPerBuffer
        rowsPerBuffer = blocksPerBuffer * blockLength
        missingRows = count * blockLength - rows
        shortBuffer = blocks.firstIndex(of: count - 1)! / blocksPerBuffer
    }

    func blocks(inBuffer number: Int) -> ArraySlice<Int> {
        blocks[number * blocksPerBuffer..<min(blocks.count, (number + 1) * blocksPerBuffer)]
    }

    /// The buffer that holds a row of the epoch's sequence, and where in it that row is.
    func buffer(holding row: Int) -> (number: Int, offset: Int) {
        let endOfShort = (shortBuffer + 1) * rowsPerBuffer - missingRows
        let shift = row < endOfShort ? 0 : missingRows
        return ((row + shift) / rowsPerBuffer, (row + shift) % rowsPerBuffer)
    }
}
