internal import Networks
internal import Torch

extension GraphNetwork {
    /// A network with copies of the weights, masked ones zero, on a device.
    func copied(to device: Device, seed: UInt64) throws(GraphProblem) -> GraphNetwork {
        let copy = try GraphNetwork(graph, state: prunedState.mapValues { $0.to(device: device) }, generator: RandomGenerator(seed: seed, device: device))
        copy.mode = mode
        return copy
    }

    /// The network with masked weights zero on a device: with these weights themselves where they are there and have no masks.
    func moved(to device: Device, seed: UInt64) throws(GraphProblem) -> GraphNetwork {
        let moved = try GraphNetwork(graph, state: maskedState.mapValues { $0.to(device: device) }, generator: RandomGenerator(seed: seed, device: device))
        moved.mode = mode
        return moved
    }
}

extension Examples {
    func on(_ device: Device) -> Examples { Examples(inputs: inputs.to(device: device), targets: targets.to(device: device)) }
}

/// The batches of a source on a device.
final class DeviceExamples: ExampleSource {
    private let source: any ExampleSource
    private let device: Device

    init(_ source: any ExampleSource, _ device: Device) { (self.source, self.device) = (source, device) }

    func batch(_ number: Int, size: Int) throws -> Examples { try source.batch(number, size: size).on(device) }
}
