public import Foundation

/// An activation store that cannot be read or written, in one sentence.
public struct StoreError: Error, CustomStringConvertible, Equatable {
    /// The store's folder as the caller named it.
    public var folder: String
    public var reason: Reason

    public init(_ folder: URL, _ reason: Reason) {
        self.folder = folder.path(percentEncoded: false)
        self.reason = reason
    }

    public enum Reason: Error, Equatable {
        /// There is no `store.json`.
        case notAStore
        /// `store.json` is not what this program writes.
        case invalidDescription(String)
        /// Collecting has not ended.
        case incomplete(rows: Int, planned: Int)
        /// A shard is missing, truncated or altered.
        case damagedShard(file: String, problem: String)
        /// Numbers that no autoencoder can be trained on.
        case notFinite(file: String, row: Int, place: String)
        /// Numbers beyond the range of the element type.
        case outOfRange(file: String, row: Int, elementType: String)
        /// Another store is in the way.
        case exists
        /// Resuming with other settings than the store was begun with.
        case differs(key: String, found: String, expected: String)
        /// The folder has other contents.
        case notEmpty
        /// A row or context that the store does not have.
        case outOfBounds(what: String, wanted: Int, count: Int)
        /// Gradients are needed and were not collected.
        case noGradients
        /// No rows at all.
        case empty
        /// Fewer rows to train on than a batch takes.
        case tooSmall(rows: Int, batchSize: Int)
        /// Reading or writing failed.
        case access(String)
    }

    public var description: String {
        switch reason {
        case .notAStore:
            "'\(folder)' is no activation store (it has no store.json): give a folder written by 'condense sae collect'"
        case .invalidDescription(let problem):
            "store.json in '\(folder)' cannot be used: \(problem)"
        case .incomplete(let rows, let planned):
            "the activation store '\(folder)' holds \(rows) of \(planned) rows: finish it with 'condense sae collect --resume'"
        case .damagedShard(let file, let problem):
            "the shard \(file) of the activation store '\(folder)' is damaged (\(problem)): collect the store again"
        case .notFinite(let file, let row, let place):
            "row \(row) of the shard \(file) in '\(folder)' (\(place)) holds numbers that are not finite: check the model's weights and the text"
        case .outOfRange(let file, let row, let elementType):
            "row \(row) of the shard \(file) in '\(folder)' does not fit the range of \(elementType): collect with --dtype float32 or bfloat16"
        case .exists:
            "'\(folder)' holds an activation store already: continue it with --resume or choose another folder with --out"
        case .differs(let key, let found, let expected):
            "the store '\(folder)' was begun with \(key) \(found), not \(expected): resume with the same settings or choose another folder with --out"
        case .notEmpty:
            "'\(folder)' has other contents: choose an empty or new folder with --out"
        case .outOfBounds(let what, let wanted, let count):
            "\(what) \(wanted) is not in the activation store '\(folder)', which has \(count)"
        case .noGradients:
            "the activation store '\(folder)' holds no gradients, which this needs: collect it again with 'condense sae collect --gradients'"
        case .empty:
            "the activation store '\(folder)' has no rows: collect it again with more text"
        case .tooSmall(let rows, let batchSize):
            "the activation store '\(folder)' has only \(rows) rows to train on, and a batch takes \(batchSize): collect more, or lower batchSize"
        case .access(let problem):
            "the activation store in '\(folder)' could not be read or written: \(problem)"
        }
    }
}
