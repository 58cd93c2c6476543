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
        let coefficients = try DialoguePipeline.allCases.map { ($0, try l1Coefficient($0)) }
        for (pipeline, coefficient) in coefficients { findings.l1Coefficients[pipeline] = coefficient }
        for seed in context.seeds {
            for (pipeline, coefficient) in coefficients {
                let kinds = setting.ks.map(FASTFindings.Kind.topK) + [.relu]
                let models = try train(kinds.map { architecture($0, coefficient) }, pipeline, seed: seed, task: "\(pipeline.rawValue), seed \(seed)")
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

    private func architecture(_ kind: FASTFindings.Kind, _ l1Coefficient: Double) -> SAEArchitecture {
        switch kind {
        case .topK(let k): .topK(TopKSettings(k: k))
        case .relu: .relu(ReLUSettings(l1Coefficient: l1Coefficient))
        }
    }

    /// Models that share one pass over a pipeline's activations through the mixing buffer.
    private func train(
        _ architectures: [SAEArchitecture], _ pipeline: DialoguePipeline, seed: UInt64, task: String
    ) throws -> [SparseAutoencoder] {
        guard let part = data.training[pipeline] else { preconditionFailure("FASTExperiment: no activations of \(pipeline.rawValue)") }
        let arms = architectures.enumerated().map { TrainingArm(setting.configuration($1), seed: seed, name: "\($0)") }
        return try trainSparseAutoencoders(
            arms, on: ShuffledActivations(part.store, rows: part.rows, seed: seed), task: task, progress: context.progress,
            cancellation: context.cancellation)
    }

    private func metrics(of model: SparseAutoencoder, on batches: [ContextBatch]) -> DialogueMetrics {
        let evaluation = DialogueEvaluation(of: model, special: data.special, maximumNorm: data.maximumNorm)
        for batch in batches { evaluation.add(batch) }
        return evaluation.metrics
    }

    /// Chooses λ for a pipeline so that L0 on the validation dialogues is k, by runs with the first seed.
    private func l1Coefficient(_ pipeline: DialoguePipeline) throws -> Double {
        let search = try L1Search(
            k: setting.matchedK, first: setting.firstL1Coefficient, runs: setting.searchRuns, tolerance: setting.tolerance,
            name: "\(pipeline.rawValue): ", progress: context.progress
        ) { coefficient in
            let model = try train(
                [architecture(.relu, coefficient)], pipeline, seed: context.seeds[0], task: "\(pipeline.rawValue), search for λ")[0]
            return (model, metrics(of: model, on: data.validation).l0)
        }
        return search.coefficient
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
