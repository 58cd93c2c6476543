public import Experiments
package import Torch

/// Signed codes of the k largest magnitudes: one direction for a concept and its opposite.
public enum AbsTopK: Method {
    public typealias Configuration = SAETrainingConfiguration

    public static let name = "abs-topk"
    public static let title = "AbsTopK sparse autoencoders"
    public static let summary =
        "Activations of a network go in, k features of either sign per token come out; for directions that are read and steered both ways."
    public static let paper = Paper(
        title: "AbsTopK: Rethinking Sparse Autoencoders For Bidirectional Features", authors: "Zhu, Khalili, Zhu", year: 2025,
        arXiv: "2510.00404")
    public static let family = MethodFamily.sparseAutoencoders

    public static var defaultConfiguration: SAETrainingConfiguration {
        var configuration = SAETrainingConfiguration()
        configuration.architecture = SAEArchitecture(AbsTopKSettings())
        return configuration
    }

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = AbsTopKSetting(scale)
        let data = try ActivationSplit(collecting: setting.activations, context: context)
        return try AbsTopKExperiment(setting, data, context: context).run()
    }
}

/// The size of the experiment.
package struct AbsTopKSetting: Sendable, Equatable {
    package var activations = ActivationSplit.Setting()
    package var dictionarySize: Int
    package var k: Int
    package var batchSize: Int
    package var steps: Int
    package var deadAfterTokens: Int
    /// What JumpReLU's start and learning rate are chosen from.
    package var jumpReLUStarts: [JumpReLUStart]
    /// Of the data with a known dictionary.
    package var truth = TruthSetting()

    package init(_ scale: ReproductionScale) {
        switch scale {
        case .small:
            activations.tokens = 120_000
            (dictionarySize, k, batchSize, steps, deadAfterTokens) = (2_048, 32, 512, 800, 50_000)
            jumpReLUStarts = [.init(threshold: 0.1, learningRate: 3e-3), .init(threshold: 0.3, learningRate: 1e-3), .init(threshold: 0.3, learningRate: 3e-3)]
        case .full:
            (activations.tokens, activations.testTokens, activations.splicedContexts) = (50_000_000, 200_000, 500)
            (dictionarySize, k, batchSize, steps, deadAfterTokens) = (9_216, 58, 4_096, 30_000, 10_000_000)
            jumpReLUStarts = [.init(threshold: 0.01, learningRate: 3e-4), .init(threshold: 0.1, learningRate: 3e-4), .init(threshold: 0.1, learningRate: 1e-3)]
        }
    }

    package struct JumpReLUStart: Sendable, Equatable {
        package var threshold: Double
        package var learningRate: Double
    }

    /// x = Σ s_j g_j + noise: `featureCount` unit directions, each active with probability `activity`, with either sign.
    package struct TruthSetting: Sendable, Equatable {
        package var inputSize = 24
        package var featureCount = 32
        package var activity = 0.1
        package var noise = 0.01
        package var k = 3
        package var trainingRows = 100_000
        package var testRows = 10_000
        package var batchSize = 256
        package var steps = 4_000
    }
}

/// Data with a known dictionary whose features appear with both signs, magnitudes uniform on 0.5…1.5.
package struct BidirectionalTruth {
    /// Unit rows [G, D].
    package let features: Tensor
    package let split: ActivationSplit

    package init(_ setting: AbsTopKSetting.TruthSetting, seed: UInt64) {
        let generator = RandomGenerator(seed: seed)
        let features = Tensor.normal([setting.featureCount, setting.inputSize], generator: generator).unitRows()
        func rows(_ count: Int) -> Tensor {
            let shape = [count, setting.featureCount]
            let isActive = (Tensor.uniform(shape, generator: generator) .< setting.activity).to(dtype: .float32)
            let signs = (Tensor.uniform(shape, generator: generator) .< 0.5).to(dtype: .float32) * 2 - 1
            let sizes = Tensor.uniform(shape, generator: generator) + 0.5
            return (isActive * signs * sizes).matmul(features) + Tensor.normal([count, setting.inputSize], generator: generator) * setting.noise
        }
        self.features = features
        let training = rows(setting.trainingRows), test = rows(setting.testRows)
        split = ActivationSplit(
            training: training, validation: rows(setting.testRows), test: test,
            origin: "sums of \(setting.featureCount) known directions with either sign in \(setting.inputSize) dimensions")
    }
}
