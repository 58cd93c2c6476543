import Foundation

/// Encodes settings as a configuration tree, numbers in the shortest form that reads back equal.
///
/// (Yams' own encoder rounds numbers to 15 digits, which is not enough for a run that must repeat bit by bit.)
enum ConfigurationEncoder {
    /// - Throws: errors of the value's own `encode(to:)`.
    static func tree(of value: some Encodable) throws -> ConfigurationTree {
        let encoder = TreeEncoder(codingPath: [])
        try encoder.encode(value)
        return encoder.tree
    }
}

private final class TreeEncoder: Encoder, SingleValueEncodingContainer {
    /// What has been encoded; children are asked for their part when the whole is.
    private enum Content {
        case nothing
        case scalar(ConfigurationTree.Value)
        case sequence([TreeEncoder])
        case mapping([(key: String, value: TreeEncoder)])
    }

    let codingPath: [any CodingKey]
    private var content = Content.nothing
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    init(codingPath: [any CodingKey]) { self.codingPath = codingPath }

    var tree: ConfigurationTree {
        let value: ConfigurationTree.Value =
            switch content {
            case .nothing: .mapping([])
            case .scalar(let value): value
            case .sequence(let items): .sequence(items.map(\.tree))
            case .mapping(let entries):
                .mapping(entries.map { .init(key: $0.key, origin: .defaults, value: $0.value.tree) })
            }
        return ConfigurationTree(value: value, origin: .defaults)
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if case .nothing = content { content = .mapping([]) }
        return KeyedEncodingContainer(KeyedEncoder<Key>(encoder: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        content = .sequence([])
        return SequenceEncoder(encoder: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }

    func child(_ key: any CodingKey) -> TreeEncoder {
        let child = TreeEncoder(codingPath: codingPath + [key])
        if case .mapping(let entries) = content {
            content = .mapping(entries.filter { $0.key != key.stringValue } + [(key.stringValue, child)])
        }
        return child
    }

    func append() -> TreeEncoder {
        guard case .sequence(let items) = content else { preconditionFailure("values appended to something else than a list") }
        let child = TreeEncoder(codingPath: codingPath)
        content = .sequence(items + [child])
        return child
    }

    var count: Int { if case .sequence(let items) = content { items.count } else { 0 } }

    private func plain(_ text: String) { content = .scalar(.scalar(text, isQuoted: false)) }

    private func number<F: BinaryFloatingPoint & CustomStringConvertible>(_ value: F) {
        guard value.isFinite else { return plain(value.isNaN ? ".nan" : value > 0 ? ".inf" : "-.inf") }
        let text = value.description
        plain(text.hasSuffix(".0") && text.count < 18 ? String(text.dropLast(2)) : text)
    }

    func encodeNil() { plain("null") }
    func encode(_ value: Bool) { plain(value ? "true" : "false") }
    func encode(_ value: String) { content = .scalar(.scalar(value, isQuoted: true)) }
    func encode(_ value: Double) { number(value) }
    func encode(_ value: Float) { number(value) }
    func encode(_ value: Int) { plain("\(value)") }
    func encode(_ value: Int8) { plain("\(value)") }
    func encode(_ value: Int16) { plain("\(value)") }
    func encode(_ value: Int32) { plain("\(value)") }
    func encode(_ value: Int64) { plain("\(value)") }
    func encode(_ value: UInt) { plain("\(value)") }
    func encode(_ value: UInt8) { plain("\(value)") }
    func encode(_ value: UInt16) { plain("\(value)") }
    func encode(_ value: UInt32) { plain("\(value)") }
    func encode(_ value: UInt64) { plain("\(value)") }

    func encode<T: Encodable>(_ value: T) throws {
        if let url = value as? URL {
            encode(url.isFileURL ? url.filePath : url.absoluteString)
        } else {
            try value.encode(to: self)
        }
    }
}

private struct KeyedEncoder<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let encoder: TreeEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }

    func encodeNil(forKey key: Key) { encoder.child(key).encodeNil() }
    func encode<T: Encodable>(_ value: T, forKey key: Key) throws { try encoder.child(key).encode(value) }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) -> KeyedEncodingContainer<NestedKey> { encoder.child(key).container(keyedBy: type) }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { encoder.child(key).unkeyedContainer() }
    func superEncoder() -> any Encoder { encoder }
    func superEncoder(forKey key: Key) -> any Encoder { encoder.child(key) }
}

private struct SequenceEncoder: UnkeyedEncodingContainer {
    let encoder: TreeEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }
    var count: Int { encoder.count }

    func encodeNil() { encoder.append().encodeNil() }
    func encode<T: Encodable>(_ value: T) throws { try encoder.append().encode(value) }

    func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type) -> KeyedEncodingContainer<NestedKey> {
        encoder.append().container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { encoder.append().unkeyedContainer() }
    func superEncoder() -> any Encoder { encoder.append() }
}

// MARK: - Text

extension ConfigurationTree {
    /// The tree as YAML that ``parse(_:origin:)`` reads back equal.
    func yaml() -> String {
        var output = ""
        write(to: &output, indentation: 0)
        return output
    }

    private func write(to output: inout String, indentation: Int) {
        let margin = String(repeating: "  ", count: indentation)
        switch value {
        case .mapping(let entries) where !entries.isEmpty:
            for entry in entries {
                output += "\(margin)\(Self.scalar(entry.key)):"
                if let flow = entry.value.flow {
                    output += " \(flow)\n"
                } else {
                    output += "\n"
                    entry.value.write(to: &output, indentation: indentation + 1)
                }
            }
        case .sequence(let items) where !items.isEmpty:
            for item in items {
                if let flow = item.flow {
                    output += "\(margin)- \(flow)\n"
                } else {
                    // A mapping begins on the line of the dash.
                    var inner = ""
                    item.write(to: &inner, indentation: indentation + 1)
                    output += "\(margin)- \(inner.dropFirst(margin.count + 2))"
                }
            }
        default: output += "\(margin)\(flow ?? "")\n"
        }
    }

    /// The value on one line, if it is short in itself: a scalar, nothing, or a list of scalars.
    private var flow: String? {
        switch value {
        case .scalar(let text, isQuoted: false): return text
        case .scalar(let text, isQuoted: true): return Self.scalar(text)
        case .mapping(let entries): return entries.isEmpty ? "{}" : nil
        case .sequence(let items):
            let scalars = items.compactMap { item in if case .scalar = item.value { item.flow } else { nil } }
            return scalars.count == items.count ? "[\(scalars.joined(separator: ", "))]" : nil
        }
    }

    /// A text as a plain word where no reader can take it for anything else, in double quotes otherwise.
    private static func scalar(_ text: String) -> String {
        let isWord = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "/"):
                true
            default: false
            }
        }
        let startsWithLetter = text.first.map { $0.isLetter || $0 == "/" } ?? false
        let reserved: Set = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        if isWord, startsWithLetter, !reserved.contains(text.lowercased()) { return text }
        var output = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "&": output += "\\x26"
            case "*": output += "\\x2A"
            // Everything that is neither a control sign nor a line separator nor outside the basic plane.
            case "\u{20}"..."\u{7E}", "\u{A0}"..."\u{2027}", "\u{202A}"..."\u{D7FF}":
                output.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                output += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            }
        }
        return output + "\""
    }
}
