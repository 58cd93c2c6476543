package import Experiments
internal import Torch

/// Which methods find the features of a tree whose siblings are more and more correlated, with as many atoms as there are
/// features and equal numbers of active ones.
package struct TreeExperiment {
    package struct Setting: Sendable, Equatable {
        package var correlations: [FeatureTree.Correlation]
        package var steps: Int
        /// Activations that atoms are matched on.
        package var matchingRows = 1_000
        /// Other activations, for L0 and unexplained variance.
        package var testRows = 10_000
        /// Steps of a pursuit that may go on: until the residual's norm is at most `pursuitResidual`.
        package var pursuitSteps = 8
        package var pursuitResidual = 0.05

        /// Where training leads from the truth is asked where the truth is hardest to find.
        func arms(at correlation: FeatureTree.Correlation) -> [Arm] {
            Arm.allCases.filter { $0 != .pursuitFromTruth || correlation == correlations.last }
        }

        package init(correlations: [FeatureTree.Correlation], steps: Int) {
            self.correlations = correlations
            self.steps = steps
        }
    }

    package enum Arm: String, CaseIterable, Sendable {
        /// As many steps as a row has active features at most.
        case pursuit = "MP, 2 steps"
        /// As the paper's code does.
        case longPursuit = "MP to the end"
        case batchTopK = "BatchTopK"
        case matryoshka = "Matryoshka"
        case vanilla = "ReLU + L1"
        /// Two steps, beginning with the true features: whether they are where training leads, wherever it begins.
        case pursuitFromTruth = "MP, 2 steps, from the truth"
    }

    /// How one model did.
    package struct Outcome {
        package let arm: Arm
        package let correlation: Double
        package let seed: UInt64
        /// Mean over features of the cosine with the atom they are matched with.
        package let cosine: Double
        /// Mean over pairs of features of |cosine of the matched atoms − cosine of the features|.
        package let geometryError: Double
        package let l0: Double
        package let fvu: Double
        /// The largest part of inputs in which one atom is active; of features it is 0.2.
        package let mostUse: Double
        package let seconds: Double
        /// Cosines of the matched atoms, [20][20].
        package let atomCosines: [[Double]]
        package let featureCosines: [[Double]]
    }

    let setting: Setting
    let context: ReproductionContext

    package init(_ setting: Setting, context: ReproductionContext) {
        self.setting = setting
        self.context = context
    }

    package func run() throws -> [Outcome] {
        // Matrices of 20 columns: threads would only wait for each other.
        let threads = Engine.threadCount
        Engine.threadCount = 1
        defer { Engine.threadCount = threads }
        var outcomes: [Outcome] = []
        for correlation in setting.correlations {
            for seed in context.seeds {
                for arm in setting.arms(at: correlation) {
                    let outcome = try run(arm, correlation, seed: seed)
                    let name = "tree/\(arm.rawValue)/\(formatNumber(correlation.value))"
                    try context.run.log(
                        ["\(name)/cosine": outcome.cosine, "\(name)/geometry_error": outcome.geometryError, "\(name)/l0": outcome.l0],
                        step: Int(seed &- context.seeds[0]))
                    outcomes.append(outcome)
                }
            }
        }
        return outcomes
    }

    // MARK: Training

    private func architecture(_ arm: Arm) -> SAEArchitecture {
        switch arm {
        case .pursuit, .pursuitFromTruth:
            return SAEArchitecture(MatchingPursuitSettings(steps: 2, absoluteResidual: setting.pursuitResidual))
        case .longPursuit:
            return SAEArchitecture(MatchingPursuitSettings(steps: setting.pursuitSteps, absoluteResidual: setting.pursuitResidual))
        case .batchTopK: return SAEArchitecture(AverageTopKSettings(firstSteps: setting.steps / 15))
        case .matryoshka:
            return SAEArchitecture(AverageTopKSettings(firstSteps: setting.steps / 15, groups: [Double](repeating: 0.2, count: 5)))
        case .vanilla: return SAEArchitecture(SteeredL1Settings())
        }
    }

    /// The paper's settings.
    private func configuration(_ arm: Arm) -> SAETrainingConfiguration {
        var configuration = SAETrainingConfiguration(
            architecture: architecture(arm), dictionarySize: FeatureTree.featureCount, batchSize: 200, steps: setting.steps,
            learningRate: 3e-2, deadAfterTokens: 100_000)
        (configuration.beta1, configuration.beta2) = (0.5, 0.9375)
        (configuration.warmupSteps, configuration.decayStart) = (100, 0.8)
        configuration.normalization = arm == .vanilla ? .expectedAverageNorm : .none
        configuration.decoderBiasStart = .zeros
        configuration.outlierNorm = nil
        return configuration
    }

    private func train(_ arm: Arm, on tree: FeatureTree, seed: UInt64) throws -> SparseAutoencoder {
        let configuration = configuration(arm)
        let trainer = try SAETrainer(configuration, start: tree.next(8_192), seed: seed)
        // No method has a decoder bias here.
        trainer.model.decoderBias.requiresGrad = false
        if arm == .pursuitFromTruth { withoutGradients { _ = trainer.model.atoms.copyInPlace(from: tree.features) } }
        context.progress.begin("\(arm.rawValue), seed \(seed)", total: configuration.steps, completed: 0, unit: "steps")
        while trainer.step < configuration.steps {
            try trainer.step(tree.next(configuration.batchSize))
            if trainer.step % 100 == 0 {
                context.progress.update(trainer.step, detail: nil)
                try context.cancellation.check()
            }
        }
        context.progress.end()
        return try trainer.trainedModel()
    }

    // MARK: Measuring

    private func run(_ arm: Arm, _ correlation: FeatureTree.Correlation, seed: UInt64) throws -> Outcome {
        let tree = FeatureTree(correlation, seed: seed)
        let start = ContinuousClock.now
        let model = try train(arm, on: tree, seed: seed)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let generator = RandomGenerator(seed: seed &+ 0x5DEE_CE66)
        let known = tree.sample(setting.matchingRows, generator: generator)
        let atoms = matchedAtoms(of: model, with: known)
        let metrics = model.evaluate(tree.sample(setting.testRows, generator: generator).activations)
        let features = tree.features.to(dtype: .float64)
        let atomCosines = atoms.matmul(atoms.transposed()), featureCosines = features.matmul(features.transposed())
        let pairs = Double(FeatureTree.featureCount * (FeatureTree.featureCount - 1))
        return Outcome(
            arm: arm, correlation: correlation.value, seed: seed, cosine: (atoms * features).sum(axis: 1).mean().item(),
            geometryError: (atomCosines - featureCosines).upperTriangle(diagonal: 1).abs().sum().item() * 2 / pairs, l0: metrics.l0,
            fvu: metrics.fractionOfVarianceUnexplained, mostUse: metrics.density.densities.max() ?? 0, seconds: seconds, atomCosines: atomCosines.nested, featureCosines: featureCosines.nested)
    }

    /// Unit atoms in the order of the features they are matched with: by what is active when, each activation divided by its
    /// feature's largest.
    private func matchedAtoms(of model: SparseAutoencoder, with known: FeatureTree.Sample) -> Tensor {
        withoutGradients {
            func normalized(_ codes: Tensor) -> Tensor {
                let codes = codes.to(dtype: .float64).abs()
                return (codes / codes.max(axes: [0]).clamped(minimum: 1e-12)).transposed()
            }
            let found = normalized(model.encode(known.activations).dense()), wanted = normalized(known.codes)
            let order = linearAssignment(wanted.distances(to: found).squared().nested)
            let atoms = model.atoms.detached().to(dtype: .float64).gathered(indices: Tensor(order))
            return atoms.unitRows()
        }
    }
}

extension Tensor {
    /// A matrix as rows.
    fileprivate var nested: [[Double]] { (0..<size(0)).map { self[$0].scalars(as: Double.self) } }
}
