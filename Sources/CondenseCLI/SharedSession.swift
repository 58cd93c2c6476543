import ArgumentParser
import Datasets
import Experiments

/// What every command does in the same way.
enum CommandSession {
    /// Brings an item of the catalogue into the cache; other names are left to whoever opens them.
    static func fetch(_ name: String, _ progress: any ProgressReporter) throws {
        let store = DataStore()
        guard store.items.contains(where: { $0.name == name }) else { return }
        _ = try store.fetch(name, reporting: progress)
    }

    /// Runs a body that can be interrupted; the sentence says how to go on.
    static func interruptible<Result>(_ advice: String, _ progress: any ProgressReporter, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let interruption as RunInterrupted {
            progress.end()
            Terminal.error("\(interruption); \(advice)")
            throw ExitCode(130)
        } catch {
            progress.end()
            throw error
        }
    }
}
