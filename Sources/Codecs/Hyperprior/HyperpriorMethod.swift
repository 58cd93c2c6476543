internal import Datasets
public import Experiments
package import Torch

/// Hyperpriors: a second latent tells the distribution of the first.
public enum Hyperprior: Method {
    public typealias Configuration = PictureTrainingConfiguration

    public static let name = "hyperprior"
    public static let title = "Image codecs with a mean and scale hyperprior"
    public static let summary =
        "Photographs go in, files of few bits come out, and pictures come back; a second latent tells the decoder where the first one is likely to be."
    public static let paper = Paper(
        title: "Joint Autoregressive and Hierarchical Priors for Learned Image Compression", authors: "Minnen, Ballé, Toderici", year: 2018,
        arXiv: "1809.02736")
    public static let family = MethodFamily.codecs

    public static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction {
        let setting = HyperpriorSetting(scale)
        return try HyperpriorExperiment(setting, HyperpriorPictures(setting, context: context), context: context).run()
    }
}

/// The size of the experiment.
package struct HyperpriorSetting: Sendable, Equatable {
    /// Pictures to train on, and others to measure on.
    package var trainingData = "photos"
    package var testData = "photos-test"
    /// Pictures of all kinds, measured apart, of which those of `testData` are left out.
    package var otherData = "skimage-photos"
    /// Training pictures with a longer side are made smaller.
    package var largestSide = 1024
    /// Only so much of the middle of test pictures is measured, pixels a side; nil for all.
    package var testSide: Int? = 512
    package var channels: Int, latentChannels: Int
    package var cropSize: Int, batchSize: Int
    /// Of the codec of the first λ, and of those of the others, which begin with its weights.
    package var steps: Int, laterSteps: Int
    /// Chosen on held-back pictures: a distribution of each channel has further to go than one that begins with local sizes.
    package var learningRate: Double, factorizedLearningRate: Double
    package var lambdas: [Double]

    package init(_ scale: ReproductionScale) {
        switch scale {
        case .small:
            (channels, latentChannels, cropSize, batchSize) = (32, 128, 256, 1)
            (steps, laterSteps, learningRate, factorizedLearningRate, lambdas) = (2_000, 500, 5e-4, 1e-3, [0.01, 0.0035])
        case .full:
            (channels, latentChannels, cropSize, batchSize) = (128, 192, 256, 16)
            (steps, laterSteps, learningRate, factorizedLearningRate) = (1_000_000, 500_000, 1e-4, 1e-4)
            lambdas = [0.013, 0.0018, 0.0035, 0.0067, 0.025, 0.0483]
            testSide = nil
        }
    }

    /// The training of a codec; all kinds have the same but for the rate.
    /// - Parameter isLater: whether it begins with the weights of another λ.
    func training(_ kind: ImageCodecKind, lambda: Double, isLater: Bool) -> ImageCodecTrainingConfiguration {
        var configuration = ImageCodecTrainingConfiguration.small
        configuration.codec = ImageCodecConfiguration(kind, channels: channels, latentChannels: latentChannels)
        (configuration.cropSize, configuration.batchSize, configuration.lambda, configuration.decayStart) = (cropSize, batchSize, lambda, 0.5)
        (configuration.steps, configuration.learningRate) = (isLater ? laterSteps : steps, kind == .factorized ? factorizedLearningRate : learningRate)
        return configuration
    }
}

/// Photographs to train on, others to measure on, and pictures of other kinds.
package struct HyperpriorPictures {
    /// Each [3, height, width], 0…1.
    package let training: [Tensor]
    package let test: PictureSet, others: PictureSet

    package init(training: [Tensor], test: PictureSet, others: PictureSet) {
        (self.training, self.test, self.others) = (training, test, others)
    }

    /// Fetches the pictures of the catalogue.
    init(_ setting: HyperpriorSetting, context: ReproductionContext) throws {
        context.progress.message("Photographs: the data items \(setting.trainingData), \(setting.testData) and \(setting.otherData)")
        func source(_ name: String) throws -> PictureSource {
            _ = try DataStore().fetch(name)
            return try PictureSource(name)
        }
        let tested = try source(setting.testData), all = try source(setting.otherData)
        let names = Set(tested.paths.map(tested.shortName))
        self.init(
            training: try PictureSet(source(setting.trainingData), alpha: .white, largestSide: setting.largestSide).pictures.map(\.pixels),
            test: try PictureSet(tested, middle: setting.testSide),
            others: try PictureSet(all.keeping(all.paths.filter { !names.contains(all.shortName($0)) }), alpha: .white, middle: setting.testSide))
    }
}
