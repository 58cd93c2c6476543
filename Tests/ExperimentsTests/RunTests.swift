import Experiments
import Foundation
import Testing

@Suite struct RunTests {
    @Test func directoryHoldsEverything() throws {
        try withTemporaryDirectory { parent in
            let directory = parent.appending(path: "run")
            let run = try Run.toy(directory)
            try run.log(["loss": 0.5, "b/c": .nan, "a": 3], step: 1)
            try run.log(["loss": 0.25], step: 2)
            try run.finish(Report(title: "Done", blocks: [.keyNumbers([KeyNumber(label: "Loss", value: "0.25")])]))

            #expect(
                try directory.appending(path: "metrics.jsonl").contents()
                    == "{\"step\":1,\"a\":3,\"b/c\":null,\"loss\":0.5}\n{\"step\":2,\"loss\":0.25}\n")
            #expect(try Run.configuration(ToyConfiguration.self, of: directory) == Run.toyConfiguration)
            let record = try RunRecord.read(directory)
            #expect(record.state == .finished && record.step == 2 && record.command == ["toy", "run"])
            #expect(record.keyNumbers == [KeyNumber(label: "Loss", value: "0.25")])
            let environment = try JSONDecoder().decode(
                RunEnvironment.self, from: Data(contentsOf: directory.appending(path: "environment.json")))
            #expect(environment.versions["condense"] == condenseVersion && environment.settings.seed == 1)
            let names = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
            #expect(
                names == [
                    ".lock", "checkpoints", "config.yaml", "environment.json", "metrics.jsonl", "report.html", "run.json",
                    "tensorboard",
                ])
        }
    }

    @Test func directoryInUseIsRefused() throws {
        try withTemporaryDirectory { directory in
            let run = try Run.toy(directory)
            #expect(throws: StorageError.self) { try Run.toy(directory) }
            #expect { try Run.resume(directory) } throws: { "\($0)".hasSuffix("another process is working on this run") }
            #expect(try RunRecord.read(directory).state == .running)
            try run.finish(Report(title: "Done"))
        }
        try withTemporaryDirectory { directory in
            try Data().write(to: directory.appending(path: "thesis.tex"))
            #expect { try Run.toy(directory) } throws: { "\($0)".contains("the directory is not empty") }
            #expect { try Run.resume(directory) } throws: { "\($0)".contains("this is not a run directory") }
        }
    }

    @Test func finishedRunsAreNotResumed() throws {
        try withTemporaryDirectory { directory in
            try Run.toy(directory).finish(Report(title: "Done"))
            #expect { try Run.resume(directory) } throws: { "\($0)".contains("this run is finished") }
        }
    }

    @Test func resumingCutsMetricsToTheCheckpoint() throws {
        try withTemporaryDirectory { directory in
            let events = directory.appending(path: "tensorboard/events.out.tfevents.condense")
            var sizes: [Int] = []
            do {
                let run = try Run.toy(directory)
                for step in 1...5 {
                    try run.log(["loss": 1 / Double(step)], step: step)
                    try run.log(histogram: [1, 2, Float(step)], named: "h", step: step)
                    if step == 3 { try run.saveCheckpoint(step: 3) { try $0.write(["next": 4]) } }
                    sizes.append(try Data(contentsOf: events).count)
                }
            }
            // The process has gone without a word.
            #expect(try RunRecord.read(directory).state == .interrupted)
            let run = try Run.resume(directory)
            let checkpoint = try #require(run.resumedFrom)
            #expect(checkpoint.step == 3)
            #expect(try checkpoint.state([String: Int].self) == ["next": 4])
            #expect(try MetricWriter.read(directory).map(\.step) == [1, 2, 3])
            #expect(try Data(contentsOf: events).count == sizes[2])
        }
    }

    @Test func withoutACheckpointARunBeginsAnew() throws {
        try withTemporaryDirectory { directory in
            do { try Run.toy(directory).log(["loss": 1], step: 1) }
            let run = try Run.resume(directory)
            #expect(run.resumedFrom == nil)
            #expect(try MetricWriter.read(directory).isEmpty)
        }
    }

    @Test(arguments: ["truncate", "flip", "remove", "manifest", "empty"])
    func damagedCheckpointsAreLeftOut(damage: String) throws {
        try withTemporaryDirectory { directory in
            do {
                let run = try Run.toy(directory)
                run.checkpointsKept = 3
                for step in [10, 20, 30, 40] {
                    try run.log(["loss": 1], step: step)
                    try run.saveCheckpoint(step: step) { try $0.write(["a": Array(0..<step)]) }
                }
                try run.markInterrupted()
            }
            let checkpoints = directory.appending(path: "checkpoints")
            let newest = checkpoints.appending(path: "step-000000040")
            let file = newest.appending(path: damage == "manifest" ? "manifest.json" : "state.json")
            var data = try Data(contentsOf: file)
            switch damage {
            case "flip": data[data.count / 2] ^= 4
            case "empty": data = Data()
            default: data.removeLast(3)
            }
            if damage == "remove" { try FileManager.default.removeItem(at: file) } else { try data.write(to: file) }

            let run = try Run.resume(directory)
            #expect(run.resumedFrom?.step == 30)
            #expect(try MetricWriter.read(directory).map(\.step) == [10, 20, 30])
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: checkpoints.path).sorted()
                    == ["step-000000020", "step-000000030"])
        }
    }

    @Test func failedCheckpointLeavesTheLastOne() throws {
        struct Oops: Error {}
        try withTemporaryDirectory { directory in
            let run = try Run.toy(directory)
            try run.saveCheckpoint(step: 1) { try $0.write([1]) }
            #expect(throws: Oops.self) {
                try run.saveCheckpoint(step: 2) { writer in
                    try writer.write([2])
                    throw Oops()
                }
            }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: directory.appending(path: "checkpoints").path)
                    == ["step-000000001"])
        }
    }

    @Test func recordsOfOtherProgramsAreErrors() throws {
        try withTemporaryDirectory { directory in
            for text in ["", "{", "[]", "{\"version\": 1}", "{\"version\": 99}"] {
                try Data(text.utf8).write(to: directory.appending(path: "run.json"))
                #expect(throws: StorageError.self) { try RunRecord.read(directory) }
            }
        }
    }

    @Test func tornLastLineOfMetricsIsLeftOut() throws {
        try withTemporaryDirectory { directory in
            let file = directory.appending(path: "metrics.jsonl")
            try Data("{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo".utf8).write(to: file)
            #expect(try MetricWriter.read(directory).map(\.values) == [["loss": 2]])
            try Data("{\"step\":1,\"lo\n{\"step\":2}\n".utf8).write(to: file)
            #expect { try MetricWriter.read(directory) } throws: { "\($0)".contains("line 1 is not a JSON object") }
        }
    }

    @Test func indexFollowsTheDirectories() throws {
        try withTemporaryDirectory { parent in
            let index = try RunIndex(parent.appending(path: "data/runs.sqlite"))
            let first = parent.appending(path: "a"), second = parent.appending(path: "deep/b")
            do {
                try Run.toy(first, index: index).finish(Report(title: "Done"))
                _ = try Run.toy(second, index: index, method: "other")
            }
            #expect(try Set(index.entries().map(\.directory.lastPathComponent)) == ["a", "b"])
            #expect(try index.entries(state: .interrupted).map(\.record.method) == ["other"])
            #expect(try index.entries(method: "toy").map(\.record.state) == [.finished])
            try FileManager.default.removeItem(at: first)
            #expect(try index.entries().count == 1)

            let rebuilt = try RunIndex(parent.appending(path: "other.sqlite"))
            #expect(try rebuilt.rebuild(from: [parent]) == 1)
            #expect(try rebuilt.entries().map(\.directory.lastPathComponent) == ["b"])
        }
    }

    @Test func indexServesSeveralWriters() async throws {
        let parent = FileManager.default.temporaryDirectory.appending(path: "condense-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: parent) }
        let database = parent.appending(path: "runs.sqlite")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    let index = try RunIndex(database)
                    for run in 0..<5 {
                        try Run.toy(parent.appending(path: "\(writer)-\(run)"), index: index).finish(Report(title: ""))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try RunIndex(database).entries().count == 40)
    }

    @Test func damagedIndexSaysWhatToDo() throws {
        try withTemporaryDirectory { parent in
            let database = parent.appending(path: "runs.sqlite")
            try Data(String(repeating: "not a database ", count: 500).utf8).write(to: database)
            #expect { try RunIndex(database) } throws: { "\($0)".contains("condense runs reindex") }
        }
    }
}
