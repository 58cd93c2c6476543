/// A value of a tokenizer file together with the path to it, so that errors can name it.
struct JSONField {
    /// nil if the key is missing.
    let view: JSONView?
    let path: String

    init(_ view: JSONView?, path: String) {
        self.view = view
        self.path = path
    }

    subscript(_ key: String) -> JSONField {
        JSONField(view?[key], path: path.isEmpty ? key : "\(path).\(key)")
    }

    /// Missing keys and `null` mean the same.
    var isMissing: Bool { view?.isNull ?? true }

    func error(expected: String) -> TokenizerError {
        .invalidValue(key: path, expected: expected, found: view?.summary ?? "missing")
    }

    func string() throws(TokenizerError) -> String {
        guard let value = view?.string else { throw error(expected: "a string") }
        return value
    }

    func bytes() throws(TokenizerError) -> [UInt8] {
        guard let value = view?.stringBytes else { throw error(expected: "a string") }
        return value
    }

    func bytes(default value: [UInt8]) throws(TokenizerError) -> [UInt8] { isMissing ? value : try bytes() }

    func boolean(default value: Bool) throws(TokenizerError) -> Bool {
        if isMissing { return value }
        guard let value = view?.boolean else { throw error(expected: "true or false") }
        return value
    }

    func integer(in range: ClosedRange<Int>) throws(TokenizerError) -> Int {
        guard let value = view?.integer, range.contains(value) else {
            throw error(expected: "an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func object() throws(TokenizerError) -> JSONMembers {
        guard let members = view?.members else { throw error(expected: "an object") }
        return members
    }

    func array() throws(TokenizerError) -> [JSONField] {
        guard let elements = view?.elements else { throw error(expected: "an array") }
        return elements.enumerated().map { JSONField($0.element, path: "\(path)[\($0.offset)]") }
    }

    /// One of the cases of an enumeration with string values.
    func choice<Value: RawRepresentable & CaseIterable>(_ type: Value.Type) throws(TokenizerError) -> Value
    where Value.RawValue == String {
        let name = try string()
        guard let value = Value(rawValue: name) else {
            throw error(expected: "one of " + Value.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return value
    }
}
