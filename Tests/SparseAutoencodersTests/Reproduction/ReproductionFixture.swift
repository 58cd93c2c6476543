import Experiments
import SparseAutoencoders

/// Calls a body with what a method's experiment gets for two seeds; its run lies in a folder that is removed afterwards.
func withReproductionContext<M: Method, Result>(of method: M.Type, _ body: (ReproductionContext) throws -> Result) throws -> Result {
    let temporary = try TemporaryFolder()
    return try withExtendedLifetime(temporary) {
        let run = try Run.create(
            in: temporary.file("run"), method: "reproduce-\(M.name)", title: "Test",
            configuration: ResolvedConfiguration(configuration: M.defaultConfiguration, settings: RunSettings()))
        return try body(ReproductionContext(run: run, settings: RunSettings(), repetitions: 2))
    }
}
