public import ArgumentParser
import Experiments
import Foundation
public import ModelCompression
import Networks

extension ChannelCriterion: ExpressibleByArgument {}
extension PruningPlan.Scope: ExpressibleByArgument {}
extension PruningGoal.Means: ExpressibleByArgument {}

/// A pattern as it is typed: `single`, `4x1`, `2:4`.
struct PatternArgument: ExpressibleByArgument {
    let pattern: SparsityPattern

    init?(argument: String) {
        func pair(_ separator: Character) -> (Int, Int)? {
            let numbers = argument.split(separator: separator, omittingEmptySubsequences: false).map { Int($0) }
            guard numbers.count == 2, let first = numbers[0], let second = numbers[1], first > 0, second > 0 else { return nil }
            return (first, second)
        }
        if argument == "single" {
            pattern = .unstructured
        } else if let (rows, columns) = pair("x") {
            pattern = .blocks(rows: rows, columns: columns)
        } else if let (kept, group) = pair(":"), kept < group {
            pattern = .kept(kept, of: group)
        } else {
            return nil
        }
    }
}

struct ModelPruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Make a network smaller: weights become zero, or channels are cut.",
        discussion: """
            Say what is to be saved by one of the goals, as the part that goes: 0.9 leaves a tenth. Single weights become zero for --sparsity; channels are cut
            for --channels and --multiply-adds; for the others weights become zero unless --by channels is given.

            With --steps the network is trained on --data while what is to go goes along a cubic curve, and after it. Without, all goes at once. The
            run directory gets the network (network/), and a report of size, time and quality before and after. The network that is read stays as it is.

            Examples:
              condense model prune runs/notes --sparsity 0.9 --data notes.txt --steps 1000
              condense model prune runs/cells --multiply-adds 0.5 --criterion taylor --data cells/ --steps 200
              condense model prune resnet18.pth --file-size 0.6 --pattern 4x1
              condense model prune efficientnet-lite0 --latency 0.3 --by channels --criterion weight
            """)

    @Argument(help: "Run, folder of an exported network, file of weights, or vision model of the catalogue.")
    var network: String?

    @Option(help: ArgumentHelp("Part of the weights that may be pruned which is to be zero.", valueName: "part"))
    var sparsity: Double?

    @Option(help: ArgumentHelp("Part of the channels that can be cut.", valueName: "part"))
    var channels: Double?

    @Option(help: ArgumentHelp("Part of all weights.", valueName: "part"))
    var parameters: Double?

    @Option(help: ArgumentHelp("Part of the multiplications.", valueName: "part"))
    var multiplyAdds: Double?

    @Option(help: ArgumentHelp("Part of the time for one example, measured here.", valueName: "part"))
    var latency: Double?

    @Option(help: ArgumentHelp("Part of the file of weights.", valueName: "part"))
    var fileSize: Double?

    @Option(help: "weights become zero, or channels are cut.")
    var by: PruningGoal.Means?

    @Option(help: "Which weights go together: single, blocks such as 4x1, or a number of each group that stays, such as 2:4 (default: single).")
    var pattern: PatternArgument?

    @Option(help: "Whether the smallest weights are looked for in each layer or in the whole network (default: layer).")
    var scope: PruningPlan.Scope?

    @Option(help: "Which channels go first (default: taylor; weight without data).")
    var criterion: ChannelCriterion?

    @Option(help: "Rules of relevance (default: z-plus).")
    var rule: RulePreset?

    @Option(help: ArgumentHelp("Part of its channels that a layer loses at most (default: 0.8).", valueName: "part"))
    var largestPart: Double?

    @Option(help: ArgumentHelp("Examples of each class that the criterion is measured on (default: 10).", valueName: "count"))
    var references: Int?

    @OptionGroup(title: "Data") var data: NetworkDataOptions

    @Option(help: ArgumentHelp("Height and width of pictures (default: the network's own).", valueName: "pixels"))
    var imageSize: Int?

    @Option(help: "Optimiser steps (default: 0, no training).")
    var steps: Int?

    @Option(help: "Examples per step (default: 16).")
    var batchSize: Int?

    @Option(help: "Learning rate (default: 0.0003).")
    var learningRate: Double?

    @OptionGroup var options: RunOptions

    private var goals: [(measure: PruningGoal.Measure, part: Double)] {
        [
            (.sparsity, sparsity), (.channels, channels), (.parameters, parameters), (.multiplyAdds, multiplyAdds), (.latency, latency), (.fileBytes, fileSize),
        ].compactMap { measure, part in part.map { (measure, $0) } }
    }

    func validate() throws {
        let ownOptions: [Any?] = [network, by, pattern, scope, criterion, rule, largestPart, references, imageSize, steps, batchSize, learningRate]
        if options.resume != nil, data.isGiven || !goals.isEmpty || ownOptions.contains(where: { $0 != nil }) {
            throw ValidationError("--resume continues a run with the settings it has; leave out the network, the goal, the data and all settings")
        }
        if goals.count > 1 { throw ValidationError("give one goal: --sparsity, --channels, --parameters, --multiply-adds, --latency or --file-size") }
    }

    /// Defaults as far as options choose them, before `--config` and `--set`.
    private var defaults: NetworkPruningConfiguration {
        var defaults = NetworkPruningConfiguration()
        if let goal = goals.first {
            let needsChannels = goal.measure == .channels || goal.measure == .multiplyAdds
            defaults.goal = PruningGoal(by ?? (needsChannels || criterion != nil ? .channels : .weights), goal.measure, less: goal.part)
        } else if let by {
            defaults.goal.means = by
        }
        if let pattern { defaults.pattern = pattern.pattern }
        if let scope { defaults.scope = scope }
        if data.data == nil { defaults.criterion = .weight }
        if let criterion { defaults.criterion = criterion }
        if let rule { defaults.rule = rule }
        if let largestPart { defaults.largestPart = largestPart }
        if let references { defaults.references = references }
        if let name = data.data {
            var found = NetworkDataConfiguration(name)
            (found.test, found.limit) = (data.test, data.limit)
            defaults.data = found
        }
        return defaults
    }

    func run() throws {
        var options = options
        options.change("network", toText: network)
        if let imageSize { options.changes.append("imageSize=\(imageSize)") }
        options.changes += trainingChanges(steps: steps, batchSize: batchSize, learningRate: learningRate)
        let outcome = try options.execute(
            command: "model prune", title: "Pruned network", defaults: defaults,
            prepare: { configuration in
                let progress = options.output.progress()
                if let data = configuration.data { try NetworkDataOptions.fetch(data, progress) }
                if !FileManager.default.fileExists(atPath: configuration.network) { try CommandSession.fetch(configuration.network, progress) }
                // What cannot be pruned is refused before a run directory is made.
                try configuration.check()
            }
        ) { session in
            try pruneNetwork(
                session.configuration, settings: session.settings, run: session.run, progress: session.progress, cancellation: session.cancellation)
        }
        try options.printOutcome(outcome)
    }
}
