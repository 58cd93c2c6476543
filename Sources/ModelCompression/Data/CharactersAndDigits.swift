internal import Datasets
internal import Experiments
internal import Foundation
package import Torch

/// Prose as ids of characters, parts of different documents to train on, to choose by and to measure on.
package struct CharacterText {
    package struct Setting: Sendable, Equatable {
        package var source = "prose-small"
        package var trainingCharacters = 1_000_000
        /// To choose by, and as many to measure on.
        package var heldOutCharacters = 50_000
        /// Rarer characters share an id.
        package var fewestOccurrences = 50
    }

    package let characters: [Character]
    /// int64 [n].
    package let training: Tensor
    package let validation: Tensor
    package let test: Tensor

    /// One id for all that is rare, and one of each character.
    package var vocabularySize: Int { characters.count + 1 }

    package init(training: String, validation: String, test: String, fewestOccurrences: Int) {
        let vocabulary = CharacterVocabulary(of: training, fewestOccurrences: fewestOccurrences)
        characters = vocabulary.characters
        (self.training, self.validation, self.test) = (vocabulary.ids(training), vocabulary.ids(validation), vocabulary.ids(test))
    }

    /// Fetches the text if needed.
    init(_ setting: Setting, progress: any ProgressReporter) throws {
        progress.message("Text: the data item \(setting.source)")
        _ = try DataStore().fetch(setting.source)
        func read(_ subset: Subset, _ counts: [Int]) throws -> [String] {
            let reader = try DocumentReader(.catalog(setting.source), order: .shuffled(seed: 0), subset: subset)
            return try counts.map { try Self.read(reader, $0) }
        }
        let training = try read(.training(heldOut: 0.1), [setting.trainingCharacters])
        let heldOut = try read(.heldOut(0.1), [setting.heldOutCharacters, setting.heldOutCharacters])
        self.init(training: training[0], validation: heldOut[0], test: heldOut[1], fewestOccurrences: setting.fewestOccurrences)
    }

    /// Documents behind each other until there are so many characters.
    private static func read(_ reader: DocumentReader, _ count: Int) throws -> String {
        var text = "", length = 0
        while length < count, let document = try reader.next() {
            let part = document.text.prefix(count - length) + "\n\n"
            text += part
            length += part.count
        }
        return text
    }

    /// The text of a source, its end or that of another held back.
    /// - Parameters:
    ///   - test: another source to measure on.
    ///   - heldOut: the part of the text that is held back where there is none.
    ///   - limit: characters of each source at most.
    static func parts(of source: String, test: String?, heldOut: Double, limit: Int?, seed: UInt64) throws -> (training: String, test: String) {
        let text = try whole(source, limit: limit, seed: seed)
        if let test { return (text, try whole(test, limit: limit, seed: seed)) }
        let held = Int(Double(text.count) * heldOut)
        return (String(text.dropLast(held)), String(text.suffix(held)))
    }

    /// All documents of a source behind each other, in an order drawn by a seed.
    static func whole(_ source: String, limit: Int?, seed: UInt64) throws -> String {
        try read(DocumentReader(TextSource(source), order: .shuffled(seed: seed)), limit ?? .max)
    }
}

/// Which characters the ids of a text stand for.
struct CharacterVocabulary {
    /// By their ids, which begin with 1; 0 is any other.
    let characters: [Character]
    private let ids: [Character: Int]

    init(_ characters: [Character]) {
        self.characters = characters
        ids = Dictionary(characters.enumerated().map { ($1, $0 + 1) }) { first, _ in first }
    }

    /// Of the characters that occur often enough.
    init(of text: String, fewestOccurrences: Int = 50) {
        var counts: [Character: Int] = [:]
        for character in text { counts[character, default: 0] += 1 }
        self.init(counts.filter { $0.value >= fewestOccurrences }.keys.sorted())
    }

    /// int64 [n].
    func ids(_ text: String) -> Tensor { Tensor(text.map { ids[$0] ?? 0 }) }
}

/// Pictures of handwritten digits (LeCun et al. 1998) as vectors of 784 numbers, 0…1.
package struct DigitExamples {
    package let all: Examples

    package init(_ all: Examples) { self.all = all }

    /// Fetches the data item `mnist-5k` if needed.
    init(progress: any ProgressReporter) throws {
        progress.message("Digits: the data item mnist-5k")
        let path = try DataStore().fetch("mnist-5k").mainFile.path
        var pixels: [Float] = [], digits: [Int] = []
        for line in try String(contentsOfFile: path, encoding: .utf8).split(whereSeparator: \.isNewline) {
            let values = line.split(separator: ",").compactMap { UInt8($0) }
            guard values.count == 785, values[784] < 10 else {
                throw FileFormatError(path: path, format: "a table of digits", problem: "line \(digits.count + 1) does not hold 784 pixels and a digit")
            }
            pixels += values.dropLast().map { Float($0) / 255 }
            digits.append(Int(values[784]))
        }
        self.init(Examples(inputs: Tensor(pixels, shape: [digits.count, 784]), targets: Tensor(digits)))
    }

    /// Disjoint parts drawn by a seed: seven tenths to train on, one to choose by, two to measure on.
    package func split(seed: UInt64) -> (training: Examples, validation: Examples, test: Examples) {
        var random = SplitMix64(seed: seed, stream: -1)
        let order = random.permutation(all.count), first = all.count * 7 / 10, second = all.count * 8 / 10
        return (all.chosen(Array(order[..<first])), all.chosen(Array(order[first..<second])), all.chosen(Array(order[second...])))
    }
}
