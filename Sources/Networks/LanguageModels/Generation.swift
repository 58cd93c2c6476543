package import Torch

/// How the next token is chosen from the logits.
public struct SamplingConfiguration: Codable, Sendable, Equatable {
    /// 0 takes the likeliest token; otherwise logits are divided by it.
    public var temperature: Double
    /// Only the k likeliest tokens; all if nil.
    public var topK: Int?
    /// Only the likeliest tokens that together reach this probability; all if nil.
    public var topP: Double?
    public var seed: UInt64

    public init(temperature: Double = 0, topK: Int? = nil, topP: Double? = nil, seed: UInt64 = 0) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.seed = seed
    }

    /// Always the likeliest token.
    public static var greedy: SamplingConfiguration { SamplingConfiguration() }

    func validate() throws {
        guard temperature >= 0, temperature.isFinite else { throw ModelConfigurationError("the temperature is \(temperature), not 0 or more") }
        if let topK, topK < 1 { throw ModelConfigurationError("top-k is \(topK), not 1 or more") }
        if let topP, !(topP > 0 && topP <= 1) { throw ModelConfigurationError("top-p is \(topP), not in (0, 1]") }
    }

    /// One token of each row of `logits` [B, vocabulary]; int64 [B].
    func choose(_ logits: Tensor, generator: RandomGenerator) -> Tensor {
        guard temperature > 0 else { return logits.argmax(axis: -1) }
        var (values, tokens) = logits.to(dtype: .float32).topK(min(topK ?? logits.size(1), logits.size(1)))
        values = values / temperature
        var probabilities = values.softmax()
        if let topP {
            // A token stays if those likelier than it do not reach p yet; the likeliest always does.
            let before = probabilities.cumulativeSum(axis: -1) - probabilities
            probabilities = probabilities.filled(where: before .>= Tensor(scalar: Float(topP)), with: 0)
        }
        let chosen = probabilities.multinomialSample(1, generator: generator)
        return tokens.gatheredElements(at: chosen).squeezed(1)
    }
}

extension LanguageModel {
    /// Continues `prompt`, and returns the new tokens, the ending one not included.
    ///
    /// Keys and values of earlier positions are kept, so each new token costs one position; hooks fire on new positions only
    /// (the whole prompt first).
    /// - Parameters:
    ///   - endTokens: tokens that end the generation; the configuration's if nil.
    ///   - onToken: called with each new token as it comes; returning false ends the generation.
    public func generate(
        prompt: [Int], maximumCount: Int, sampling: SamplingConfiguration = .greedy, endTokens: [Int]? = nil, hooks: [Hook] = [],
        onToken: (Int) throws -> Bool = { _ in true }
    ) throws -> [Int] {
        try sampling.validate()
        guard !prompt.isEmpty, prompt.allSatisfy((0..<configuration.vocabularySize).contains) else {
            throw ModelConfigurationError("a prompt needs at least one token, each below \(configuration.vocabularySize)")
        }
        let ends = Set(endTokens ?? configuration.endTokens)
        let generator = RandomGenerator(seed: sampling.seed, device: device)
        let cache = KeyValueCache(layerCount: configuration.layerCount)
        var input = Tensor(prompt, shape: [1, prompt.count])
        var result: [Int] = []
        while result.count < maximumCount {
            let token = try withoutGradients {
                Int(sampling.choose(try nextLogits(input, cache, hooks: hooks), generator: generator).item())
            }
            if ends.contains(token) { break }
            result.append(token)
            guard try onToken(token) else { break }
            input = Tensor([token], shape: [1, 1])
        }
        return result
    }

    /// The last position's logits, [B, vocabulary], after appending `tokens` [B, T] to `cache`.
    package func nextLogits(_ tokens: Tensor, _ cache: KeyValueCache, hooks: [Hook]) throws -> Tensor {
        let length = tokens.size(1)
        let pass = try newPass(length: length, cache: cache, hooks: hooks)
        let residual = try run(embedded(tokens, pass.hooks), pass, layers: 0..<configuration.layerCount)
        cache.advance(by: length)
        let last = cache.count - 1..<cache.count
        let table = try hookTable(hooks, positions: last)
        return try logits(residual.narrowed(axis: 1, from: length - 1, count: 1), table).squeezed(1)
    }
}
