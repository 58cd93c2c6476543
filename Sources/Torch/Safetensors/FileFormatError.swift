/// A file that is not what its format demands: damaged, truncated, hostile, or simply of another kind.
///
/// `description` is one sentence that names the file, what is wrong in it, and what to do.
public struct FileFormatError: Error, CustomStringConvertible, Equatable, Sendable {
    /// The file as the caller named it.
    public let path: String
    /// The format that was expected, e.g. "safetensors".
    public let format: String
    /// What is wrong: the key, what was expected, what was found.
    public let problem: String

    public init(path: String, format: String, problem: String) {
        self.path = path
        self.format = format
        self.problem = problem
    }

    public var description: String {
        "'\(path)' cannot be read as \(format): \(problem); check that it was downloaded or written completely"
    }
}

/// A file that cannot be opened, read, or written, with the system's reason.
public struct FileAccessError: Error, CustomStringConvertible, Equatable, Sendable {
    public let path: String
    /// What was attempted: "opened", "read", "written".
    public let action: String
    public let reason: String

    public init(path: String, action: String, reason: String) {
        self.path = path
        self.action = action
        self.reason = reason
    }

    public var description: String { "'\(path)' could not be \(action): \(reason)" }
}
