import Experiments
import Foundation
import Testing
import Suggestions

/// Every form a setting can take.
private struct Settings: RunConfiguration {
    struct Train: Codable, Sendable, Equatable {
        var steps = 1_000
        var learningRate = 3e-4
        var warmup: Int?
    }

    enum Penalty: Codable, Sendable, Equatable {
        case none
        case l1(coefficient: Double)
        case topK(k: Int)
    }

    enum Schedule: String, Codable, Sendable { case constant, cosine }

    var model = "small"
    var train = Train()
    var penalty = Penalty.topK(k: 32)
    var schedule = Schedule.cosine
    var layers = [4, 8]
    var note: String?
    var normalise = true
    var scale: Float = 0.1

    init() {}

    func validate() throws(ConfigurationError) {
        try ConfigurationError.require(train.steps > 0, "train.steps", "must be positive", found: train.steps)
    }
}

private func resolve(_ yaml: String? = nil, _ overrides: [String] = []) throws -> ResolvedConfiguration<Settings> {
    try withTemporaryDirectory { directory in
        let file = directory.appending(path: "config.yaml")
        if let yaml { try Data(yaml.utf8).write(to: file) }
        return try ConfigurationSource(file: yaml == nil ? nil : file, overrides: overrides)
            .resolve(settings: RunSettings(threads: 2))
    }
}

private func sentence(_ yaml: String? = nil, _ overrides: [String] = []) -> String {
    do {
        _ = try resolve(yaml, overrides)
        return "no error"
    } catch {
        return "\(error)"
    }
}

@Suite struct ConfigurationTests {
    @Test func partialFilesKeepDefaults() throws {
        let resolved = try resolve("train:\n  steps: 16_384\nnote: 'a: b'\nrun: {seed: 7}\n")
        var expected = Settings()
        expected.train.steps = 16_384
        expected.note = "a: b"
        #expect(resolved.configuration == expected)
        #expect(resolved.settings == RunSettings(seed: 7, threads: 2))
    }

    @Test func overridesComeLastAndInOrder() throws {
        let resolved = try resolve(
            "train: {steps: 5}", ["train.steps=6", "train.steps=1e3", "layers=[1, 2, 3]", "run.seed=3", "note=x=y"])
        #expect(resolved.configuration.train.steps == 1_000)
        #expect(resolved.configuration.layers == [1, 2, 3])
        #expect(resolved.configuration.note == "x=y")
        #expect(resolved.settings.seed == 3)
    }

    @Test func caseOfAnEnumerationReplacesTheDefault() throws {
        #expect(try resolve("penalty: {l1: {coefficient: 0.5}}").configuration.penalty == .l1(coefficient: 0.5))
        #expect(try resolve(nil, ["penalty.l1.coefficient=2"]).configuration.penalty == .l1(coefficient: 2))
        #expect(try resolve("penalty: {topK: {k: 8}}").configuration.penalty == .topK(k: 8))
        #expect(try resolve("penalty: {none: {}}").configuration.penalty == .none)
    }

    @Test func writtenSettingsReadBackEqual() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var settings = Settings()
            settings.train.learningRate = Double(bitPattern: random.next(upperBound: 0x7FE << 52))
            settings.scale = Float(settings.train.learningRate.significand) * 1e-3
            settings.note = ["yes", "null", "~", "1", "1e3", "a\nb: c", "é\u{1F600}", "", "# no", "'", "*a &b", "- x", "\u{7F}\u{85}\u{FEFF}\u{2028}\r\t", "C:\\x \"q\"", ".5", "0x1"].randomElement()
            settings.penalty = [.none, .l1(coefficient: 1 / 3), .topK(k: 3)].randomElement()!
            settings.layers = [[], [1], [1, -2]].randomElement()!
            settings.train.warmup = 3
            let written = ResolvedConfiguration(
                configuration: settings, settings: RunSettings(seed: .max, threads: 3, device: "cuda:1"))
            let yaml = try written.yaml()
            #expect(try resolve(yaml) == written, "\(yaml)")
        }
    }

    @Test(arguments: [
        ("# a comment\ntrian:\n  steps: 3\n", "config.yaml, line 2: unknown key 'trian'; did you mean 'train'?"),
        ("train:\n  steps: 3\n  learning_rate: 1\n", "config.yaml, line 3: unknown key 'learning_rate' in 'train'; did you mean 'learningRate'?"),
        ("train:\n  zebra: 3\n", "config.yaml, line 2: unknown key 'zebra' in 'train'; known keys are learningRate, steps, warmup"),
        ("train:\n  steps: many\n", "config.yaml, line 2: train.steps must be a whole number, found 'many'"),
        ("train:\n  steps: 1.5\n", "config.yaml, line 2: train.steps must be a whole number, found '1.5'"),
        ("train: {steps: 1e300}", "config.yaml, line 1: train.steps must be a whole number between -9223372036854775808 and 9223372036854775807, found '1e300'"),
        ("train:\n  steps: [1]\n", "config.yaml, line 2: train.steps must be a whole number, found a list"),
        ("train: 3\n", "config.yaml, line 1: train must be a mapping of keys to values, found '3'"),
        ("layers:\n- 1\n- x\n", "config.yaml, line 3: layers[1] must be a whole number, found 'x'"),
        ("normalise: yes\n", "config.yaml, line 1: normalise must be true or false, found 'yes'"),
        ("run: {seed: -1}\n", "config.yaml, line 1: run.seed must be a whole number between 0 and 18446744073709551615, found '-1'"),
        ("run: {threads: 0}\n", "config.yaml, line 1: run.threads must be between 1 and 4096, found 0"),
        ("\ntrain: {steps: -3}\n", "config.yaml, line 2: train.steps must be positive, found -3"),
        ("model: a\nmodel: b\n", "config.yaml, line 1: the key 'model' is given twice"),
        ("- 1\n", "config.yaml: expected keys and values, found a list"),
        ("a: &x [1]\nb: *x\n", "config.yaml, line 2: anchors and aliases (&name, *name) are not supported; write the value out"),
        ("? [1]\n: 2\n", "config.yaml, line 1: a key must be a plain word"),
    ])
    func wrongFilesAreOneSentence(yaml: String, expected: String) {
        #expect(sentence(yaml) == expected)
    }

    @Test(arguments: [
        ("train.stops=3", "--set train.stops=3: unknown key 'stops' in 'train'; did you mean 'steps'?"),
        ("train.steps=", "--set train.steps=: train.steps must be a whole number, found nothing"),
        ("train.steps", "--set train.steps: expected key.path=value, e.g. train.steps=1000"),
        ("=3", "--set =3: expected key.path=value, e.g. train.steps=1000"),
        ("train..steps=3", "--set train..steps=3: 'train..steps' is not a key path such as train.steps"),
        ("train.steps=0", "--set train.steps=0: train.steps must be positive, found 0"),
        ("schedule=linear", "--set schedule=linear: schedule cannot be read: Cannot initialize Schedule from invalid String value linear"),
    ])
    func wrongOverridesAreOneSentence(override: String, expected: String) {
        #expect(sentence(nil, [override]) == expected)
    }

    /// Each of these has made a YAML reader somewhere run out of memory, stack or time.
    @Test func hostileFilesAreErrors() {
        var bomb = "a0: &a0 [x, x]\n"
        for level in 1...40 { bomb += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(sentence(bomb).contains("anchors and aliases"))
        #expect(sentence(bomb + "? *a40\n: 1\n").contains("anchors and aliases"))
        for opening in ["[", "{a: ", "- ", "? "] {
            for count in [49, 900, 100_000] {
                let message = sentence("layers:\n  " + String(repeating: opening, count: count))
                #expect(message.contains("config") && message.count < 400, "\(opening) × \(count): \(message)")
            }
        }
        let closed = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        #expect(sentence("layers: \(closed)") == "config.yaml, line 1: values are nested more than 48 levels deep")
        #expect(sentence("x: [" + String(repeating: "1,", count: 120_000) + "]").contains("at most 20000 values"))
        #expect(sentence(String(repeating: "# long\n", count: 100_000)).contains("at most 256 KiB"))
        #expect(sentence("model: \"\\ud800\"\n").contains("not valid YAML"))
        #expect(sentence("model: [\n").contains("not valid YAML"))
        #expect(sentence("model: !!binary x\n---\nb: 1\n").contains("config.yaml"))
    }

    @Test func unreadableFilesAreErrors() throws {
        func message(_ path: String) -> String {
            do {
                _ = try ConfigurationSource(file: URL(filePath: path)).resolve(Settings())
                return "no error"
            } catch { return "\(error)" }
        }
        #expect(message("/nowhere.yaml") == "/nowhere.yaml: the configuration file cannot be read; check the path")
        #expect(message("/dev/zero").contains("at most 256 KiB"))
        try withTemporaryDirectory { directory in
            let file = directory.appending(path: "latin.yaml")
            try Data([0x61, 0x3A, 0x20, 0xE9, 0xFF]).write(to: file)
            #expect(message(file.path).hasSuffix("this is not UTF-8 text; expected a YAML file"))
            #expect(message(directory.path).hasSuffix("the configuration file cannot be read; check the path"))
        }
    }

    @Test func nearestNames() {
        let names = ["learningRate", "steps", "dictionarySize", "k"]
        #expect(nearestName(to: "learning-rate", among: names) == "learningRate")
        #expect(nearestName(to: "setps", among: names) == "steps")
        #expect(nearestName(to: "K", among: names) == "k")
        #expect(nearestName(to: "temperature", among: names) == nil)
        #expect(nearestName(to: String(repeating: "x", count: 1 << 20), among: names) == nil)
    }
}
