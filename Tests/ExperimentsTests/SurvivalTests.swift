import Experiments
import Foundation
import Testing
import Torch

/// A small training with everything a real one has: generator, momentum, metrics, checkpoints.
///
/// Resumes if `directory` holds a run.
private func train(in directory: URL) throws {
    struct Position: Codable { var sample: Int }
    // A process may be killed before its run exists.
    let isNew = !FileManager.default.fileExists(atPath: directory.appending(path: "run.json").path)
    let run = try isNew ? Run.toy(directory) : Run.resume(directory)
    let steps = try Run.configuration(ToyConfiguration.self, of: directory).configuration.steps
    let generator = RandomGenerator(seed: 5)
    var weights = Tensor.normal([32, 8], generator: generator)
    var momentum = Tensor.zeros([32, 8])
    var sample = 0
    if let checkpoint = run.resumedFrom {
        let tensors = try checkpoint.tensors(named: "model")
        weights = try #require(tensors["weights"])
        momentum = try #require(tensors["momentum"])
        generator.state = try #require(tensors["generator"])
        sample = try checkpoint.state(Position.self).sample
    }
    for step in (run.resumedFrom?.step ?? 0) + 1..<steps + 1 {
        let noise = Tensor.normal([32, 8], generator: generator)
        momentum = momentum * 0.9 + (weights + noise)
        weights = weights - momentum * 0.05
        sample += 16
        try run.log(["loss": Double((weights * weights).sum().scalars(as: Float.self)[0]), "sample": Double(sample)], step: step)
        if step % 7 == 0 || step == steps {
            try run.saveCheckpoint(step: step) { writer in
                try writer.write(["weights": weights, "momentum": momentum, "generator": generator.state], named: "model")
                try writer.write(Position(sample: sample))
            }
        }
    }
    try run.finish(Report(title: "Toy"))
}

/// All files below a directory with their contents.
private func files(below directory: URL) throws -> [String: Data] {
    let paths = try FileManager.default.subpathsOfDirectory(atPath: directory.path)
    return Dictionary(
        uniqueKeysWithValues: paths.compactMap { path in
            (try? Data(contentsOf: directory.appending(path: path))).map { (path, $0) }
        })
}

@Suite struct SurvivalTests {
    @Test func killedRunsEndLikeUninterruptedOnes() async throws {
        let parent = FileManager.default.temporaryDirectory.appending(path: "condense-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: parent) }
        let reference = parent.appending(path: "reference"), killed = parent.appending(path: "killed")
        try train(in: reference)
        let path = killed.path
        for attempt in 1...8 {
            let microseconds = UInt32.random(in: 2_000...40_000)
            await #expect(processExitsWith: .signal(SIGKILL), "attempt \(attempt)") { [path = path as String, microseconds = microseconds as UInt32] in
                Thread.detachNewThread {
                    usleep(microseconds)
                    kill(getpid(), SIGKILL)
                }
                // A run that ends before it is killed waits for it.
                try? train(in: URL(filePath: path))
                sleep(60)
            }
            if (try? RunRecord.read(killed))?.state == .finished { break }
        }
        if (try? RunRecord.read(killed))?.state != .finished { try train(in: killed) }

        let metrics = try killed.appending(path: "metrics.jsonl").contents()
        #expect(try metrics == reference.appending(path: "metrics.jsonl").contents())
        #expect(metrics.split(separator: "\n").count == 60)
        let checkpoints = try files(below: killed.appending(path: "checkpoints"))
        let expected = try files(below: reference.appending(path: "checkpoints"))
        #expect(checkpoints.keys.sorted() == expected.keys.sorted())
        #expect(checkpoints == expected)
        #expect(checkpoints.keys.contains("step-000000060/model.safetensors"))
    }

    /// A limit on the size of files stands for a full disk: writes end in the middle.
    @Test func fullDiskIsOneErrorAndNothingHalfWritten() async throws {
        let parent = FileManager.default.temporaryDirectory.appending(path: "condense-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: parent) }
        let path = parent.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            let directory = URL(filePath: path)
            let run = try Run.toy(directory)
            try run.log(["loss": 1], step: 1)
            try run.saveCheckpoint(step: 1) { try $0.write([1]) }
            signal(SIGXFSZ, SIG_IGN)
            #if canImport(Darwin)
            let resource = RLIMIT_FSIZE
            #else
            let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
            #endif
            var limit = rlimit(rlim_cur: 2_000, rlim_max: 2_000)
            guard setrlimit(resource, &limit) == 0 else { throw RunInterrupted() }

            let before = run.record
            #expect { try run.saveCheckpoint(step: 2) { try $0.write(Array(0..<10_000)) } } throws: { error in
                "\(error)".contains("could not write") && "\(error)".contains("state.json")
            }
            #expect { try run.write(Report(title: String(repeating: "x", count: 5_000))) } throws: { error in
                "\(error)".contains("report.html")
            }
            #expect(throws: StorageError.self) {
                for step in 2..<1_000 { try run.log(["loss": 0.123456789], step: step) }
            }
            #expect(before.step == 1)
            exit(EXIT_SUCCESS)
        }
        let names = try FileManager.default.subpathsOfDirectory(atPath: path)
        #expect(!names.contains { $0.hasSuffix(".tmp") })
        #expect(!names.contains("report.html"))
        #expect(names.filter { $0.hasPrefix("checkpoints/step-") && $0.hasSuffix("json") }.count == 2)
        let text = try URL(filePath: path).appending(path: "metrics.jsonl").contents()
        #expect(text.hasSuffix("}\n"))
        #expect(try MetricWriter.read(URL(filePath: path)).count == text.split(separator: "\n").count)
        #expect(try Run.resume(URL(filePath: path)).resumedFrom?.step == 1)
    }
}
