internal import Experiments

/// One context of text.
struct ContextText {
    let number: Int
    let tokens: [Int32]
    let documents: [Int32]
    let firstPosition: Int
}

/// Gathers one feature's examples, histogram and tokens from contexts in order.
struct FeatureActivityCollector {
    private let feature: Int
    private let maximum: Float
    private let settings: FeatureExampleSettings
    private var top: [FeatureExample] = []
    private var bands: [FeatureActivity.Band]
    private var histogram: [Int]
    private var tokens: [Int32: FeatureActivity.TokenShare] = [:]
    private var sum = 0.0
    private var generator: SplitMix64

    init(feature: Int, maximum: Float, settings: FeatureExampleSettings) {
        self.feature = feature
        self.maximum = maximum
        self.settings = settings
        histogram = Array(repeating: 0, count: settings.histogramBins)
        let ends = settings.bandEnds + [0]
        bands = zip(ends.dropFirst(), ends).map { FeatureActivity.Band(range: $0..<$1, count: 0, examples: []) }
        generator = SplitMix64(seed: settings.seed, stream: feature)
    }

    /// - Parameter entries: positions at which the feature is active, in order.
    mutating func add(_ entries: [(position: Int, value: Float)], of text: ContextText) {
        var peak = entries[0]
        for entry in entries {
            let value = abs(entry.value)
            if value > abs(peak.value) { peak = entry }
            let bin = Int(value / maximum * Float(histogram.count))
            histogram[min(histogram.count - 1, max(0, bin))] += 1
            let token = text.tokens[entry.position]
            var share = tokens[token] ?? .init(token: token, share: 0, count: 0, maximum: 0)
            share.share += Double(value)
            share.count += 1
            share.maximum = max(share.maximum, value)
            tokens[token] = share
            sum += Double(value)
        }
        offerToTop(entries, peak, text)
        offerToBand(entries, peak, text)
    }

    /// Keeps a few more than wanted, so that repeated text can be left out without a gap.
    private mutating func offerToTop(_ entries: [(position: Int, value: Float)], _ peak: (position: Int, value: Float), _ text: ContextText) {
        let capacity = settings.topContexts * 2
        if top.count == capacity, let last = top.last, abs(peak.value) <= abs(last.maximum) { return }
        let example = self.example(entries, peak, text)
        if let same = top.firstIndex(where: { $0.tokens == example.tokens }) {
            // Boilerplate repeats; its strongest occurrence stands for all.
            guard abs(top[same].maximum) < abs(example.maximum) else { return }
            top.remove(at: same)
        }
        let place = top.firstIndex { abs($0.maximum) < abs(example.maximum) } ?? top.count
        top.insert(example, at: place)
        if top.count > capacity { top.removeLast() }
    }

    /// Reservoir sampling: every context of a band is kept with equal probability.
    private mutating func offerToBand(_ entries: [(position: Int, value: Float)], _ peak: (position: Int, value: Float), _ text: ContextText) {
        let fraction = Double(abs(peak.value) / maximum)
        guard let band = bands.firstIndex(where: { fraction >= $0.range.lowerBound }) else { return }
        bands[band].count += 1
        if bands[band].examples.count < settings.examplesPerBand {
            bands[band].examples.append(example(entries, peak, text))
        } else {
            let place = Int(generator.below(UInt64(bands[band].count)))
            if place < settings.examplesPerBand { bands[band].examples[place] = example(entries, peak, text) }
        }
    }

    /// The stretch around the peak that belongs to the peak's document.
    private func example(
        _ entries: [(position: Int, value: Float)], _ peak: (position: Int, value: Float), _ text: ContextText
    ) -> FeatureExample {
        let document = text.documents[peak.position]
        var start = peak.position
        while start > text.firstPosition, peak.position - start < settings.tokensBefore, text.documents[start - 1] == document { start -= 1 }
        var end = peak.position + 1
        while end < text.tokens.count, end - peak.position <= settings.tokensAfter, text.documents[end] == document { end += 1 }
        var activations = [Float](repeating: 0, count: end - start)
        for entry in entries where (start..<end).contains(entry.position) { activations[entry.position - start] = entry.value }
        return FeatureExample(
            tokens: Array(text.tokens[start..<end]), activations: activations, peak: peak.position - start, context: text.number,
            document: Int(document))
    }

    func finish() -> FeatureActivity {
        let shares = tokens.values.map { share in
            var share = share
            share.share /= max(sum, .leastNonzeroMagnitude)
            return share
        }.sorted { ($1.share, $0.token) < ($0.share, $1.token) }
        return FeatureActivity(
            feature: feature, top: Array(top.prefix(settings.topContexts)), bands: bands, histogram: histogram, maximum: maximum,
            tokens: Array(shares.prefix(settings.tokens)))
    }
}
