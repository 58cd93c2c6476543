import ArgumentParser

@main
struct Main: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "condense",
        abstract: "Learned compression of signals, representations and models.",
        subcommands: [
            DataCommand.self
        ])
}
