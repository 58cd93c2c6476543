public import Experiments
public import Foundation
import Torch

/// Runs text through a network and keeps the activations of one hook on disk.
///
/// Collecting goes shard by shard: batches never span two shards, so that a collection resumed after its last complete
/// shard computes the same numbers as an uninterrupted one. In memory are one shard and one batch, however large the store.
public struct ActivationCollector {
    /// The activations of contexts `[contexts][length]` at the hook, [contexts, length, width], with gradients where the
    /// description says so. Runs in inference mode where it does not.
    public typealias Forward = (_ contexts: [[Int32]]) throws -> ActivationBatch

    private let folder: URL
    private let description: StoreDescription
    private let layout: ContextLayout
    private let batchContexts: Int
    private let documents: any TokenizedDocuments
    private let forward: Forward

    /// - Parameters:
    ///   - folder: where the store is to be.
    ///   - description: what it is to hold; it must have contexts.
    ///   - batchContexts: contexts that go through the network together; separate dialogues go through it one by one.
    ///   - documents: the text, from its beginning.
    ///   - forward: the network up to the hook.
    public init(
        to folder: URL, description: StoreDescription, batchContexts: Int, documents: any TokenizedDocuments, forward: @escaping Forward
    ) {
        guard let layout = description.contexts else { preconditionFailure("ActivationCollector: a store of text has contexts") }
        require(batchContexts > 0, "ActivationCollector: batches of \(batchContexts) contexts")
        self.folder = folder
        self.description = description
        self.layout = layout
        self.batchContexts = layout.hasEqualLengths ? batchContexts : 1
        self.documents = documents
        self.forward = forward
    }

    /// Collects until the planned rows are there or the text ends.
    ///
    /// - Parameters:
    ///   - resuming: whether to continue a store that is there.
    ///   - progress: gets the prediction of disk and memory as a message, then the tokens done.
    /// - Throws: ``CollectionError``, ``StoreError``, `RunInterrupted` after a cancellation (complete shards are kept), and
    ///   what documents and network can fail with.
    public func run(
        resuming: Bool = false, progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation()
    ) throws -> ActivationStore {
        let writer = try openWriter(resuming: resuming, progress: progress)
        if writer.isComplete { return try ActivationStore(at: folder) }
        let packer = try ContextPacker(documents, layout: layout, from: writer.next)
        progress.begin(
            "Collecting \(description.hook)", total: description.plannedRows, completed: writer.rowCount, unit: "tokens")
        defer { progress.end() }
        do {
            try fill(writer, from: packer, progress: progress, cancellation: cancellation)
        } catch where writer.rowCount == 0 && !(error is RunInterrupted) {
            // Text that cannot be used leaves nothing behind.
            writer.discard()
            throw error
        }
        guard writer.rowCount > 0 else {
            writer.discard()
            throw CollectionError.textTooShort(tokens: packer.tokenCount, contextLength: layout.length)
        }
        try writer.finish()
        progress.update(writer.rowCount)
        if writer.rowCount < description.plannedRows {
            progress.message(
                "the text ended after \(formatCount(writer.rowCount)) of \(formatCount(description.plannedRows)) activations")
        }
        return try ActivationStore(at: folder)
    }

    /// Appends shards until the planned rows are there or the text ends.
    private func fill(
        _ writer: ActivationStoreWriter, from packer: ContextPacker, progress: any ProgressReporter, cancellation: Cancellation
    ) throws {
        while writer.rowCount < description.plannedRows {
            let contexts = try contexts(from: packer, missing: description.plannedRows - writer.rowCount)
            guard !contexts.isEmpty else { break }
            let activations = try activations(of: contexts) { done in
                try cancellation.check()
                progress.update(writer.rowCount + done)
            }
            try writer.append(
                .init(
                    activations: activations.activations, gradients: activations.gradients, tokens: contexts.map(\.tokens),
                    documents: contexts.map(\.documents), roles: layout.dialogues == nil ? [] : contexts.map(\.roles),
                    next: contexts[contexts.count - 1].next))
        }
    }

    private func openWriter(resuming: Bool, progress: any ProgressReporter) throws -> ActivationStoreWriter {
        // The prediction comes before anything is written.
        let present = resuming ? (try? ActivationStore(at: folder, verification: .sizes, allowsIncomplete: true))?.rowCount ?? 0 : 0
        let plan = CollectionPlan(description, folder: folder, rowsPresent: present, batchContexts: batchContexts)
        try plan.check(folder: folder)
        if plan.rows > 0 { progress.message(plan.summary) }
        return try ActivationStoreWriter(to: folder, description: description, resuming: resuming)
    }

    /// The contexts of the next shard: until no rows are missing, or a context of full length might not fit any more.
    private func contexts(from packer: ContextPacker, missing: Int) throws -> [ContextPacker.Context] {
        var contexts: [ContextPacker.Context] = []
        var rows = 0
        while rows < missing, rows + layout.rowsPerContext <= description.rowsPerShard, let context = try packer.next() {
            contexts.append(context)
            rows += rowCount(of: context)
        }
        return contexts
    }

    private func rowCount(of context: ContextPacker.Context) -> Int { context.tokens.count - layout.firstPosition }

    /// The rows of one shard, float32 [rows, width].
    private func activations(of contexts: [ContextPacker.Context], _ report: (Int) throws -> Void) throws -> ActivationBatch {
        let shape = [contexts.reduce(0) { $0 + rowCount(of: $1) }, description.width]
        let hasGradients = description.gradientType != nil
        let rows = ActivationBatch(Tensor.uninitialized(shape), gradients: hasGradients ? Tensor.uninitialized(shape) : nil)
        var done = 0
        for start in stride(from: 0, to: contexts.count, by: batchContexts) {
            let batch = contexts[start..<min(contexts.count, start + batchContexts)].map(\.tokens)
            let expected = [batch.count, batch[0].count, description.width]
            let found = hasGradients ? try forward(batch) : try inferenceMode { try forward(batch) }
            require(
                found.activations.shape == expected && (found.gradients != nil) == hasGradients,
                "ActivationCollector: the network gave \(found.activations.shape), expected \(expected)"
                    + (hasGradients ? " with gradients" : " without gradients"))
            let perContext = batch[0].count - layout.firstPosition
            let count = batch.count * perContext
            func keep(_ found: Tensor, in rows: Tensor) {
                let kept = found.narrowed(axis: 1, from: layout.firstPosition, count: perContext)
                rows.narrowed(axis: 0, from: done, count: count).copyInPlace(from: kept.reshaped([count, description.width]))
            }
            keep(found.activations, in: rows.activations)
            if let gradients = found.gradients, let target = rows.gradients { keep(gradients, in: target) }
            done += count
            try report(done)
        }
        return rows
    }
}
