internal import Experiments
internal import Foundation

extension ReproductionContext {
    /// Collects activations into the run's folder with the run's seed, going on where an interrupted run stopped. Whoever collects
    /// removes them when they are no longer read.
    /// - Parameter name: of a folder among others; nil for a run's only collection.
    func collect(_ configuration: CollectionConfiguration, of model: TextModel, named name: String? = nil) throws -> ActivationStore {
        var configuration = configuration
        configuration.seed = settings.seed
        let folder = name.map { activations.appending(path: $0, directoryHint: .isDirectory) } ?? activations
        return try collectActivations(
            configuration, to: folder, model: model, resuming: true, progress: progress, cancellation: cancellation)
    }

    /// Removes all that was collected.
    func removeActivations() { try? FileManager.default.removeItem(at: activations) }

    private var activations: URL { run.directory.appending(path: "activations", directoryHint: .isDirectory) }
}
