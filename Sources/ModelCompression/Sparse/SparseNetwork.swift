public import Networks
public import Torch
internal import TorchNN

/// A pruned network for inference, in which each linear layer, 1 × 1 convolution and recurrent layer is computed in the form that was
/// measured to be the fastest for it; all else, and what gains nothing by its zeros, stays dense.
///
/// ```swift
/// let fast = SparseNetwork(pruned.foldingBatchNorms(), measuredWith: images)
/// print(fast.choices.map { "\($0.layer): \($0.form)" })
/// let scores = fast(images)
/// ```
public final class SparseNetwork {
    /// With zeros where weights were masked; the others are shared with the network it was made of.
    public let network: GraphNetwork
    /// Layers that could be sparse, in the order of the network; empty if forms were given.
    public let choices: [LayerChoice]
    /// By layer; others are dense.
    public let forms: [String: LayerForm]
    private var layers: [Int: SparseLayer] = [:]

    /// Measures all layers that have zeros, for inputs like the one given: which form is fastest depends on the batch and the number of
    /// threads. It computes every form several times, in turn.
    /// - Parameters:
    ///   - input: the graph's input with a batch in front.
    ///   - repetitions: of which the median counts.
    public init(_ network: GraphNetwork, measuredWith input: Tensor, repetitions: Int = 9) {
        let pruned = Self.pruned(network)
        self.network = pruned
        var choices: [LayerChoice] = []
        withoutGradients {
            _ = pruned.run(input) { place, inputs in
                if let choice = Self.measure(pruned, place, inputs[0], repetitions) { choices.append(choice) }
                return pruned.output(ofNode: place, of: inputs)
            }
        }
        self.choices = choices
        forms = Dictionary(uniqueKeysWithValues: choices.map { ($0.layer, $0.form) })
        layOut()
    }

    /// Given forms, such as those of an earlier measurement.
    /// - Throws: `GraphProblem` if a layer is not there, or has no sparse form.
    public init(_ network: GraphNetwork, forms: [String: LayerForm]) throws(GraphProblem) {
        self.network = Self.pruned(network)
        self.forms = forms
        choices = []
        for name in forms.keys.sorted() {
            guard let place = network.graph.nodes.firstIndex(where: { $0.name == name }) else { throw GraphProblem("there is no layer '\(name)' in the network") }
            guard SparseLayer.exists(for: network.graph.nodes[place].operation) else {
                throw GraphProblem("layer '\(name)' is neither linear nor a 1 × 1 convolution nor recurrent, and has no sparse form")
            }
        }
        layOut()
    }

    private static func pruned(_ network: GraphNetwork) -> GraphNetwork {
        // Names and shapes are those of the network itself.
        let pruned = try! GraphNetwork(network.graph, state: network.maskedState, generator: RandomGenerator(seed: 0))
        pruned.mode = .evaluation
        return pruned
    }

    private func layOut() {
        for (place, node) in network.graph.nodes.enumerated() {
            if case .sparse(let layout)? = forms[node.name] { layers[place] = SparseLayer(network, place, layout) }
        }
    }

    /// - Parameter input: the graph's input with a batch in front.
    /// - Returns: the last node's output, without gradients.
    public func callAsFunction(_ input: Tensor) -> Tensor {
        withoutGradients { network.run(input) { [layers, network] in layers[$0]?($1[0]) ?? network.output(ofNode: $0, of: $1) } }
    }

    private static func measure(_ network: GraphNetwork, _ place: Int, _ input: Tensor, _ repetitions: Int) -> LayerChoice? {
        let node = network.graph.nodes[place]
        guard SparseLayer.exists(for: node.operation) else { return nil }
        let weight = SparseLayer.matrix(of: network, place), candidates = LayerForm.candidates(for: weight)
        guard !candidates.isEmpty, input.dtype == .float32 else { return nil }
        let sparse = candidates.compactMap { if case .sparse(let layout) = $0 { SparseLayer(network, place, layout) } else { nil } }
        let bodies = [{ network.output(ofNode: place, of: [input]) }] + sparse.map { layer in { layer(input) } }
        let clock = ContinuousClock()
        var times = bodies.map { _ in [Duration]() }
        // The first turn warms the caches.
        for turn in 0...max(1, repetitions) {
            for (form, body) in bodies.enumerated() {
                let time = clock.measure { _ = body() }
                if turn > 0 { times[form].append(time) }
            }
        }
        let medians = zip([.dense] + candidates, times).map { form, times in
            LayerChoice.FormTime(form: form, seconds: times.medianSeconds)
        }
        // There is at least the dense form.
        let fastest = medians.min { $0.seconds < $1.seconds }!
        return LayerChoice(
            layer: node.name, density: weight.nonzeroCount(axes: [0, 1]).item() / Double(weight.elementCount), inputShape: input.shape,
            form: fastest.seconds <= (1 - LayerForm.leastGain) * medians[0].seconds ? fastest.form : .dense, times: medians)
    }
}

extension [Duration] {
    /// The middle one, of at least one.
    var medianSeconds: Double { sorted()[count / 2] / .seconds(1) }
}
