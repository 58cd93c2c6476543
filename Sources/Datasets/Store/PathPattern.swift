/// A path pattern of the catalogue: `*` stands for any characters but `/`, `**` for any characters.
struct PathPattern {
    private enum Element {
        case byte(UInt8)
        case anyButSlash
        case any
    }

    private let elements: [Element]
    /// The folder part before the first `*` (before the last component where there is none), with its `/`.
    let folder: String

    init(_ pattern: String) {
        var elements: [Element] = []
        var bytes = Array(pattern.utf8)[...]
        while let byte = bytes.popFirst() {
            if byte != UInt8(ascii: "*") {
                elements.append(.byte(byte))
            } else if bytes.first == UInt8(ascii: "*") {
                bytes.removeFirst()
                elements.append(.any)
            } else {
                elements.append(.anyButSlash)
            }
        }
        self.elements = elements
        let literal = pattern.prefix { $0 != "*" }
        folder = literal.lastIndex(of: "/").map { String(literal[...$0]) } ?? ""
    }

    /// Whether the pattern describes the whole path.
    func matches(_ path: String) -> Bool { matches(Array(path.utf8)[...], elements[...]) }

    private func matches(_ path: ArraySlice<UInt8>, _ pattern: ArraySlice<Element>) -> Bool {
        guard let element = pattern.first else { return path.isEmpty }
        let rest = pattern.dropFirst()
        switch element {
        case .byte(let byte):
            return path.first == byte && matches(path.dropFirst(), rest)
        case .anyButSlash, .any:
            var remaining = path
            while true {
                if matches(remaining, rest) { return true }
                guard let next = remaining.popFirst() else { return false }
                if case .anyButSlash = element, next == UInt8(ascii: "/") { return false }
            }
        }
    }
}

/// Patterns that include, and patterns beginning with `!` that exclude.
package struct PathSelection {
    private let included: [PathPattern]
    private let excluded: [PathPattern]

    package init(_ patterns: [String]) {
        included = patterns.filter { !$0.hasPrefix("!") }.map { PathPattern($0) }
        excluded = patterns.filter { $0.hasPrefix("!") }.map { PathPattern(String($0.dropFirst())) }
    }

    /// The path without the folder part of the pattern that includes it, or nil where it is not selected.
    package func destination(of path: String) -> String? {
        guard let pattern = included.first(where: { $0.matches(path) }), !excluded.contains(where: { $0.matches(path) }) else { return nil }
        return String(path.dropFirst(pattern.folder.count))
    }
}
