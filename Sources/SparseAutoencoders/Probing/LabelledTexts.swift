public import Datasets
internal import Networks
internal import Torch

/// Tokenised texts of several classes, as many of each, cut into what probes learn from and what they are tested on.
public struct LabelledTexts: Sendable {
    /// The classes that have enough texts.
    public let classes: [String]
    /// Classes with too few texts.
    public let omitted: [String]
    public let training: [Example]
    public let test: [Example]

    public struct Example: Sendable, Equatable {
        /// Index of the class.
        public var label: Int
        /// Ids without special tokens.
        public var tokens: [Int32]

        public init(label: Int, tokens: [Int32]) {
            self.label = label
            self.tokens = tokens
        }
    }

    /// Takes the first texts of each class, those of training before those of the test.
    /// - Parameters:
    ///   - labels: names of the classes.
    ///   - tokenize: called for the texts that are taken.
    ///   - next: the next text with the index of its class; nil at the end.
    /// - Throws: ``ProbingError/tooFewClasses(found:perClass:)`` if fewer than two classes have enough; what `next` throws.
    public init(
        labels: [String], trainingPerClass: Int, testPerClass: Int, tokenize: (String) -> [Int32],
        next: () throws -> (label: Int, text: String)?
    ) throws {
        require(trainingPerClass > 0 && testPerClass > 0, "LabelledTexts: \(trainingPerClass) and \(testPerClass) texts of each class")
        let wanted = trainingPerClass + testPerClass
        var found = [[[Int32]]](repeating: [], count: labels.count)
        var missing = labels.count
        while missing > 0, let (label, text) = try next() {
            guard found.indices.contains(label), found[label].count < wanted else { continue }
            let tokens = tokenize(text)
            if tokens.isEmpty { continue }
            found[label].append(tokens)
            if found[label].count == wanted { missing -= 1 }
        }
        let complete = labels.indices.filter { found[$0].count == wanted }
        guard complete.count > 1 else { throw ProbingError.tooFewClasses(found: complete.count, perClass: wanted) }
        classes = complete.map { labels[$0] }
        omitted = labels.indices.filter { found[$0].count < wanted }.map { labels[$0] }
        training = complete.enumerated().flatMap { new, old in found[old][..<trainingPerClass].map { Example(label: new, tokens: $0) } }
        test = complete.enumerated().flatMap { new, old in found[old][trainingPerClass...].map { Example(label: new, tokens: $0) } }
    }

    /// Texts of a labelled item of the catalogue, in an order that depends on the seed.
    /// - Parameters:
    ///   - length: tokens of each text at most.
    /// - Throws: ``ProbingError``; `DataError`.
    public init(
        _ name: String, tokenizedBy model: TextModel, trainingPerClass: Int, testPerClass: Int, length: Int = 127, seed: UInt64,
        store: DataStore = DataStore()
    ) throws {
        let reader = try DocumentReader(.catalog(name), in: store, order: .shuffled(seed: seed))
        guard !reader.labels.isEmpty else { throw ProbingError.noLabels(item: name) }
        try self.init(labels: reader.labels, trainingPerClass: trainingPerClass, testPerClass: testPerClass) { text in
            model.tokenizer.encode(text, addSpecialTokens: false, readsControlTokens: false).prefix(length).map { Int32(clamping: $0) }
        } next: {
            while let document = try reader.next() {
                if let label = document.label { return (label.index, document.text) }
            }
            return nil
        }
    }
}

extension LabelledTexts {
    /// Words of at least three small letters that are one token with the space before them, labelled with their first letter.
    /// - Throws: ``ProbingError/tooFewClasses(found:perClass:)``.
    public init(firstLettersIn model: TextModel, trainingPerClass: Int, testPerClass: Int, seed: UInt64) throws {
        let letters = (UInt8(ascii: "a")...UInt8(ascii: "z"))
        let words = (0..<model.tokenizer.vocabularySize).filter { id in
            let bytes = model.tokenizer.bytes(of: id)
            return bytes.count > 3 && bytes[0] == UInt8(ascii: " ") && bytes.dropFirst().allSatisfy(letters.contains)
        }
        let order = Tensor.permutation(words.count, generator: RandomGenerator(seed: seed)).scalars(as: Int.self)
        var rest = order.map { words[$0] }[...]
        try self.init(
            labels: letters.map { String(UnicodeScalar($0)) }, trainingPerClass: trainingPerClass, testPerClass: testPerClass,
            tokenize: { Int32($0).map { [$0] } ?? [] },
            next: { rest.popFirst().map { (Int(model.tokenizer.bytes(of: $0)[1] - letters.lowerBound), String($0)) } })
    }
}

/// Probing that cannot begin.
public enum ProbingError: Error, CustomStringConvertible, Equatable {
    /// A text without labels.
    case noLabels(item: String)
    case tooFewClasses(found: Int, perClass: Int)
    case widthMismatch(dictionary: Int, activations: Int)

    public var description: String {
        switch self {
        case .noLabels(let item): "the data '\(item)' has no labels; choose one of the kind labelled-text that `condense data list` shows"
        case .tooFewClasses(let found, let perClass):
            "only \(found) classes have \(perClass) texts each, and two are needed; ask for fewer texts of each class"
        case .widthMismatch(let dictionary, let activations):
            "the autoencoder takes activations of width \(dictionary), the hook gives width \(activations); give the hook it was trained on"
        }
    }
}
