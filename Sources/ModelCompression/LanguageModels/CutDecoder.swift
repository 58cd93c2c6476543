internal import Datasets
internal import Foundation
public import Experiments
public import Networks
internal import Torch

/// What a language model loses.
public struct DecoderCutConfiguration: Codable, Sendable, Equatable {
    /// Part of each block's key/value heads, with the query heads they serve.
    public var heads = 0.0
    /// Part of each block's neurons of the feed-forward part.
    public var neurons = 0.0
    /// How many blocks.
    public var blocks = 0
    public var criterion = DecoderCriterion.taylor
    /// Text to choose by and to measure on, as ``TextSource`` reads it.
    public var data: String?
    /// Texts to choose by, and as many others to measure on.
    public var texts = 16
    /// Tokens of each.
    public var length = 256

    public init() {}

    public func validate() throws(ConfigurationError) {
        for (key, part) in [("heads", heads), ("neurons", neurons)] {
            try ConfigurationError.require(part >= 0 && part < 1, key, "must be at least 0 and less than 1", found: part)
        }
        try ConfigurationError.require(blocks >= 0, "blocks", "must not be negative", found: blocks)
        try ConfigurationError.require(texts > 0, "texts", "must be positive", found: texts)
        try ConfigurationError.require(length > 1, "length", "must be at least 2", found: length)
        guard heads > 0 || neurons > 0 || blocks > 0 else { throw ConfigurationError(problem: "nothing is to go; give a part of the heads or neurons, or blocks") }
        guard data != nil || (criterion == .weight && blocks == 0) else {
            throw ConfigurationError(
                key: "data", problem: "must name a text, by which heads, neurons and blocks are chosen; without one neurons and heads can go by weight")
        }
    }
}

/// A language model before and after a cut.
public struct DecoderCutOutcome: Codable, Sendable {
    public struct Measurement: Codable, Sendable {
        public var blocks: Int, queryHeads: Int, keyValueHeads: Int, neurons: Int
        public var weights: Int
        /// Mean cross-entropy of a token in nats, on text that nothing was chosen by; nil without text.
        public var loss: Double?
        /// Median of a pass of one text.
        public var seconds: Double
    }

    public var before: Measurement, after: Measurement
    public var cut: LanguageModelCut
    /// Whether the folder has a tokenizer; where it has none, the first model's still fits.
    public var hasTokenizer: Bool

    public var table: Table {
        func row(_ name: String, _ value: (Measurement) -> String?) -> [String]? {
            guard let first = value(before), let last = value(after) else { return nil }
            return [name, first, last]
        }
        let rows = [
            row("Blocks") { "\($0.blocks)" }, row("Query heads of a block") { "\($0.queryHeads)" }, row("Key/value heads of a block") { "\($0.keyValueHeads)" },
            row("Neurons of a block") { formatCount($0.neurons) }, row("Weights") { formatCount($0.weights) },
            row("Time for one text") { "\(formatNumber($0.seconds * 1e3, digits: 3)) ms" }, row("Loss of a token, nats") { $0.loss.map { formatNumber($0, digits: 4) } },
            row("Perplexity") { $0.loss.map { formatNumber(exp($0), digits: 4) } },
        ]
        return Table(columns: [.text(""), .number("before"), .number("after")], rows: rows.compactMap { $0 })
    }
}

/// Cuts a language model and writes it as a folder in the Hugging Face layout, tokenizer included where there are files of one.
/// - Parameters:
///   - path: of the model, as `LanguageModel.load` takes it.
///   - folder: which must not exist, or be empty.
/// - Throws: `ConfigurationError`, `GraphProblem`, `DataError`, `FileAccessError`, errors of loading.
public func cutDecoder(
    _ path: String, _ configuration: DecoderCutConfiguration, to folder: String, progress: any ProgressReporter = SilentProgress(),
    cancellation: Cancellation = Cancellation()
) throws -> DecoderCutOutcome {
    try configuration.validate()
    try requireNewFolder(folder)
    let model = try LanguageModel.load(path)
    let texts = try configuration.data.map { try tokens(of: $0, Tokenizer.load(path), configuration) }
    progress.message("Measuring which parts matter, by \(configuration.criterion.rawValue)")
    let cut = try DecoderImportance(of: model, by: configuration.criterion, on: texts?.choosing).cut(
        heads: configuration.heads, neurons: configuration.neurons, blocks: configuration.blocks)
    try cancellation.check()
    let small = try model.cutting(to: cut)
    let sample = texts?.measuring.narrowed(axis: 0, from: 0, count: 1) ?? Tensor.zeros([1, configuration.length], dtype: .int64)
    progress.message("Measuring loss and time, before and after")
    // The weights are there: all of the whole model's were read for its importance, and the small one's are parts of them.
    let passes = [model, small].map { network in { (tokens: Tensor) in (try? network.logits(tokens: tokens)) ?? tokens } }
    let seconds = GraphNetwork.secondsOfPasses(passes, sample, repetitions: 5)
    let measurements = try zip([model, small], seconds).map { network, seconds in
        try cancellation.check()
        let loss = try texts.map { try meanLoss(network, $0.measuring) }
        let c = network.configuration
        return DecoderCutOutcome.Measurement(
            blocks: c.layerCount, queryHeads: c.headCount, keyValueHeads: c.keyValueHeadCount, neurons: c.feedForwardSize,
            weights: c.weightShapes.reduce(0) { $0 + $1.shape.reduce(1, *) }, loss: loss, seconds: seconds)
    }
    try small.save(to: folder)
    return DecoderCutOutcome(before: measurements[0], after: measurements[1], cut: cut, hasTokenizer: try copyTokenizer(from: path, to: folder))
}

/// Texts to choose by and others to measure on, each int64 [texts, length].
private func tokens(of source: String, _ tokenizer: Tokenizer, _ configuration: DecoderCutConfiguration) throws -> (choosing: Tensor, measuring: Tensor) {
    let reader = try DocumentReader(TextSource(source), order: .shuffled(seed: 0)), needed = 2 * configuration.texts * configuration.length
    var ids: [Int] = []
    while ids.count < needed, let document = try reader.next() { ids += tokenizer.encode(document.text) }
    guard ids.count >= needed else {
        let wanted = "\(formatCount(needed)) tokens for \(2 * configuration.texts) texts of \(configuration.length)"
        throw ConfigurationError(key: "data", problem: "must have \(wanted), found \(formatCount(ids.count))")
    }
    let all = Tensor(Array(ids.prefix(needed))).reshaped([2 * configuration.texts, configuration.length])
    return (all.narrowed(axis: 0, from: 0, count: configuration.texts), all.narrowed(axis: 0, from: configuration.texts, count: configuration.texts))
}

private func meanLoss(_ model: LanguageModel, _ tokens: Tensor) throws -> Double {
    try withoutGradients {
        let sums = try (0..<tokens.size(0)).map { try model.nextTokenLosses(tokens: tokens.narrowed(axis: 0, from: $0, count: 1)).to(dtype: .float64).mean().item() }
        return sums.reduce(0, +) / Double(sums.count)
    }
}

/// Files of a tokenizer that lie beside the model's.
/// - Returns: whether there are any.
private func copyTokenizer(from path: String, to folder: String) throws -> Bool {
    guard case .folder(let source) = try ModelLocation(path) else { return false }
    for name in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "vocab.json", "merges.txt"] {
        let file = "\(source)/\(name)"
        if FileManager.default.fileExists(atPath: file) { try FileManager.default.copyItem(atPath: file, toPath: "\(folder)/\(name)") }
    }
    return FileManager.default.fileExists(atPath: "\(folder)/tokenizer.json")
}
