import ArgumentParser
import SparseAutoencoders

/// `condense demo`: the first thing to try.
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Find readable features in a small language model, in a few minutes.",
        discussion: """
            Fetches SmolLM2-135M and a set of clean prose, collects activations of a middle layer, trains a sparse autoencoder on
            them, measures it inside the model, and writes a page with readable features. Downloads are cached; everything else
            goes to a new directory under runs/.

            Examples:
              condense demo
              condense demo --set collection.tokens=300000 --set training.steps=2000 --out runs/larger
            """)

    @OptionGroup var options: RunOptions

    func run() throws {
        // Charts need a script that a first run has not fetched yet; the page is readable without it.
        do {
            try CommandSession.fetch("plotly-js", options.output.progress())
        } catch {
            Terminal.error("the report will show tables instead of charts: \(error)")
        }
        let prepare: (AutoencoderWorkflow) throws -> Void = { configuration in
            try CommandSession.fetch(configuration.collection.model, options.output.progress())
            _ = try TextModel.location(of: configuration.collection.model)
            try CommandSession.fetch(configuration.collection.text, options.output.progress())
        }
        let outcome = try options.execute(
            command: "demo", title: "Demonstration", defaults: AutoencoderWorkflow(), prepare: prepare
        ) { session in
            try session.configuration.run(
                in: session.run, settings: session.settings, progress: session.progress, cancellation: session.cancellation)
        }
        try options.printOutcome(outcome)
    }
}
