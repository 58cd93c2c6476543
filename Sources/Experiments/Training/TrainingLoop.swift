/// How a training goes on to its last step: it tells of its progress, leaves checkpoints and stops where it is told to.
package struct TrainingLoop {
    private let task: String
    private let steps: Int
    private let checkpointEvery: Int?
    private let run: Run?
    private let progress: any ProgressReporter
    private let cancellation: Cancellation

    /// - Parameters:
    ///   - task: for the progress bar.
    ///   - checkpointEvery: steps between checkpoints; nil for none but at interruption.
    ///   - run: gets the checkpoints; without one there are none.
    package init(
        _ task: String, steps: Int, checkpointEvery: Int?, run: Run?, progress: any ProgressReporter, cancellation: Cancellation
    ) {
        (self.task, self.steps, self.checkpointEvery) = (task, steps, checkpointEvery)
        (self.run, self.progress, self.cancellation) = (run, progress, cancellation)
    }

    /// Steps until all are done.
    /// - Parameters:
    ///   - done: steps done before.
    ///   - save: writes a checkpoint.
    ///   - step: makes the step with which so many are done, and returns a few words about it.
    /// - Throws: what `step` and `save` throw; ``RunInterrupted`` when cancelled, after a checkpoint.
    package func callAsFunction(from done: Int, save: (CheckpointWriter) throws -> Void, step: (Int) throws -> String) throws {
        progress.begin(task, total: steps, completed: done, unit: "steps")
        for number in stride(from: done + 1, through: steps, by: 1) {
            progress.update(number, detail: try step(number))
            let isDue = checkpointEvery.map { number % $0 == 0 } ?? false
            if isDue || cancellation.isCancelled { try run?.saveCheckpoint(step: number, save) }
            try cancellation.check()
        }
        progress.end()
    }

    /// Whether a step is logged: every so many, and the last.
    package func logs(_ step: Int, every: Int) -> Bool { step % every == 0 || step == steps }
}
