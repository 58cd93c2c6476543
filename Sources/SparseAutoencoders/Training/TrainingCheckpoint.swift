internal import Experiments
internal import Foundation
internal import Torch
internal import TorchNN

/// What a trainer needs besides tensors to go on.
struct TrainingState: Codable {
    var step: Int
    var tokensSeen: Int
    var model: SparseAutoencoderConfiguration
    /// Features per row at the moment, while their number falls.
    var k: Int?
}

extension SAETrainer {
    /// Writes everything that the next step depends on: weights, optimiser, averages, dead features, generator.
    /// - Returns: the rest of it.
    func save(to file: URL) throws -> TrainingState {
        var tensors: [String: Tensor] = ["dead.tokens": dead.tokensSinceActive, "generator": generator.state]
        tensors.add(model.stateDictionary, under: "model")
        tensors.add(optimizer.stateDictionary, under: "optimizer")
        if let weightAverage { tensors.add(weightAverage.stateDictionary, under: "average") }
        if let threshold = thresholdEstimate?.value { tensors["threshold"] = threshold }
        for term in lossTerms { tensors.add(term.stateDictionary, under: "loss.\(term.name)") }
        try SafetensorsWriter.write(tensors, to: file.path(percentEncoded: false))
        return TrainingState(step: step, tokensSeen: tokensSeen, model: model.configuration, k: (model.encoder as? TopKEncoder)?.k)
    }

    /// Continues where ``save(to:)`` was called.
    /// - Throws: ``TrainingError`` or `StateMismatch` if the checkpoint belongs to another model.
    func restore(_ state: TrainingState, from file: URL) throws {
        guard state.model.encoder == model.configuration.encoder else {
            throw TrainingError.foreignCheckpoint(
                problem: "it holds a \(state.model.encoder) model of \(state.model.dictionarySize) features, "
                    + "expected \(model.configuration.encoder)")
        }
        guard state.model.inputSize == model.inputSize, state.model.dictionarySize == model.dictionarySize else {
            throw TrainingError.foreignCheckpoint(
                problem: "it holds \(state.model.dictionarySize) features of width \(state.model.inputSize), expected "
                    + "\(model.dictionarySize) of width \(model.inputSize)")
        }
        let tensors = try SafetensorsFile(path: file.path(percentEncoded: false)).tensors()
        guard let tokens = tensors["dead.tokens"], tokens.shape == [model.dictionarySize], let random = tensors["generator"] else {
            throw TrainingError.foreignCheckpoint(problem: "the counters of dead features or the generator's state are missing")
        }
        try model.load(tensors.part("model"))
        try optimizer.load(tensors.part("optimizer"))
        try weightAverage?.load(tensors.part("average"))
        for term in lossTerms { try term.load(tensors.part("loss.\(term.name)")) }
        dead.tokensSinceActive.copyInPlace(from: tokens)
        generator.state = random
        model.updateConfiguration { $0 = state.model }
        thresholdEstimate?.restore(tensors["threshold"])
        if let k = state.k { (model.encoder as? TopKEncoder)?.k = k }
        restore(step: state.step, tokensSeen: state.tokensSeen)
    }
}
