import Experiments
import Testing
import Torch

// The code of the article "Adding a method", compiled and run.
struct RunningMeanConfiguration: RunConfiguration {
    var steps = 200
    var rate = 0.05

    init() {}

    func validate() throws(ConfigurationError) {
        try ConfigurationError.require(steps > 0, "steps", "must be positive", found: steps)
        try ConfigurationError.require(rate > 0 && rate <= 1, "rate", "must be in (0, 1]", found: rate)
    }
}

enum RunningMean: Method {
    static let name = "running-mean"
    static let title = "Running mean"
    static let summary = "Estimates a mean from a stream of noisy numbers, to show how a method is added."
    static let paper = Paper(title: "A stochastic approximation method", authors: "Robbins & Monro", year: 1951)
    static let family = MethodFamily.pretraining
    typealias Configuration = RunningMeanConfiguration

    static func estimate(_ settings: RunningMeanConfiguration, seed: UInt64) -> Double {
        let noise = Tensor.normal([settings.steps], generator: RandomGenerator(seed: seed)).scalars(as: Double.self)
        return noise.reduce(0) { $0 + settings.rate * ($1 - $0) }
    }

    static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let errors = context.seeds.map { abs(estimate(defaultConfiguration, seed: $0)) }
        let single = context.seeds.map { seed in
            Swift.abs(Tensor.normal([1], generator: RandomGenerator(seed: seed &+ 1_000)).item())
        }
        let row = Reproduction.Row(
            claim: "the running mean is nearer to the truth than one sample", paperFigure: "converges",
            measured: "error \(Spread(errors).formatted()), one sample \(Spread(single).formatted())",
            verdict: .compare(difference: zip(single, errors).map { $0 - $1 }))
        return Reproduction(rows: [row], setting: "200 standard normal numbers a seed, rate 0.05.")
    }
}

@Suite struct AddingAMethodTests {
    @Test func estimateIsNearTheTruth() {
        #expect(abs(RunningMean.estimate(RunningMeanConfiguration(), seed: 3)) < 0.6)
        #expect(RunningMean.name == "running-mean")
    }

    @Test func settingsAreChecked() {
        var settings = RunningMeanConfiguration()
        settings.rate = 2
        #expect(throws: ConfigurationError.self) { try settings.validate() }
    }
}
