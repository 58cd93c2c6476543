internal import Torch

/// A setting of an optimiser or schedule that is out of its range.
public struct InvalidSetting: Error, CustomStringConvertible, Equatable, Sendable {
    /// Name of the setting, e.g. `learningRate`.
    public let key: String
    /// What is wrong with it, e.g. `must be 0 or more, found -1.0`.
    public let problem: String

    public init(key: String, problem: String) {
        self.key = key
        self.problem = problem
    }

    public var description: String { "\(key) \(problem)" }

    static func check(_ condition: Bool, _ key: String, _ requirement: String, _ value: some Any) throws(InvalidSetting) {
        guard condition else { throw InvalidSetting(key: key, problem: "\(requirement), found \(value)") }
    }
}

/// Traps if settings made by the program itself are out of range.
func requireValid(_ owner: String, _ validate: () throws(InvalidSetting) -> Void) {
    do throws(InvalidSetting) { try validate() } catch { require(false, "\(owner): \(error)") }
}
