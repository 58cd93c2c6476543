public import Torch

/// Some contexts of text with the activations of their rows.
public struct ContextBatch {
    /// [rows, width], float32, the contexts' rows one after another.
    public let activations: Tensor
    /// Token ids, one array per context.
    public let tokens: [[Int32]]
    /// Index of the document of each token, one array per context.
    public let documents: [[Int32]]
    /// What each token is, one array per context; nil without dialogues. Numbers that are no ``TokenRole`` do not appear.
    public let roles: [[TokenRole]]?
    /// Number of the first context within its store.
    public let firstContext: Int
    public let layout: ContextLayout
    /// First row of every context within the batch, and the number of rows at the end.
    public let rowStarts: [Int]

    /// - Parameter roles: raw values of ``TokenRole``; others count as template.
    public init(
        activations: Tensor, tokens: [[Int32]], documents: [[Int32]], roles: [[Int32]]? = nil, firstContext: Int, layout: ContextLayout
    ) {
        rowStarts = tokens.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count - layout.firstPosition) }
        require(
            activations.size(0) == rowStarts[tokens.count] && documents.count == tokens.count && roles?.count ?? tokens.count == tokens.count,
            "ContextBatch of \(tokens.count) contexts with activations \(activations.shape)")
        self.activations = activations
        self.tokens = tokens
        self.documents = documents
        self.roles = roles.map { $0.map { $0.map { TokenRole(rawValue: $0) ?? .template } } }
        self.firstContext = firstContext
        self.layout = layout
    }

    /// Context, counted within the batch, and position of a row of it.
    public func location(ofRow row: Int) -> (context: Int, position: Int) {
        let context = rowStarts.lastIndex(notAbove: row, below: tokens.count)
        return (context, layout.firstPosition + row - rowStarts[context])
    }
}

/// What a shard knows of the text of some contexts, one array per context.
struct ContextTexts {
    var tokens: [[Int32]]
    var documents: [[Int32]]
    /// Raw values of ``TokenRole``; nil without dialogues.
    var roles: [[Int32]]?

    mutating func append(_ other: ContextTexts) {
        tokens += other.tokens
        documents += other.documents
        roles = roles.map { $0 + (other.roles ?? []) }
    }
}

/// Where the contexts of a shard begin.
struct ShardContexts: Sendable {
    private let layout: ContextLayout
    /// First token of every context, and their number at the end; nil where all are equally long.
    private let starts: [Int]?
    private let count: Int
    /// Of all contexts.
    let tokenCount: Int

    /// Equally long contexts.
    init(_ layout: ContextLayout, count: Int) {
        self.layout = layout
        self.count = count
        starts = nil
        tokenCount = count * layout.length
    }

    /// Contexts of given lengths; nil if they do not give so many rows.
    init?(_ layout: ContextLayout, lengths: [Int32], rows: Int) {
        guard lengths.allSatisfy({ $0 > layout.firstPosition && $0 <= layout.length }) else { return nil }
        let starts = lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + Int($1)) }
        guard starts[lengths.count] - lengths.count * layout.firstPosition == rows else { return nil }
        self.layout = layout
        self.starts = starts
        count = lengths.count
        tokenCount = starts[count]
    }

    func tokens(ofContext context: Int) -> Range<Int> {
        if let starts { return starts[context]..<starts[context + 1] }
        return context * layout.length..<(context + 1) * layout.length
    }

    func firstRow(ofContext context: Int) -> Int {
        starts.map { $0[context] - context * layout.firstPosition } ?? context * layout.rowsPerContext
    }

    func context(ofRow row: Int) -> Int {
        (0..<count).partitioningIndex { firstRow(ofContext: $0) > row } - 1
    }
}

extension Range<Int> {
    /// The first number for which a condition holds that holds for all after it, by binary search; the upper bound if there is none.
    func partitioningIndex(where condition: (Int) -> Bool) -> Int {
        var (low, high) = (lowerBound, upperBound)
        while low < high {
            let middle = low + (high - low) / 2
            if condition(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension [Int] {
    /// The last of the first `count` rising numbers that is at most a value which the first does not exceed.
    func lastIndex(notAbove value: Int, below count: Int) -> Int { Swift.max(0, (0..<count).partitioningIndex { self[$0] > value } - 1) }
}
