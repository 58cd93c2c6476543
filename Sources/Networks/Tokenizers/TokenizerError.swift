/// What can be wrong with a tokenizer's files or with a request to it. `description` is one sentence.
public enum TokenizerError: Error, CustomStringConvertible, Equatable {
    /// A file that should be there is not, or cannot be read.
    case unreadable(path: String, reason: String)
    /// The text is not JSON, or not UTF-8.
    case invalidJSON(reason: String, byteOffset: Int)
    /// A value is missing, has the wrong type or an impossible value. `key` is the path to it, e.g. `model.merges[3]`.
    case invalidValue(key: String, expected: String, found: String)
    /// The file asks for something this implementation does not do; using it anyway would give other tokens.
    case unsupported(what: String, name: String)
    /// A chat template cannot be parsed or run, or it rejected the conversation.
    case chatTemplate(String)

    public var description: String {
        switch self {
        case .unreadable(let path, let reason):
            "Cannot read \(path): \(reason)."
        case .invalidJSON(let reason, let byteOffset):
            "The tokenizer file is not valid JSON at byte \(byteOffset): \(reason)."
        case .invalidValue(let key, let expected, let found):
            "The tokenizer's \(key) should be \(expected), but is \(found)."
        case .unsupported(let what, let name):
            "This tokenizer needs the \(what) \(name), which is not supported: its tokens would differ from the original's."
        case .chatTemplate(let problem):
            "The chat template cannot be used: \(problem)."
        }
    }
}
