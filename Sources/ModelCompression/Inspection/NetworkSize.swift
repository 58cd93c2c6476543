public import Networks
internal import Torch
internal import TorchNN

extension GraphNetwork {
    /// Seconds of a pass of made-up examples in evaluation, batch norms multiplied into the layers before them: the median of several.
    public func secondsOfPass(batch: Int = 1, repetitions: Int = 9) -> Double {
        let network = foldingBatchNorms(), input = exampleInput(batch: batch)
        return Self.secondsOfPasses([network.callAsFunction], input, repetitions: repetitions)[0]
    }

    /// Medians of seconds, the computations taking turns, so that what else the computer does meets them alike.
    static func secondsOfPasses(_ passes: [(Tensor) -> Tensor], _ input: Tensor, repetitions: Int) -> [Double] {
        var times = passes.map { _ in [Duration]() }
        let clock = ContinuousClock()
        withoutGradients {
            // The first turn warms the caches.
            for turn in 0...max(1, repetitions) {
                for (place, pass) in passes.enumerated() {
                    let time = clock.measure { _ = pass(input) }
                    if turn > 0 { times[place].append(time) }
                }
            }
        }
        return times.map(\.medianSeconds)
    }
}
