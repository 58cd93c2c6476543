import ArgumentParser
import Foundation

extension AsyncParsableCommand {
    /// Parses and runs the command line; errors are one sentence `condense: …` on standard error.
    static func runFromCommandLine() async -> Never {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            Self.exit()
        } catch let code as ExitCode {
            Foundation.exit(code.rawValue)
        } catch {
            let code = exitCode(for: error)
            guard code != .success else { Self.exit(withError: error) }
            if code == .validationFailure {
                let lines = message(for: error).split(separator: "\n").map(String.init)
                Terminal.error("\(lines.joined(separator: " ")) (`condense --help` and `condense <command> --help` explain)")
            } else {
                Terminal.error(sentence(for: error))
            }
            Foundation.exit(code.rawValue)
        }
    }

    /// Our errors describe themselves in a sentence; those of Foundation keep it in another place.
    private static func sentence(for error: any Error) -> String {
        let text = (error as? CocoaError)?.localizedDescription ?? "\(error)"
        return text.split(separator: "\n").joined(separator: " ")
    }
}
