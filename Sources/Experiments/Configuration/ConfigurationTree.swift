import Foundation
import Yams

/// A YAML document as a tree that remembers where each value was written.
struct ConfigurationTree: Equatable, Sendable {
    enum Origin: Equatable, Sendable, CustomStringConvertible {
        case defaults
        case file(name: String, line: Int)
        case option(String)

        var description: String {
            switch self {
            case .defaults: "the defaults"
            case .file(let name, let line): "\(name), line \(line)"
            case .option(let text): text.abbreviated(to: 120)
            }
        }
    }

    struct Entry: Equatable, Sendable {
        var key: String
        /// Where the key was written; its value may begin on a later line.
        var origin: Origin
        var value: ConfigurationTree
    }

    enum Value: Equatable, Sendable {
        case scalar(String, isQuoted: Bool)
        case sequence([ConfigurationTree])
        case mapping([Entry])
    }

    var value: Value
    var origin: Origin

    /// Bounds on documents from outside: configurations are small, so anything larger is a mistake or hostile.
    enum Limit {
        static let bytes = 256 * 1_024
        static let nodes = 20_000
        static let depth = 48
    }

    subscript(key: String) -> ConfigurationTree? {
        guard case .mapping(let entries) = value else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// Whether the value is YAML's null: nothing, `~` or `null` without quotes.
    var isNull: Bool {
        guard case .scalar(let text, isQuoted: false) = value else { return false }
        return text.isEmpty || text == "~" || text == "null" || text == "Null" || text == "NULL"
    }

    /// The words for an error message, e.g. `'many'` or `a list`.
    var summary: String {
        switch value {
        case .scalar where isNull: "nothing"
        case .scalar(let text, _): "'\(text.abbreviated(to: 40))'"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

// MARK: - Reading

extension ConfigurationTree {
    /// Reads one YAML document.
    ///
    /// Anchors and aliases are refused: they are what makes a small file expand without bound, and no
    /// configuration needs them.
    static func parse(_ text: String, origin: (_ line: Int) -> Origin) throws(ConfigurationError) -> ConfigurationTree {
        guard text.utf8.count <= Limit.bytes else {
            throw ConfigurationError(
                origin: origin(1).description,
                problem: "a configuration has at most \(Limit.bytes / 1_024) KiB, found \(text.utf8.count / 1_024) KiB")
        }
        if let line = lineOfAlias(in: text) {
            throw ConfigurationError(
                origin: origin(line).description,
                problem: "anchors and aliases (&name, *name) are not supported; write the value out")
        }
        let root: Node?
        do {
            root = try compose(text)
        } catch {
            throw describe(error, origin: origin)
        }
        guard let root else { return ConfigurationTree(value: .mapping([]), origin: origin(1)) }
        var nodes = 0
        return try convert(root, depth: 0, nodes: &nodes, origin: origin)
    }

    private static func compose(_ text: String) throws -> Node? {
        // Each level of nesting takes one of these signs, and some stack while it is composed.
        let levels = text.utf8.count { "[{-?:".utf8.contains($0) }
        if levels <= 256 { return try composeHere(text) }
        return try onLargeStack { try composeHere(text) }
    }

    private static func composeHere(_ text: String) throws -> Node? {
        let node = try Yams.compose(yaml: text)
        if let node, depth(of: node, atMost: Limit.depth) > Limit.depth { throw TooDeep() }
        return node
    }

    /// Runs `body` on a thread with room for the thousand levels of nesting that libyaml allows; the threads of
    /// Swift's pool have as little as 512 KiB of stack.
    private static func onLargeStack(_ body: @escaping @Sendable () throws -> Node?) throws -> Node? {
        final class Box: @unchecked Sendable {
            var result: Result<Node?, any Error> = .success(nil)
        }
        let box = Box()
        let done = DispatchSemaphore(value: 0)
        let thread = Thread {
            box.result = Result(catching: body)
            done.signal()
        }
        thread.stackSize = 16 << 20
        thread.start()
        done.wait()
        return try box.result.get()
    }

    private struct TooDeep: Error {}

    private static func depth(of node: Node, atMost limit: Int) -> Int {
        guard limit >= 0 else { return 1 }
        switch node {
        case .scalar, .alias: return 0
        case .sequence(let items): return 1 + (items.map { depth(of: $0, atMost: limit - 1) }.max() ?? 0)
        case .mapping(let pairs): return 1 + (pairs.map { depth(of: $0.value, atMost: limit - 1) }.max() ?? 0)
        }
    }

    /// The line of the first alias, if the text has both anchors and aliases.
    ///
    /// An indicator directly after a letter or digit is never an anchor or alias (`a.b/?x=1&y=2`); inside quotes
    /// or comments one may be reported although it is none, which costs only a rephrasing. The files this program
    /// writes have both signs escaped.
    private static func lineOfAlias(in text: String) -> Int? {
        func isNameByte(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: byte >= 0x80
            }
        }
        let bytes = Array(text.utf8)
        var line = 1
        var hasAnchor = false
        var aliasLine: Int?
        for (index, byte) in bytes.enumerated() {
            if byte == UInt8(ascii: "\n") { line += 1 }
            guard byte == UInt8(ascii: "&") || byte == UInt8(ascii: "*"),
                index + 1 < bytes.count, isNameByte(bytes[index + 1]),
                index == 0 || !isNameByte(bytes[index - 1]) || bytes[index - 1] == UInt8(ascii: "-")
            else { continue }
            if byte == UInt8(ascii: "&") {
                hasAnchor = true
            } else if aliasLine == nil {
                aliasLine = line
            }
        }
        return hasAnchor ? aliasLine : nil
    }

    private static func convert(
        _ node: Node, depth: Int, nodes: inout Int, origin: (Int) -> Origin
    ) throws(ConfigurationError) -> ConfigurationTree {
        let here = origin(node.mark?.line ?? 1)
        nodes += 1
        guard nodes <= Limit.nodes else {
            throw ConfigurationError(
                origin: here.description, problem: "a configuration has at most \(Limit.nodes) values")
        }
        switch node {
        case .scalar(let scalar):
            let isPlain = scalar.style == .plain || scalar.style == .any
            return ConfigurationTree(value: .scalar(scalar.string, isQuoted: !isPlain), origin: here)
        case .sequence(let items):
            var converted: [ConfigurationTree] = []
            for item in items {
                converted.append(try convert(item, depth: depth + 1, nodes: &nodes, origin: origin))
            }
            return ConfigurationTree(value: .sequence(converted), origin: here)
        case .mapping(let pairs):
            var entries: [Entry] = []
            for (key, value) in pairs {
                guard case .scalar(let name) = key else {
                    throw ConfigurationError(
                        origin: origin(key.mark?.line ?? 1).description, problem: "a key must be a plain word")
                }
                let value = try convert(value, depth: depth + 1, nodes: &nodes, origin: origin)
                entries.append(Entry(key: name.string, origin: origin(key.mark?.line ?? 1), value: value))
            }
            return ConfigurationTree(value: .mapping(entries), origin: here)
        case .alias:
            throw ConfigurationError(origin: here.description, problem: "aliases (*name) are not supported")
        }
    }

    private static func describe(_ error: any Error, origin: (Int) -> Origin) -> ConfigurationError {
        switch error {
        case let error as YamlError:
            switch error {
            case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
                .composer(_, let problem, let mark, _):
                return ConfigurationError(
                    origin: origin(mark.line).description, problem: "this is not valid YAML: \(problem)")
            case .duplicatedKeysInMapping(let keys, let context):
                return ConfigurationError(
                    origin: origin(context.mark.line).description,
                    problem: "the key '\((keys.first ?? "").abbreviated(to: 60))' is given twice")
            default:
                return ConfigurationError(origin: origin(1).description, problem: "this is not valid YAML")
            }
        case is TooDeep:
            return ConfigurationError(
                origin: origin(1).description, problem: "values are nested more than \(Limit.depth) levels deep")
        default:
            return ConfigurationError(origin: origin(1).description, problem: "this is not valid YAML: \(error)")
        }
    }
}

// MARK: - Combining

extension ConfigurationTree {
    /// This tree with the values of `other` laid over it, key by key; lists are replaced as a whole.
    ///
    /// A mapping with a single key that meets a mapping with another single key is replaced too: that is how an
    /// enumeration with a payload (`penalty: {l1: …}`) is written, and a value has one case.
    func overlaid(with other: ConfigurationTree) -> ConfigurationTree {
        guard case .mapping(var entries) = value, case .mapping(let changes) = other.value else { return other }
        if entries.count == 1, changes.count == 1, entries[0].key != changes[0].key { return other }
        for change in changes {
            if let index = entries.firstIndex(where: { $0.key == change.key }) {
                entries[index].value = entries[index].value.overlaid(with: change.value)
            } else {
                entries.append(change)
            }
        }
        return ConfigurationTree(value: .mapping(entries), origin: other.origin)
    }

    /// The tree of one override `key.path=value`; the value is read as YAML.
    static func parse(override text: String, option: String = "--set ") throws(ConfigurationError) -> ConfigurationTree {
        let origin = Origin.option("\(option)\(text)")
        guard let separator = text.firstIndex(of: "="), separator != text.startIndex else {
            throw ConfigurationError(
                origin: origin.description, problem: "expected key.path=value, e.g. train.steps=1000")
        }
        let path = text[..<separator].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard path.count <= Limit.depth, !path.contains("") else {
            throw ConfigurationError(
                origin: origin.description, problem: "'\(String(text[..<separator]).abbreviated(to: 60))' is not a key path such as train.steps")
        }
        let source = String(text[text.index(after: separator)...])
        var tree = try parse(source, origin: { _ in origin })
        if source.allSatisfy(\.isWhitespace) { tree.value = .scalar("", isQuoted: false) }
        for key in path.reversed() {
            tree = ConfigurationTree(value: .mapping([Entry(key: key, origin: origin, value: tree)]), origin: origin)
        }
        return tree
    }
}

extension String {
    /// The text on one line, with an ellipsis instead of what exceeds `count` signs.
    func abbreviated(to count: Int) -> String {
        let line = String(prefix(count + 1).map { $0.isNewline ? "⏎" : $0 })
        return line.count > count ? "\(line.prefix(count))…" : line
    }
}
