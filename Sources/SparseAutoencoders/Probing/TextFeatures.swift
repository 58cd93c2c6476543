public import Experiments
internal import Networks
public import Torch

/// What a network and a dictionary make of whole texts: means over their tokens.
public struct TextFeatures {
    /// Mean activations, shape [N, D].
    public let activations: Tensor
    /// Mean codes, shape [N, F].
    public let codes: Tensor
    /// Index of each text's class.
    public let labels: [Int]

    /// - Parameters:
    ///   - activations: shape [N, D].
    ///   - codes: shape [N, F].
    public init(activations: Tensor, codes: Tensor, labels: [Int]) {
        require(
            activations.rank == 2 && codes.rank == 2 && activations.size(0) == labels.count && codes.size(0) == labels.count,
            "TextFeatures: activations \(activations.shape) and codes \(codes.shape) of \(labels.count) texts")
        self.activations = activations
        self.codes = codes
        self.labels = labels
    }

    /// Runs texts through a language model. The beginning token and attention sinks (norms above ten times the median) do not
    /// count, as they are no activations the dictionary was trained on.
    /// - Parameters:
    ///   - hook: where the dictionary's activations are.
    ///   - prefix: tokens that precede every text and do not count.
    /// - Throws: ``ProbingError/widthMismatch(dictionary:activations:)``, `UnknownHookPointError`, `RunInterrupted`.
    public init(
        of texts: [LabelledTexts.Example], dictionary: any ActivationDictionary, model: TextModel, hook: String, prefix: [Int32] = [],
        batchSize: Int = 16, progress: any ProgressReporter = SilentProgress(), cancellation: Cancellation = Cancellation()
    ) throws {
        let point = try model.model.hookPoint(hook)
        let width = try model.width(of: point)
        guard width == dictionary.inputSize else { throw ProbingError.widthMismatch(dictionary: dictionary.inputSize, activations: width) }
        let special = model.tokenizer.specialTokens
        let beginning = (special.bos ?? special.eos).map { [Int32($0)] } ?? []
        let before = beginning + prefix
        let activations = Tensor.zeros([texts.count, width]), codes = Tensor.zeros([texts.count, dictionary.dictionarySize])
        // Texts of equal length share a batch, so that little is padded.
        let order = texts.indices.sorted { (texts[$0].tokens.count, $0) < (texts[$1].tokens.count, $1) }
        var limit: Double?
        progress.begin("Running texts", total: texts.count, unit: "texts")
        defer { progress.end() }
        for start in stride(from: 0, to: order.count, by: batchSize) {
            try cancellation.check()
            let batch = Array(order[start..<min(order.count, start + batchSize)])
            let length = before.count + (batch.map { texts[$0].tokens.count }.max() ?? 0)
            let contexts = batch.map { index in
                let tokens = before + texts[index].tokens
                return tokens + Array(repeating: 0, count: length - tokens.count)
            }
            // Padding follows the text, which does not see it.
            let places = batch.indices.flatMap { text in
                (0..<texts[batch[text]].tokens.count).map { text * length + before.count + $0 }
            }
            let owners = batch.indices.flatMap { Array(repeating: $0, count: texts[batch[$0]].tokens.count) }
            try inferenceMode {
                let all = try model.activations(at: point, contexts: contexts).reshaped([-1, width])
                let rows = all.gathered(indices: Tensor(places))
                limit = limit ?? rows.outlierNorm()
                let isOrdinary = rows.norm(axes: [1]) .<= (limit ?? .infinity)
                let kept = isOrdinary.nonzeroIndices().reshaped([-1])
                let means = TokenMeans(owners: Tensor(owners).gathered(indices: kept), textCount: batch.count)
                let ordinary = rows.gathered(indices: kept), indices = Tensor(batch)
                activations.copySlicesInPlace(means.of(.dense(ordinary)), at: indices)
                codes.copySlicesInPlace(means.of(dictionary.encode(ordinary)), at: indices)
            }
            progress.update(start + batch.count)
        }
        self.init(activations: activations, codes: codes, labels: texts.map(\.label))
    }
}

/// Means over the rows that belong to each text.
private struct TokenMeans {
    /// The text of each row, int64, shape [M].
    let owners: Tensor
    let textCount: Int

    /// Shape [texts, F].
    func of(_ code: FeatureCode) -> Tensor {
        let counts = owners.binCount(minimumLength: textCount).to(dtype: .float32).clamped(minimum: 1).unsqueezed(1)
        switch code {
        case .dense(let rows):
            return Tensor.zeros([textCount, rows.size(1)]).addSlicesInPlace(rows, at: owners) / counts
        case .sparse(let code):
            let rows = code.entryRows.reshaped([-1])
            let places = owners.gathered(indices: rows) * code.featureCount + code.indices.reshaped([-1])
            return Tensor.zeros([textCount * code.featureCount]).scatterAdding(code.values.reshaped([-1]), at: places)
                .reshaped([textCount, code.featureCount]) / counts
        }
    }
}
