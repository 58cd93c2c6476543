public import Experiments
internal import Foundation

/// Calls a body with what a method's experiment gets for two seeds; its run lies in a folder that is removed afterwards.
public func withReproductionContext<M: Method, Result>(of method: M.Type, _ body: (ReproductionContext) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "reproduction-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let run = try Run.create(
        in: folder.appending(path: "run"), method: "reproduce-\(M.name)", title: "Test",
        configuration: ResolvedConfiguration(configuration: M.defaultConfiguration, settings: RunSettings()))
    return try body(ReproductionContext(run: run, settings: RunSettings(), repetitions: 2))
}
