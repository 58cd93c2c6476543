import Foundation

/// A file of a run that could not be written or read, in one sentence.
public struct StorageError: Error, CustomStringConvertible, Equatable {
    /// The file or directory concerned.
    public var path: String
    /// What was tried, e.g. `write`.
    public var operation: String
    /// The system's error number, 0 if the failure is not the system's.
    public var code: Int32
    /// What is wrong and what to do.
    public var problem: String

    init(_ operation: String, _ url: URL, code: Int32 = errno) {
        path = url.filePath
        self.operation = operation
        self.code = code
        switch code {
        case ENOSPC, EDQUOT: problem = "no space is left on the device; free some and resume the run"
        case EFBIG: problem = "the file would be larger than allowed here (ulimit -f, or the file system's limit)"
        case EACCES, EPERM: problem = "permission denied; choose another directory with --out"
        case EROFS: problem = "the file system is read-only; choose another directory with --out"
        case ENOENT: problem = "there is no such file or directory"
        default: problem = String(cString: strerror(code))
        }
    }

    init(_ operation: String, _ url: URL, problem: String) {
        path = url.filePath
        self.operation = operation
        code = 0
        self.problem = problem
    }

    public var description: String { "could not \(operation) \(path): \(problem)" }
}
