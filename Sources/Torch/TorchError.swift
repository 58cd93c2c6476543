internal import CTorch

/// A failure of the engine.
///
/// Operations on tensors trap on misuse (shapes, dtypes), as array subscripts do: the mistake is the
/// program's. Inside ``withTorchErrors(_:)`` they throw this instead, for servers, notebooks and
/// requests whose size comes from outside.
public struct TorchError: Error, CustomStringConvertible, Sendable {
    public enum Kind: Sendable {
        /// Shapes, dtypes or devices that do not fit.
        case invalidArgument
        case outOfMemory
        /// Any other failure within libtorch.
        case other
    }

    public var kind: Kind
    public var message: String

    public init(kind: Kind, message: String) {
        self.kind = kind
        self.message = message
    }

    init(status: Int32, message: UnsafeMutablePointer<CChar>?, context: String) {
        let kind: Kind = switch status {
        case Int32(ct_torch_error): .invalidArgument
        case Int32(ct_out_of_memory): .outOfMemory
        default: .other
        }
        self.init(kind: kind, message: "\(context): \(takeString(message) ?? "failed without a message")")
    }

    public var description: String { message }
}

/// The first failure within a `withTorchErrors` block; later operations of the block are skipped.
private final class ErrorScope {
    var error: TorchError?

    static var current: ErrorScope? {
        ct_thread_slot().map { Unmanaged<ErrorScope>.fromOpaque($0).takeUnretainedValue() }
    }
}

/// Runs `body` so that a failing tensor operation throws instead of trapping.
///
/// After the first failure the remaining operations of the block do nothing and give empty tensors;
/// the error is thrown when the block ends. The block must not outlive the call or change threads,
/// which is why it is synchronous.
/// - Throws: ``TorchError``, or what `body` itself throws if no operation failed before.
@discardableResult
public func withTorchErrors<Result>(_ body: () throws -> Result) throws -> Result {
    let scope = ErrorScope()
    let outer = ct_thread_slot()
    ct_set_thread_slot(Unmanaged.passUnretained(scope).toOpaque())
    defer { ct_set_thread_slot(outer) }
    let result = Swift.Result { try body() }
    return try withExtendedLifetime(scope) {
        if let error = scope.error { throw error }
        return try result.get()
    }
}

/// True if an operation of the current `withTorchErrors` block has failed.
var hasFailedInScope: Bool { ErrorScope.current.map { $0.error != nil } ?? false }

/// Records the error in the current scope, or traps if there is none.
func report(_ error: TorchError) {
    guard let scope = ErrorScope.current else { fatalError(error.message) }
    if scope.error == nil { scope.error = error }
}

/// Traps with `message` if `condition` is false, or throws it within ``withTorchErrors(_:)``.
///
/// For the shapes and arguments a program is responsible for. Unlike `precondition`, whose text an
/// optimised build drops, the message always reaches the user.
public func require(_ condition: @autoclosure () -> Bool, _ message: @autoclosure () -> String) {
    // After a failure in the scope tensors are empty: what they say of shapes means nothing.
    if hasFailedInScope || condition() { return }
    report(TorchError(kind: .invalidArgument, message: message()))
}

/// Calls an entry point of the C side that gives a status and a message, and reports its failure.
/// - Returns: whether it succeeded.
@discardableResult
func checked(_ context: @autoclosure () -> String, _ call: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32) -> Bool {
    var message: UnsafeMutablePointer<CChar>?
    let status = call(&message)
    if status == ct_ok { return true }
    report(TorchError(status: status, message: message, context: context()))
    return false
}
