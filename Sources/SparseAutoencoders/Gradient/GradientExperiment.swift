package import Experiments
internal import Torch

/// The gradient SAE against TopK at equal k, each used with and without gradients: what training with gradients gives is told
/// from what choosing features with them gives, since a gradient knows the tokens that follow.
package struct GradientExperiment {
    let setting: GradientSetting
    let data: GradientSplit
    let context: ReproductionContext

    package init(_ setting: GradientSetting, _ data: GradientSplit, context: ReproductionContext) {
        self.setting = setting
        self.data = data
        self.context = context
    }

    /// How a model was trained, and how it is used.
    package enum Arm: String, CaseIterable {
        case topK = "TopK"
        case control = "TopK, used with gradients"
        case guided = "g-SAE, used with gradients"
        case plain = "g-SAE, used without"

        var usesGradients: Bool { self == .control || self == .guided }
    }

    /// One model used in one way.
    package struct Measurement {
        package let arm: Arm
        package let k: Int
        package let seed: UInt64
        package let metrics: ReconstructionMetrics
        /// Of the next token with reconstructions inside the model, in nats.
        package let crossEntropy: Double
        /// Mean KL when features are added; measured at the middle k, for each training once.
        package let steering: Double?
    }

    /// Settings of a training that were tried at the middle k, and the loss's increase on the validation contexts.
    package struct Trial: Equatable {
        /// nil for TopK.
        let beta: Double?
        let learningRate: Double
        /// nil for TopK.
        let guidedIncrease: Double?
        let plainIncrease: Double
    }

    /// The trainings that were best on the validation contexts, each in its own use: a β that helps choosing with gradients need not help
    /// choosing without.
    package struct Choice {
        let trials: [Trial]
        let topK: Trial
        let guided: Trial
        let plain: Trial

        init(_ trials: [Trial]) {
            func best(_ increase: (Trial) -> Double?) -> Trial {
                let tried = trials.filter { increase($0) != nil }
                guard let best = tried.min(by: { increase($0) ?? .infinity < increase($1) ?? .infinity }) else {
                    preconditionFailure("every kind of training is tried")
                }
                return best
            }
            self.trials = trials
            topK = best { $0.beta == nil ? $0.plainIncrease : nil }
            guided = best(\.guidedIncrease)
            plain = best { $0.beta == nil ? nil : $0.plainIncrease }
        }
    }

    package func run() throws -> Reproduction {
        let choice = Choice(try ([nil] + setting.betas).flatMap { beta in try setting.learningRates.map { try tried(beta, learningRate: $0) } })
        var measurements: [Measurement] = []
        var sample: [GradientFindings.Entry] = []
        for seed in context.seeds {
            for k in setting.ks {
                let topK = try trained(choice.topK, k: k, seed)
                let guided = try trained(choice.guided, k: k, seed)
                let plain = choice.plain == choice.guided ? guided : try trained(choice.plain, k: k, seed)
                let control = topK.choosingByGradients(beta: choice.guided.beta ?? 1, gradientScale: gradientScale)
                for (arm, model) in [(Arm.topK, topK), (.control, control), (.guided, guided), (.plain, plain)] {
                    measurements.append(try measured(model, arm, k: k, seed: seed))
                }
                if k == setting.middleK, sample.isEmpty { sample = GradientFindings.Entry.sample(of: control, on: data.test) }
            }
        }
        return GradientFindings(experiment: self, choice: choice, measurements: measurements, sample: sample).reproduction
    }

    /// The same for every arm, so that the control chooses in the same units.
    private var gradientScale: Double {
        data.training.gradients.map { GradientTopKEncoder.Settings.scale(of: $0) } ?? 1
    }

    private func architecture(k: Int, beta: Double?) -> SAEArchitecture {
        guard let beta else { return .topK(TopKSettings(k: k)) }
        return SAEArchitecture(GradientTopKSettings(k: k, beta: beta, influenceWarmupSteps: setting.steps / 10))
    }

    private func tried(_ beta: Double?, learningRate: Double) throws -> Trial {
        let model = try trained(beta: beta, learningRate: learningRate, k: setting.middleK, context.seeds[0])
        let network = data.validationNetwork
        func increase(guided: Bool) throws -> Double { try network.crossEntropy(of: model, guided: guided) - network.originalCE }
        return Trial(
            beta: beta, learningRate: learningRate, guidedIncrease: beta == nil ? nil : try increase(guided: true),
            plainIncrease: try increase(guided: false))
    }

    private func trained(_ trial: Trial, k: Int, _ seed: UInt64) throws -> SparseAutoencoder {
        try trained(beta: trial.beta, learningRate: trial.learningRate, k: k, seed)
    }

    private func trained(beta: Double?, learningRate: Double, k: Int, _ seed: UInt64) throws -> SparseAutoencoder {
        let name = (beta.map { "g-SAE, β \(formatNumber($0, digits: 1))" } ?? "TopK") + ", k \(k), rate \(formatNumber(learningRate, digits: 2))"
        let arm = Comparison.Arm(
            name, architecture(k: k, beta: beta), dictionarySize: setting.dictionarySize, batchSize: setting.batchSize, steps: setting.steps,
            deadAfterTokens: setting.deadAfterTokens
        ).learning(at: learningRate)
        return try trainSparseAutoencoder(
            arm.configuration, on: InMemoryActivations(data.training.activations, gradients: data.training.gradients, seed: seed),
            seed: seed, task: "\(name), seed \(seed)", progress: context.progress, cancellation: context.cancellation)
    }

    private func measured(_ model: SparseAutoencoder, _ arm: Arm, k: Int, seed: UInt64) throws -> Measurement {
        try context.cancellation.check()
        let metrics = arm.usesGradients ? try model.evaluate(data.test) : model.evaluate(data.test.activations)
        let crossEntropy = try data.testNetwork.crossEntropy(of: model, guided: arm.usesGradients)
        let isSteered = k == setting.middleK && (arm == .topK || arm == .guided)
        let steering = isSteered ? try steeringEffect(of: model, guided: arm.usesGradients, seed: seed) : nil
        var values = [
            "\(arm.rawValue)/k\(k)/fvu": metrics.fractionOfVarianceUnexplained, "\(arm.rawValue)/k\(k)/dead": metrics.density.deadFraction,
            "\(arm.rawValue)/k\(k)/ce_increase": crossEntropy - data.testNetwork.originalCE,
        ]
        if let steering { values["\(arm.rawValue)/k\(k)/steering_kl"] = steering }
        try context.run.log(values, step: Int(seed &- context.seeds[0]))
        return Measurement(arm: arm, k: k, seed: seed, metrics: metrics, crossEntropy: crossEntropy, steering: steering)
    }

    /// Mean KL of the predictions when random live features are added at random positions, each with three times the mean of its
    /// activations where it is active.
    private func steeringEffect(of model: SparseAutoencoder, guided: Bool, seed: UInt64) throws -> Double {
        let means = meanActivations(of: model, guided: guided)
        let generator = RandomGenerator(seed: seed)
        let live = (means .> 0).nonzeroIndices().reshaped([-1])
        let order = Tensor.permutation(live.elementCount, generator: generator).narrowed(
            axis: 0, from: 0, count: min(setting.steeredFeatures, live.elementCount))
        let features = live.gathered(indices: order)
        let changes = model.decoderDirections.gathered(indices: features) * (means.gathered(indices: features) * 3).unsqueezed(1)
        let contexts = data.testNetwork.tokens.size(0), length = min(setting.steeredLength, data.testNetwork.tokens.size(1))
        // Positions are drawn after the features, so that they differ from arm to arm as little as the number of live features.
        let positions = Tensor.integers(in: length / 4..<max(length / 4 + 1, length / 2), [features.elementCount], generator: generator)
        let pushes = positions.scalars(as: Int.self).enumerated().map { index, position in
            DownstreamNetwork.Push(context: index % contexts, position: position, change: changes[index])
        }
        return Spread(try data.testNetwork.divergences(of: pushes, length: length)).mean
    }

    /// Of each feature over the test rows on which it is active; 0 for dead ones. Shape [F].
    private func meanActivations(of model: SparseAutoencoder, guided: Bool) -> Tensor {
        var sums = Tensor.zeros([model.dictionarySize], dtype: .float64), counts = Tensor.zeros([model.dictionarySize], dtype: .float64)
        withoutGradients {
            for start in stride(from: 0, to: data.test.activations.size(0), by: 2_048) {
                let batch = data.test.mapped { $0.narrowed(axis: 0, from: start, count: min(2_048, $0.size(0) - start)) }
                let code: FeatureCode
                if guided, let gradients = batch.gradients {
                    code = model.guided(by: gradients).encode(batch.activations)
                } else {
                    code = model.encode(batch.activations)
                }
                sums = sums + code.featureSums()
                counts = counts + code.firingCounts().to(dtype: .float64)
            }
        }
        return (sums / counts.clamped(minimum: 1)).to(dtype: .float32)
    }
}
