import Foundation
import Testing

/// The commands of a sparse autoencoder's life, one after another on a real language model, at the size of seconds.
@Suite(.serialized) struct PipelineTests {
    private static let collect = [
        "sae", "collect", "--text", "prose-small", "--tokens", "2400", "--context-length", "64", "--hook", "blocks.2.hook_resid_post",
        "--shard-megabytes", "1", "--out",
    ]
    private static let train = [
        "sae", "train", "store", "--dictionary-size", "768", "--batch-size", "64", "--set", "training.checkpointEvery=50",
        "--set", "training.logEvery=1",
    ]

    private static func expectSuccess(_ outcome: CondenseProgram.Outcome, _ location: SourceLocation = #_sourceLocation) {
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: location)
    }

    private static func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    @Test func fromTextToSteering() throws {
        let program = try CondenseProgram()
        Self.expectSuccess(try program.run(Self.collect + ["store", "--json", "--quiet"]))
        for (architecture, options) in [("topK", ["--k", "8"]), ("relu", ["--set", "training.architecture.relu.l1Coefficient=0.1"])] {
            let name = "runs/\(architecture)"
            let trained = try program.run(Self.train + ["--architecture", architecture, "--steps", "60", "--out", name, "--quiet", "--json"] + options)
            Self.expectSuccess(trained)
            let outcome = try Self.object(trained.output)
            #expect((outcome["keyNumbers"] as? [Any])?.isEmpty == false)
            #expect(program.exists("\(name)/report.html"))

            let evaluated = try program.run("sae", "eval", name, "--store", "store", "--loss-contexts", "2", "--quiet", "--json")
            Self.expectSuccess(evaluated)
            let evaluation = try Self.object(evaluated.output)
            let reconstruction = try #require(evaluation["reconstruction"] as? [String: Any])
            #expect(try #require(reconstruction["fractionOfVarianceUnexplained"] as? Double) < 1)
            let l0 = try #require(reconstruction["l0"] as? Double)
            #expect(architecture == "topK" ? l0 > 0 && l0 <= 8 : l0 > 8)
            #expect(evaluation["loss"] != nil)
        }

        let converted = try program.run("sae", "convert", "runs/topK", "exported", "--to", "saelens", "--samples", "samples.safetensors", "--json")
        Self.expectSuccess(converted)
        let conversion = try Self.object(converted.output)
        let difference = try #require(conversion["largestDifference"] as? Double), largest = try #require(conversion["largestOutput"] as? Double)
        #expect(difference < 1e-5 * largest && program.exists("samples.safetensors"))
        let unexplained = try ["runs/topK", "exported"].map { name in
            let outcome = try program.run("sae", "eval", name, "--store", "store", "--reconstruction-only", "--quiet", "--json")
            let reconstruction = try #require(try Self.object(outcome.output)["reconstruction"] as? [String: Any], "\(outcome.errors)")
            return try #require(reconstruction["fractionOfVarianceUnexplained"] as? Double)
        }
        #expect(abs(unexplained[0] - unexplained[1]) < 1e-5, "\(unexplained)")

        let features = try program.run("sae", "features", "runs/topK", "--store", "store", "--count", "3", "--out", "features", "--quiet", "--json")
        Self.expectSuccess(features)
        let records = try #require(try JSONSerialization.jsonObject(with: Data(features.output.utf8)) as? [[String: Any]])
        #expect(records.count == 3)
        #expect(program.exists("features/report.html"))
        let index = try #require(records[0]["feature_index"] as? Int)

        let probed = try program.run(
            "sae", "probe", "runs/topK", "--data", "tweet-sentiment", "--training", "8", "--test", "4", "--k", "2", "--ablate", "50", "--quiet", "--json")
        Self.expectSuccess(probed)
        for (measure, featureCount) in [("sparseProbing", 2), ("targetedPerturbation", 50)] {
            let found = try #require(try Self.object(probed.output)[measure] as? [String: Any])
            let classes = try #require(found["classes"] as? [[String: Any]])
            #expect(classes.map { $0["name"] as? String } == ["negative", "neutral", "positive"])
            #expect(classes.allSatisfy { (1...featureCount).contains(($0["features"] as? [Int])?.count ?? 0) })
        }
        let absorbed = try program.run("sae", "absorption", "runs/topK", "--training", "8", "--test", "4", "--quiet", "--json")
        Self.expectSuccess(absorbed)
        let letters = try #require(try Self.object(absorbed.output)["classes"] as? [[String: Any]])
        #expect(letters.count > 15 && letters.allSatisfy { ($0["mainFeatures"] as? [Int])?.isEmpty == false })

        for change in [["--strength", "2"], ["--clamp", "--strength", "3"], ["--ablate"]] {
            let steered = try program.run(
                ["sae", "steer", "runs/topK", "--feature", "\(index)", "--features", "features/features.jsonl", "--prompt", "Once upon a time",
                 "--tokens", "5", "--temperature", "0", "--quiet", "--json"] + change)
            Self.expectSuccess(steered)
            let texts = try Self.object(steered.output)
            #expect((texts["baseline"] as? String)?.isEmpty == false)
            #expect((texts["steered"] as? String)?.isEmpty == false)
        }
    }

    @Test func aPursuitIsShownPickByPick() throws {
        let program = try CondenseProgram()
        Self.expectSuccess(try program.run(Self.collect + ["store", "--quiet"]))
        Self.expectSuccess(
            try program.run(
                Self.train + [
                    "--architecture", "matchingPursuit", "--set", "training.architecture.matchingPursuit.steps=4", "--steps", "30", "--out", "mp",
                    "--quiet",
                ]))
        let path = ["sae", "path", "mp", "--text", "Once upon a time", "--quiet"]
        let shown = try program.run(path + ["--steps", "6", "--json"])
        Self.expectSuccess(shown)
        let tokens = try #require(try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [[String: Any]])
        #expect(tokens.compactMap { $0["text"] as? String }.joined() == "Once upon a time")
        for token in tokens {
            let picks = try #require(token["picks"] as? [[String: Any]])
            let left = try picks.map { try #require($0["residual"] as? Double) }
            #expect((1...6).contains(picks.count) && zip(left, left.dropFirst()).allSatisfy { $0 >= $1 })
        }
        let table = try program.run(path + ["--position", "2", "--residual", "0.9"])
        Self.expectSuccess(table)
        #expect(table.output.contains("upon") && !table.output.contains("Once"), "\(table.output)")
        #expect(try program.run(path + ["--position", "99"]).errors.contains("no token at position 99"))
        #expect(try program.run(path + ["--steps", "0"]).status != 0)

        Self.expectSuccess(try program.run(Self.train + ["--k", "4", "--steps", "2", "--out", "topk", "--quiet"]))
        let other = try program.run("sae", "path", "topk", "--text", "Once", "--quiet")
        #expect(other.status != 0 && other.errors.contains("matchingPursuit"), "\(other.errors)")
    }

    @Test func fromDialoguesToErrorsOfSpecialTokens() throws {
        let program = try CondenseProgram()
        let lines = (0..<40).map { number in
            let answer = (0..<(3 + number % 5)).map { "The answer to question \(number) has part \($0)." }.joined(separator: " ")
            return #"{"messages":[{"role":"user","content":"What is \#(number)?"},{"role":"assistant","content":"\#(answer)"}]}"#
        }
        try lines.joined(separator: "\n").write(to: program.url("chats.jsonl"), atomically: true, encoding: .utf8)
        let collected = try program.run(
            "sae", "collect", "--mode", "dialogues", "--text", "chats.jsonl:messages", "--hook", "blocks.2.hook_resid_post", "--out", "store",
            "--tokens", "100000", "--context-length", "64", "--shard-megabytes", "1", "--quiet", "--json")
        Self.expectSuccess(collected)
        #expect(try Self.object(collected.output)["rows"] as? Int ?? 0 > 40 * 30)
        Self.expectSuccess(try program.run(Self.train + ["--k", "8", "--steps", "60", "--out", "run", "--quiet"]))
        let evaluated = try program.run("sae", "eval", "run", "--store", "store", "--held-out", "0.2", "--loss-contexts", "2", "--quiet", "--json")
        Self.expectSuccess(evaluated)
        let dialogues = try #require(try Self.object(evaluated.output)["dialogues"] as? [String: Any])
        let errors = try #require(dialogues["errors"] as? [[String: Any]])
        let special = try #require(errors.first { $0["group"] as? String == "ordinarySpecial" })
        // <|im_start|> and <|im_end|> around three messages, and the words for roles; the first position is left out.
        #expect(special["dialogueCount"] as? Int == 8 && special["tokenCount"] as? Int ?? 0 >= 8 * 5)
        #expect(special["perDialogue"] as? Double ?? 0 > 0)
    }

    @Test func interruptedTrainingContinuesToTheSameBits() throws {
        let program = try CondenseProgram()
        Self.expectSuccess(try program.run(Self.collect + ["store", "--quiet"]))
        let train = Self.train + ["--k", "8", "--steps", "400", "--quiet"]
        Self.expectSuccess(try program.run(train + ["--out", "whole"]))

        let interrupted = try program.start(train + ["--out", "interrupted"])
        let metrics = program.url("interrupted/metrics.jsonl")
        #expect(interrupted.wait { ((try? Data(contentsOf: metrics))?.count ?? 0) > 1_000 }, "the training was over too soon")
        interrupted.send(SIGINT)
        let stopped = try interrupted.outcome()
        #expect(stopped.status == 130)
        #expect(stopped.errors.contains("condense sae train --resume interrupted"), "\(stopped.errors)")
        // A run's own settings hold when it goes on.
        #expect(try program.run("sae", "train", "--resume", "interrupted", "--k", "9").status != 0)

        Self.expectSuccess(try program.run("sae", "train", "--resume", "interrupted", "--quiet"))
        #expect(try program.files(below: "interrupted/sae") == program.files(below: "whole/sae"))
        #expect(try Data(contentsOf: metrics) == Data(contentsOf: program.url("whole/metrics.jsonl")))
        #expect(try program.run("runs", "list").output.contains("finished"))
    }

    @Test func killedCollectingContinuesToTheSameBytes() throws {
        let program = try CondenseProgram()
        Self.expectSuccess(try program.run(Self.collect + ["whole", "--quiet"]))

        let killed = try program.start(Self.collect + ["killed", "--quiet"])
        let shards = { (try? FileManager.default.contentsOfDirectory(atPath: program.url("killed").path).count { $0.hasSuffix(".safetensors") }) ?? 0 }
        #expect(killed.wait { shards() > 0 }, "collecting was over too soon")
        killed.send(SIGKILL)
        #expect(try killed.outcome().status == 128 + SIGKILL)
        // Nothing is overwritten without being asked to, and a store in the making is not trained on.
        #expect(try program.run(Self.collect + ["killed", "--quiet"]).status != 0)
        #expect(try program.run("sae", "train", "killed", "--quiet", "--out", "run").status != 0)

        Self.expectSuccess(try program.run(Self.collect + ["killed", "--resume", "--quiet"]))
        #expect(try program.files(below: "killed") == program.files(below: "whole"))
    }
}
