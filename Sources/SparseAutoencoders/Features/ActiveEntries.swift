import Torch

/// The entries of a code that are not 0, row by row: what feature statistics need, without [rows, F] numbers in Swift.
struct ActiveEntries {
    /// Row, feature and activation of each entry, rows in order.
    let rows: [Int32]
    let features: [Int32]
    let values: [Float]

    init(_ code: FeatureCode) {
        let values: Tensor
        let features: Tensor
        let rows: Tensor
        switch code {
        case .sparse(let code):
            let active = code.values.detached().notEquals(0)
            values = code.values.detached().selected(where: active)
            features = code.indices.selected(where: active)
            rows = code.entryRows.selected(where: active)
        case .dense(let activations):
            let places = activations.detached().nonzeroIndices()
            rows = places[.all, 0]
            features = places[.all, 1]
            values = activations.detached().selected(where: activations.notEquals(0))
        }
        self.rows = rows.scalars(as: Int32.self)
        self.features = features.scalars(as: Int32.self)
        self.values = values.scalars(as: Float.self)
    }
}

/// Runs through contexts in batches whose codes stay small.
///
/// - Parameters:
///   - source: contexts of a store.
///   - dictionary: what encodes them.
///   - body: gets the batch, and its active entries with rows counted from the batch's first.
func forEachEncodedBatch(
    of source: FeatureSource, with dictionary: any ActivationDictionary,
    _ body: (_ batch: ContextBatch, _ entries: ActiveEntries) throws -> Void
) throws {
    // A dense code of a batch takes at most 128 MB.
    let rows = max(1, 33_554_432 / dictionary.dictionarySize)
    let contexts = max(1, min(64, rows / source.layout.rowsPerContext))
    var next = source.contexts.lowerBound
    while next < source.contexts.upperBound {
        let end = min(source.contexts.upperBound, next + contexts)
        let batch = try source.store.contexts(next..<end)
        let entries = withoutGradients { ActiveEntries(dictionary.encode(batch.activations)) }
        try body(batch, entries)
        next = end
    }
}

/// Which text features are looked at on: contexts of a store.
public struct FeatureSource: Sendable {
    public let store: ActivationStore
    public let contexts: Range<Int>
    let layout: ContextLayout
    /// Rows looked at.
    public let rowCount: Int

    /// - Parameter contexts: a part of the store's contexts; all if nil.
    /// - Throws: ``StoreError`` if the store's rows do not come from text or there are no such contexts.
    public init(_ store: ActivationStore, contexts: Range<Int>? = nil) throws {
        guard let layout = store.description.contexts else {
            throw StoreError(store.folder, .invalidDescription("its rows do not come from text, so features cannot be shown in context"))
        }
        let contexts = contexts ?? 0..<store.contextCount
        guard !contexts.isEmpty, contexts.lowerBound >= 0, contexts.upperBound <= store.contextCount else {
            throw StoreError(store.folder, .outOfBounds(what: "context", wanted: contexts.upperBound - 1, count: store.contextCount))
        }
        self.store = store
        self.contexts = contexts
        self.layout = layout
        rowCount = try store.rows(ofContexts: contexts).count
    }

    /// The rows of some contexts of the store.
    func rows(ofContexts range: Range<Int>, withGradients: Bool) throws -> ActivationBatch {
        let rows = try store.rows(ofContexts: range)
        return withGradients ? try store.rowsWithGradients(rows) : ActivationBatch(try store.rows(rows))
    }
}
