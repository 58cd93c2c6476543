import Foundation
internal import Suggestions

/// Decodes a configuration tree and notes which keys were asked for, so that the others can be reported.
struct ConfigurationDecoder {
    /// Decodes `type`, then rejects keys that nothing has asked for.
    ///
    /// - Throws: ``ConfigurationError``, one sentence with origin and key path.
    static func decode<T: Decodable>(_ type: T.Type, from tree: ConfigurationTree) throws -> T {
        let (value, requests) = try decodeNoting(type, from: tree)
        try rejectUnknownKeys(in: tree, path: [], requests: requests)
        return value
    }

    /// The keys that `type` knows in the mapping at a path.
    static func knownKeys<T: Decodable>(of type: T.Type, in tree: ConfigurationTree, at path: [String]) throws -> Set<String> {
        try decodeNoting(type, from: tree).requests.keys[path] ?? []
    }

    private static func decodeNoting<T: Decodable>(_ type: T.Type, from tree: ConfigurationTree) throws -> (T, requests: Requests) {
        let requests = Requests()
        do {
            return (try T(from: TreeDecoder(tree: tree, codingPath: [], requests: requests)), requests)
        } catch let error as DecodingError {
            throw sentence(for: error, in: tree)
        }
    }

    private static func rejectUnknownKeys(
        in tree: ConfigurationTree, path: [String], requests: Requests
    ) throws(ConfigurationError) {
        switch tree.value {
        case .scalar: return
        case .sequence(let items):
            for (index, item) in items.enumerated() {
                try rejectUnknownKeys(in: item, path: path + ["\(index)"], requests: requests)
            }
        case .mapping(let entries):
            // A type that reads its mapping by other means than keys knows itself what it accepts.
            guard let known = requests.keys[path] else { return }
            for entry in entries {
                guard known.contains(entry.key) else {
                    throw unknownKey(entry, path: path, known: known)
                }
                try rejectUnknownKeys(in: entry.value, path: path + [entry.key], requests: requests)
            }
        }
    }

    private static func unknownKey(
        _ entry: ConfigurationTree.Entry, path: [String], known: Set<String>
    ) -> ConfigurationError {
        let place = path.isEmpty ? "" : " in '\(path.joined(separator: ".").abbreviated(to: 120))'"
        let hint =
            nearestName(to: entry.key, among: known).map { "did you mean '\($0)'?" }
            ?? "known keys are \(known.sorted().joined(separator: ", "))"
        return ConfigurationError(
            origin: entry.origin.description, problem: "unknown key '\(entry.key.abbreviated(to: 60))'\(place); \(hint)")
    }

    /// Errors that a type throws itself, put in our words and given the line of the nearest value.
    private static func sentence(for error: DecodingError, in tree: ConfigurationTree) -> ConfigurationError {
        let context: DecodingError.Context
        switch error {
        case .typeMismatch(_, let details), .valueNotFound(_, let details), .keyNotFound(_, let details),
            .dataCorrupted(let details):
            context = details
        @unknown default: return ConfigurationError(problem: "\(error)")
        }
        var node = tree
        for key in context.codingPath {
            if let index = key.intValue, case .sequence(let items) = node.value, items.indices.contains(index) {
                node = items[index]
            } else if let child = node[key.stringValue] {
                node = child
            }
        }
        let path = keyPath(context.codingPath)
        return ConfigurationError(
            origin: node.origin.description, key: path.isEmpty ? nil : path,
            problem: "cannot be read: \(context.debugDescription.abbreviated(to: 200))")
    }
}

/// Which keys were asked for, by path of the mapping.
private final class Requests {
    var keys: [[String]: Set<String>] = [:]

    func note(_ key: String, at path: [String]) {
        keys[path, default: []].insert(key)
    }
}

private func keyPath(_ path: [any CodingKey]) -> String {
    path.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined().drop { $0 == "." }.description
        .abbreviated(to: 120)
}

private struct IndexKey: CodingKey {
    let intValue: Int?
    var stringValue: String { "\(intValue ?? 0)" }
    init(intValue: Int) { self.intValue = intValue }
    init?(stringValue: String) { return nil }
}

private struct TreeDecoder: Decoder, SingleValueDecodingContainer {
    let tree: ConfigurationTree
    let codingPath: [any CodingKey]
    let requests: Requests
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(try MappingContainer<Key>(decoder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { try SequenceContainer(decoder: self) }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { self }

    func mismatch(_ expected: String) -> ConfigurationError {
        let path = keyPath(codingPath)
        return ConfigurationError(
            origin: tree.origin.description, key: path.isEmpty ? "the document" : path,
            problem: "must be \(expected), found \(tree.summary)")
    }

    func decodeNil() -> Bool { tree.isNull }

    func decode(_ type: Bool.Type) throws -> Bool {
        switch tree.value {
        case .scalar("true", isQuoted: false): return true
        case .scalar("false", isQuoted: false): return false
        default: throw mismatch("true or false")
        }
    }

    func decode(_ type: String.Type) throws -> String {
        guard case .scalar(let text, let isQuoted) = tree.value, isQuoted || !tree.isNull else {
            throw mismatch("a text")
        }
        return text
    }

    func decode(_ type: Double.Type) throws -> Double {
        guard case .scalar(let text, isQuoted: false) = tree.value, let number = Self.number(text) else {
            throw mismatch("a number")
        }
        return number
    }

    func decode(_ type: Float.Type) throws -> Float {
        // Parsed as Float, not rounded twice by way of Double, so that written values read back exactly.
        guard case .scalar(let text, isQuoted: false) = tree.value, let number = Self.number(text) else {
            throw mismatch("a number")
        }
        return Float(text) ?? Float(number)
    }

    private static func number(_ text: String) -> Double? {
        switch text.lowercased() {
        case ".inf", "+.inf": .infinity
        case "-.inf": -.infinity
        case ".nan": .nan
        default:
            text.contains { $0.isNumber }
                ? Double(text.replacing("_", with: "")).flatMap { $0.isFinite ? $0 : nil } : nil
        }
    }

    /// Integers may be written with separators (`16_384`) or as whole decimal numbers (`1e6`).
    private func integer<I: FixedWidthInteger>(_ type: I.Type) throws -> I {
        guard case .scalar(let text, isQuoted: false) = tree.value else { throw mismatch("a whole number") }
        if let value = I(text.replacing("_", with: "")) { return value }
        guard let number = Self.number(text), number.rounded() == number else { throw mismatch("a whole number") }
        guard let value = I(exactly: number) else {
            throw mismatch("a whole number between \(I.min) and \(I.max)")
        }
        return value
    }

    func decode(_ type: Int.Type) throws -> Int { try integer(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
        if type == URL.self {
            // Foundation reads URLs in its own form; users write paths and addresses.
            let text = try decode(String.self)
            guard let url = text.contains("://") ? URL(string: text) : URL(filePath: text) else {
                throw mismatch("a path or address")
            }
            return url as! T
        }
        return try T(from: self)
    }
}

private struct MappingContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: TreeDecoder
    let entries: [ConfigurationTree.Entry]
    let path: [String]
    var codingPath: [any CodingKey] { decoder.codingPath }

    init(decoder: TreeDecoder) throws {
        guard case .mapping(let entries) = decoder.tree.value else {
            throw decoder.mismatch("a mapping of keys to values")
        }
        self.decoder = decoder
        self.entries = entries
        path = decoder.codingPath.map(\.stringValue)
        decoder.requests.keys[path, default: []].formUnion([])
    }

    var allKeys: [Key] {
        entries.compactMap { entry in
            guard let key = Key(stringValue: entry.key) else { return nil }
            decoder.requests.note(entry.key, at: path)
            return key
        }
    }

    private func find(_ key: Key) -> ConfigurationTree? {
        decoder.requests.note(key.stringValue, at: path)
        return entries.first { $0.key == key.stringValue }?.value
    }

    private func child(_ key: Key) throws -> TreeDecoder {
        guard let tree = find(key) else {
            let path = keyPath(codingPath)
            let present = entries.prefix(8).map { "'\($0.key.abbreviated(to: 40))'" }.joined(separator: ", ")
            throw ConfigurationError(
                origin: decoder.tree.origin.description, key: path.isEmpty ? "the document" : path,
                problem: "needs the key '\(key.stringValue)', found \(present.isEmpty ? "no keys" : present)")
        }
        return TreeDecoder(tree: tree, codingPath: codingPath + [key], requests: decoder.requests)
    }

    func contains(_ key: Key) -> Bool { find(key) != nil }
    func decodeNil(forKey key: Key) throws -> Bool { try child(key).decodeNil() }
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try child(key).decode(type) }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<NestedKey> { try child(key).container(keyedBy: type) }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try child(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { decoder }
    func superDecoder(forKey key: Key) throws -> any Decoder { try child(key) }
}

private struct SequenceContainer: UnkeyedDecodingContainer {
    let decoder: TreeDecoder
    let items: [ConfigurationTree]
    var currentIndex = 0
    var codingPath: [any CodingKey] { decoder.codingPath }
    var count: Int? { items.count }
    var isAtEnd: Bool { currentIndex >= items.count }

    init(decoder: TreeDecoder) throws {
        guard case .sequence(let items) = decoder.tree.value else { throw decoder.mismatch("a list") }
        self.decoder = decoder
        self.items = items
    }

    private func current() throws -> TreeDecoder {
        guard !isAtEnd else { throw decoder.mismatch("a list with more than \(items.count) values") }
        return TreeDecoder(
            tree: items[currentIndex], codingPath: codingPath + [IndexKey(intValue: currentIndex)],
            requests: decoder.requests)
    }

    private mutating func next() throws -> TreeDecoder {
        let decoder = try current()
        currentIndex += 1
        return decoder
    }

    mutating func decodeNil() throws -> Bool {
        guard try current().decodeNil() else { return false }
        currentIndex += 1
        return true
    }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try next().decode(type) }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type
    ) throws -> KeyedDecodingContainer<NestedKey> { try next().container(keyedBy: type) }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }
    mutating func superDecoder() throws -> any Decoder { try next() }
}
