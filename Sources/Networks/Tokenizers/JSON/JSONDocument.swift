/// A parsed JSON text, kept as a flat list of nodes over its own bytes.
///
/// Foundation's parser cannot be used for vocabularies: its dictionaries are keyed by `String`, so two tokens that
/// differ only in their Unicode normal form become one. Here keys and strings stay bytes, order is kept, nothing is
/// allocated per value, and nesting is limited.
struct JSONDocument: Sendable {
    enum Kind: UInt8 { case null, `true`, `false`, number, string, escapedString, array, object }

    /// `start..<end` are the bytes of a number or of a string without its quotes; `next` is the index of the node that
    /// follows this one and everything inside it.
    struct Node {
        var kind: Kind
        var start: UInt32
        var end: UInt32
        var next: UInt32
    }

    private(set) var bytes: [UInt8]
    private(set) var nodes: [Node] = []

    static let maximumDepth = 64

    /// - Throws: ``TokenizerError/invalidJSON(reason:byteOffset:)``.
    init(_ bytes: [UInt8]) throws(TokenizerError) {
        self.bytes = bytes
        guard bytes.count < Int(UInt32.max) else {
            throw .invalidJSON(reason: "the text is larger than 4 GiB", byteOffset: 0)
        }
        var parser = JSONParser(bytes)
        do throws(JSONParser.Failure) {
            nodes = try parser.parse()
        } catch {
            throw .invalidJSON(reason: error.reason, byteOffset: error.offset)
        }
    }

    var root: JSONView { JSONView(document: self, index: 0) }
}

/// One value of a document.
struct JSONView {
    let document: JSONDocument
    let index: Int

    private var node: JSONDocument.Node { document.nodes[index] }
    var kind: JSONDocument.Kind { node.kind }

    /// What the value is, for error messages.
    var summary: String {
        switch kind {
        case .null: "null"
        case .true: "true"
        case .false: "false"
        case .number: "the number \(String(decoding: document.bytes[Int(node.start)..<Int(node.end)].prefix(24), as: UTF8.self))"
        case .string, .escapedString: "the string \"\(String(decoding: (stringBytes ?? []).prefix(60), as: UTF8.self))\""
        case .array: "an array"
        case .object: "an object"
        }
    }

    var isNull: Bool { kind == .null }

    var boolean: Bool? { kind == .true ? true : kind == .false ? false : nil }

    /// An integer without fraction that fits.
    var integer: Int? {
        guard kind == .number, node.end - node.start < 20 else { return nil }
        return Int(String(decoding: document.bytes[Int(node.start)..<Int(node.end)], as: UTF8.self))
    }

    var number: Double? {
        guard kind == .number, node.end - node.start < 64 else { return nil }
        return Double(String(decoding: document.bytes[Int(node.start)..<Int(node.end)], as: UTF8.self))
    }

    /// The string's UTF-8, escapes resolved; nil if this is not a string.
    var stringBytes: [UInt8]? {
        let slice = document.bytes[Int(node.start)..<Int(node.end)]
        switch kind {
        case .string: return [UInt8](slice)
        case .escapedString: return JSONParser.unescaped(slice)
        default: return nil
        }
    }

    var string: String? { stringBytes.map { String(decoding: $0, as: UTF8.self) } }

    /// The elements of an array; nil if this is not one.
    var elements: JSONElements? { kind == .array ? JSONElements(container: self) : nil }

    /// Keys and values of an object in the order of the text; nil if this is not one.
    var members: JSONMembers? { kind == .object ? JSONMembers(container: self) : nil }

    /// The value of a key (the last, if repeated); nil if this is no object or has no such key.
    subscript(_ key: String) -> JSONView? {
        guard let members else { return nil }
        let wanted = Array(key.utf8)
        var found: JSONView?
        for member in members where member.key.stringBytes == wanted { found = member.value }
        return found
    }

    fileprivate var end: Int { Int(node.next) }
}

struct JSONElements: Sequence, IteratorProtocol {
    private let document: JSONDocument
    private var index: Int
    private let end: Int

    init(container: JSONView) {
        document = container.document
        index = container.index + 1
        end = container.end
    }

    mutating func next() -> JSONView? {
        guard index < end else { return nil }
        defer { index = Int(document.nodes[index].next) }
        return JSONView(document: document, index: index)
    }
}

struct JSONMembers: Sequence, IteratorProtocol {
    private var elements: JSONElements

    init(container: JSONView) { elements = JSONElements(container: container) }

    mutating func next() -> (key: JSONView, value: JSONView)? {
        guard let key = elements.next(), let value = elements.next() else { return nil }
        return (key, value)
    }
}
