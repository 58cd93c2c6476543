import ArgumentParser
import Torch

@main
struct Main: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "condense", abstract: "Learned compression of signals, representations and models.",
        subcommands: [
            MethodsCommand.self,
            ReproduceCommand.self,
            RunsCommand.self,
            BenchCommand.self,
            DataCommand.self,
            DoctorCommand.self,
            SAECommand.self,
            CodecCommand.self,
            WaLLoCCommand.self,
            ModelCommand.self,
            ExplainCommand.self,
            DemoCommand.self,
        ])

    static func main() async {
        Engine.keepFreedMemory(upTo: 1 << 29)
        await runFromCommandLine()
    }
}
