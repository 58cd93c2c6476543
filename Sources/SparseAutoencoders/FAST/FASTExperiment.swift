package import Experiments
internal import Foundation
internal import Torch
internal import TorchNN

/// The same autoencoders on activations of plain text in blocks, of dialogues in blocks, and of dialogues one at a time, measured on
/// held-out dialogues at equal L0.
package struct FASTExperiment {
    private let setting: FASTSetting
    private let data: DialogueActivations
    private let context: ReproductionContext

    package init(_ setting: FASTSetting, _ data: DialogueActivations, context: ReproductionContext) {
        self.setting = setting
        self.data = data
        self.context = context
    }

    package func run() throws -> FASTFindings {
        var findings = FASTFindings(setting: setting, data: data, seeds: context.seeds)
        var search = LearningRateSearch.ofAutoencoders
        let choices = try DialoguePipeline.allCases.map { ($0, try Choice(of: $0, in: self, &search)) }
        for (pipeline, choice) in choices { findings.l1Coefficients[pipeline] = choice.l1Coefficient }
        findings.learningRates = search.evidence
        for seed in context.seeds {
            for (pipeline, choice) in choices {
                let kinds = setting.ks.map(FASTFindings.Kind.topK) + [.relu]
                let models = try train(kinds.map(choice.configuration), pipeline, seed: seed, task: "\(pipeline.rawValue), seed \(seed)")
                for (kind, model) in zip(kinds, models) {
                    try context.cancellation.check()
                    let outcome = FASTFindings.Outcome(
                        pipeline: pipeline, kind: kind, seed: seed, metrics: metrics(of: model, on: data.test),
                        tops: kind == .topK(setting.matchedK)
                            ? TopTokens(of: model, on: data.test, special: data.special, maximumNorm: data.maximumNorm) : nil)
                    try context.run.log(outcome.values, step: Int(seed &- context.seeds[0]))
                    if pipeline == .dialogues, let tops = outcome.tops, findings.steering == nil {
                        findings.steering = try steering(model, tops)
                    }
                    findings.outcomes.append(outcome)
                }
            }
        }
        for pipeline in DialoguePipeline.allCases { findings.specialShares[pipeline] = try data.specialShare(pipeline) }
        return findings
    }

    /// What is best for a pipeline on the validation dialogues: rates of both kinds, and the λ with which L0 is k.
    private struct Choice {
        private let setting: FASTSetting
        private let topKRate: Double
        private let reluRate: Double
        let l1Coefficient: Double

        init(of pipeline: DialoguePipeline, in experiment: FASTExperiment, _ search: inout LearningRateSearch) throws {
            let setting = experiment.setting
            func measured(_ configuration: SAETrainingConfiguration) throws -> DialogueMetrics {
                let task = "\(pipeline.rawValue), learning rate \(formatNumber(configuration.effectiveLearningRate, digits: 2))"
                let model = try experiment.train([configuration], pipeline, seed: experiment.context.seeds[0], task: task)[0]
                return experiment.metrics(of: model, on: experiment.data.validation)
            }
            func rate(_ kind: String, _ architecture: SAEArchitecture, _ measure: (Double) throws -> DialogueMetrics) throws -> Double {
                let field = setting.configuration(architecture, learningRate: nil).effectiveLearningRate
                return try search.autoencoderRate(for: "\(kind), \(pipeline.rawValue)", from: field) { rate in
                    let metrics = try measure(rate)
                    return (metrics.l0, metrics[.ordinary].perDialogue)
                }
            }
            let topK = SAEArchitecture.topK(TopKSettings(k: setting.matchedK))
            topKRate = try rate("TopK \(setting.matchedK)", topK) { try measured(setting.configuration(topK, learningRate: $0)) }

            // Another rate wants another λ for the same L0.
            var coefficients: [Double: Double] = [:], first = setting.firstL1Coefficient
            func relu(_ coefficient: Double) -> SAEArchitecture { .relu(ReLUSettings(l1Coefficient: coefficient)) }
            reluRate = try rate("ReLU + L1", relu(first)) { rate in
                let found = try L1Search(
                    k: setting.matchedK, first: first, runs: setting.searchRuns, tolerance: setting.tolerance,
                    name: "\(pipeline.rawValue): ", progress: experiment.context.progress
                ) { coefficient in
                    let metrics = try measured(setting.configuration(relu(coefficient), learningRate: rate))
                    return (metrics, metrics.l0)
                }
                (coefficients[rate], first) = (found.coefficient, found.coefficient)
                return found.trained
            }
            guard let coefficient = coefficients[reluRate] else { preconditionFailure("a chosen rate has been tried") }
            l1Coefficient = coefficient
            self.setting = setting
        }

        func configuration(_ kind: FASTFindings.Kind) -> SAETrainingConfiguration {
            switch kind {
            case .topK(let k): setting.configuration(.topK(TopKSettings(k: k)), learningRate: topKRate)
            case .relu: setting.configuration(.relu(ReLUSettings(l1Coefficient: l1Coefficient)), learningRate: reluRate)
            }
        }
    }

    /// Models that share one pass over a pipeline's activations through the mixing buffer.
    private func train(
        _ configurations: [SAETrainingConfiguration], _ pipeline: DialoguePipeline, seed: UInt64, task: String
    ) throws -> [SparseAutoencoder] {
        guard let part = data.training[pipeline] else { preconditionFailure("FASTExperiment: no activations of \(pipeline.rawValue)") }
        let arms = configurations.enumerated().map { TrainingArm($1, seed: seed, name: "\($0)") }
        return try trainSparseAutoencoders(
            arms, on: ShuffledActivations(part.store, rows: part.rows, seed: seed), task: task, progress: context.progress,
            cancellation: context.cancellation)
    }

    private func metrics(of model: SparseAutoencoder, on batches: [ContextBatch]) -> DialogueMetrics {
        let evaluation = DialogueEvaluation(of: model, special: data.special, maximumNorm: data.maximumNorm)
        for batch in batches { evaluation.add(batch) }
        return evaluation.metrics
    }

    /// How far the model's distributions move when the atom of a feature of special tokens is added everywhere, with rising strength.
    private func steering(_ model: SparseAutoencoder, _ tops: TopTokens) throws -> FASTFindings.SteeringCurve? {
        let features = tops.features.filter(\.isSpecial)
        guard let network = data.network, let feature = features.max(by: { $0.activations[0] < $1.activations[0] }),
            let batch = data.test.first(where: { $0.tokens[0].count > 1 })
        else { return nil }
        let tokens = tokenTensor([Array(batch.tokens[0].prefix(setting.steeringTokens))])
        let atom = model.decoderDirections[feature.index]
        let direction = atom / atom.norm()
        return try withoutGradients {
            let reference = try network.logits(for: tokens, replacing: nil).logSoftmax(axis: -1)
            let divergences = try setting.steeringStrengths.map { strength in
                let changed = try network.logits(for: tokens, replacing: { $0 + direction * strength }).logSoftmax(axis: -1)
                return changed.klDivergence(reference, reduction: .none, logTarget: true).sum(axis: -1).mean().item()
            }
            return FASTFindings.SteeringCurve(feature: feature.index, strengths: setting.steeringStrengths, divergences: divergences)
        }
    }
}
