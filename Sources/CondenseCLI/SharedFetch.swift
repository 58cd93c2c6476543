import Datasets
import Experiments
import Foundation

extension DataStore {
    /// Fetches an item, telling its progress like every other task; what is in the cache is returned at once.
    func fetch(_ name: String, from artefacts: [URL] = [], reporting reporter: any ProgressReporter) throws -> FetchedItem {
        if let found = try location(of: name) { return found }
        let stages = FetchStages(reporter)
        defer { stages.end() }
        return try fetch(name, from: artefacts) { stages.show($0) }
    }
}

/// Turns the stages of a fetch into tasks of a progress reporter.
private final class FetchStages {
    private let reporter: any ProgressReporter
    private var current: FetchProgress?

    init(_ reporter: any ProgressReporter) { self.reporter = reporter }

    func show(_ progress: FetchProgress) {
        if progress.item != current?.item || progress.phase != current?.phase {
            end()
            switch progress.phase {
            case .waiting: reporter.message("Another process is fetching \(progress.item); waiting for it")
            case .downloading: reporter.begin("Fetching \(progress.item)", total: progress.totalBytes / 1000, unit: "kB")
            case .unpacking: reporter.begin("Unpacking \(progress.item)", total: nil, unit: "kB")
            case .preparing: reporter.begin("Preparing \(progress.item)", total: nil, unit: "kB")
            case .done: return
            }
        }
        current = progress
        if progress.phase != .waiting { reporter.update(progress.completedBytes / 1000) }
    }

    func end() {
        if let current, current.phase != .waiting { reporter.end() }
        current = nil
    }
}
