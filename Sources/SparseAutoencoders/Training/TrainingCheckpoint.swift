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
        func add(_ prefix: String, _ state: [String: Tensor]) {
            for (name, tensor) in state { tensors["\(prefix).\(name)"] = tensor }
        }
        add("model", model.stateDictionary)
        add("optimizer", optimizer.stateDictionary)
        if let weightAverage { add("average", weightAverage.stateDictionary) }
        if let threshold = thresholdEstimate?.value { tensors["threshold"] = threshold }
        for term in lossTerms { add("loss.\(term.name)", term.stateDictionary) }
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
        func part(_ prefix: String) -> [String: Tensor] {
            let members = tensors.filter { $0.key.hasPrefix(prefix + ".") }
            return Dictionary(uniqueKeysWithValues: members.map { (String($0.key.dropFirst(prefix.count + 1)), $0.value) })
        }
        guard let tokens = tensors["dead.tokens"], tokens.shape == [model.dictionarySize], let random = tensors["generator"] else {
            throw TrainingError.foreignCheckpoint(problem: "the counters of dead features or the generator's state are missing")
        }
        try model.load(part("model"))
        try optimizer.load(part("optimizer"))
        try weightAverage?.load(part("average"))
        for term in lossTerms { try term.load(part("loss.\(term.name)")) }
        dead.tokensSinceActive.copyInPlace(from: tokens)
        generator.state = random
        model.updateConfiguration { $0 = state.model }
        thresholdEstimate?.restore(tensors["threshold"])
        if let k = state.k { (model.encoder as? TopKEncoder)?.k = k }
        restore(step: state.step, tokensSeen: state.tokensSeen)
    }
}
