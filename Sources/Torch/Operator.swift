internal import CTorch

/// Something that can be an argument of an operator.
public protocol OperatorArgument {
    /// 64-bit words of scratch memory that `encode` needs; lists are copied there.
    var wordCount: Int { get }
    func encode(into encoder: inout ArgumentEncoder)
}

extension OperatorArgument {
    public var wordCount: Int { 0 }
}

/// Writes arguments as the tagged values the C side takes, without heap allocations.
public struct ArgumentEncoder: ~Copyable {
    var values: UnsafeMutableBufferPointer<ct_value>
    var scratch: UnsafeMutablePointer<UInt64>
    var count = 0

    init(values: UnsafeMutableBufferPointer<ct_value>, scratch: UnsafeMutablePointer<UInt64>) {
        self.values = values
        self.scratch = scratch
    }

    mutating func append(_ tag: Int, count listCount: Int = 0, _ payload: ct_value.__Unnamed_union_payload = .init(integer: 0)) {
        values[count] = ct_value(tag: Int32(tag), count: Int32(listCount), payload: payload)
        count += 1
    }

    /// Copies `list` into scratch memory, one word an element.
    mutating func append<Element, Word: BitwiseCopyable>(_ tag: Int, list: [Element], _ word: (Element) -> Word) {
        let words = UnsafeMutableRawPointer(scratch).bindMemory(to: Word.self, capacity: list.count)
        for (index, element) in list.enumerated() { words[index] = word(element) }
        append(tag, count: list.count, .init(pointer: UnsafeRawPointer(words)))
        scratch += list.count
    }
}

extension Tensor: OperatorArgument {
    public func encode(into encoder: inout ArgumentEncoder) {
        encoder.append(ct_tag_tensor, .init(pointer: UnsafeRawPointer(raw)))
    }
}
extension Int: OperatorArgument {
    public func encode(into encoder: inout ArgumentEncoder) { encoder.append(ct_tag_int, .init(integer: Int64(self))) }
}
extension Double: OperatorArgument {
    public func encode(into encoder: inout ArgumentEncoder) { encoder.append(ct_tag_double, .init(real: self)) }
}
extension Bool: OperatorArgument {
    public func encode(into encoder: inout ArgumentEncoder) { encoder.append(ct_tag_bool, .init(integer: self ? 1 : 0)) }
}
extension DType: OperatorArgument {
    public func encode(into encoder: inout ArgumentEncoder) { encoder.append(ct_tag_int, .init(integer: Int64(rawValue))) }
}
extension Device: OperatorArgument {
    public func encode(into encoder: inout ArgumentEncoder) { encoder.append(ct_tag_device, .init(integer: Int64(packed))) }
}
extension RandomGenerator: OperatorArgument {
    public func encode(into encoder: inout ArgumentEncoder) {
        encoder.append(ct_tag_generator, .init(pointer: UnsafeRawPointer(raw)))
    }
}
extension String: OperatorArgument {
    public var wordCount: Int { utf8.count / 8 + 1 }
    public func encode(into encoder: inout ArgumentEncoder) {
        let bytes = UnsafeMutableRawPointer(encoder.scratch).bindMemory(to: UInt8.self, capacity: utf8.count)
        for (index, byte) in utf8.enumerated() { bytes[index] = byte }
        encoder.append(ct_tag_string, count: utf8.count, .init(pointer: UnsafeRawPointer(bytes)))
        encoder.scratch += wordCount
    }
}
extension Array: OperatorArgument where Element: OperatorListElement {
    public var wordCount: Int { count }
    public func encode(into encoder: inout ArgumentEncoder) { Element.encode(self, into: &encoder) }
}

/// An element of a list argument.
public protocol OperatorListElement {
    static func encode(_ list: [Self], into encoder: inout ArgumentEncoder)
}
extension Int: OperatorListElement {
    public static func encode(_ list: [Int], into encoder: inout ArgumentEncoder) { encoder.append(ct_tag_ints, list: list) { Int64($0) } }
}
extension Double: OperatorListElement {
    public static func encode(_ list: [Double], into encoder: inout ArgumentEncoder) { encoder.append(ct_tag_doubles, list: list) { $0 } }
}
extension Bool: OperatorListElement {
    public static func encode(_ list: [Bool], into encoder: inout ArgumentEncoder) { encoder.append(ct_tag_bools, list: list) { $0 ? Int64(1) : 0 } }
}
extension Tensor: OperatorListElement {
    public static func encode(_ list: [Tensor], into encoder: inout ArgumentEncoder) {
        encoder.append(ct_tag_tensors, list: list) { Optional(UnsafeRawPointer($0.raw)) }
    }
}
extension Optional: OperatorListElement where Wrapped == Tensor {
    public static func encode(_ list: [Tensor?], into encoder: inout ArgumentEncoder) {
        encoder.append(ct_tag_tensors, list: list) { $0.map { UnsafeRawPointer($0.raw) } }
    }
}

/// An operator of libtorch's dispatcher, found by schema name and called with a schema's arguments in
/// order; missing trailing arguments take the schema's defaults, `nil` is "none".
///
/// This is the one gate through which every computation passes, so autograd, CUDA and MPS work for
/// each operator alike. A public method on `Tensor` is one line over it:
/// ```swift
/// extension Operator { static let relu = Operator("aten::relu") }
/// extension Tensor { public func relu() -> Tensor { Operator.relu(self) } }
/// ```
public struct Operator: Sendable {
    public let name: String
    nonisolated(unsafe) private let handle: OpaquePointer?

    /// - Parameters:
    ///   - name: with its namespace, e.g. "aten::add".
    ///   - overload: e.g. "Tensor"; empty for the operator's default overload.
    public init(_ name: String, _ overload: String = "") { self.init(name, overload, isComposite: false) }

    /// The form of one of our operators that is composed of libtorch's, for devices that we have no kernel for; it has no gradients.
    package init(composite name: String) { self.init(name, "", isComposite: true) }

    private init(_ name: String, _ overload: String, isComposite: Bool) {
        self.name = overload.isEmpty ? name : "\(name).\(overload)"
        var handle: OpaquePointer?
        checked(self.name) { ct_find_operator(name, overload, isComposite ? 1 : 0, &handle, $0) }
        self.handle = handle
    }

    /// Calls an operator with one tensor as result.
    @discardableResult
    public func callAsFunction(_ arguments: (any OperatorArgument)?...) -> Tensor {
        call(arguments, resultCount: 1) { Tensor(taking: $0[0]) } ?? .empty
    }

    /// Calls an operator with two tensors as result.
    public func pair(_ arguments: (any OperatorArgument)?...) -> (Tensor, Tensor) {
        call(arguments, resultCount: 2) { (Tensor(taking: $0[0]), Tensor(taking: $0[1])) } ?? (.empty, .empty)
    }

    /// Calls an operator with three tensors as result.
    public func triple(_ arguments: (any OperatorArgument)?...) -> (Tensor, Tensor, Tensor) {
        call(arguments, resultCount: 3) { (Tensor(taking: $0[0]), Tensor(taking: $0[1]), Tensor(taking: $0[2])) } ?? (.empty, .empty, .empty)
    }

    /// Calls an operator that returns a list of tensors.
    public func list(_ arguments: (any OperatorArgument)?...) -> [Tensor] {
        call(arguments, resultCount: 1) { results in
            guard results[0].tag == ct_tag_tensors else { fatalError("\(name) does not return a list of tensors") }
            let handles = UnsafeMutableRawPointer(mutating: results[0].payload.pointer!)
            defer { ct_free(handles) }
            let list = handles.bindMemory(to: OpaquePointer.self, capacity: Int(results[0].count))
            return (0..<Int(results[0].count)).map { Tensor(owning: list[$0]) }
        } ?? []
    }

    /// Calls an operator that returns one number or truth value.
    public func number(_ arguments: (any OperatorArgument)?...) -> Double {
        call(arguments, resultCount: 1) { results in
            Int(results[0].tag) == ct_tag_double ? results[0].payload.real : Double(results[0].payload.integer)
        } ?? 0
    }

    /// Calls an operator that returns nothing.
    public func run(_ arguments: (any OperatorArgument)?...) {
        _ = call(arguments, resultCount: 0) { _ in true }
    }

    private func call<Result>(
        _ arguments: [(any OperatorArgument)?], resultCount: Int, _ take: (UnsafeMutableBufferPointer<ct_value>) -> Result
    ) -> Result? {
        if hasFailedInScope { return nil }
        let wordCount = arguments.reduce(1) { $0 + ($1?.wordCount ?? 0) }
        return withUnsafeTemporaryAllocation(of: ct_value.self, capacity: arguments.count + 8) { values in
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: wordCount) { scratch in
                var encoder = ArgumentEncoder(values: values, scratch: scratch.baseAddress!)
                for argument in arguments {
                    if let argument { argument.encode(into: &encoder) } else { encoder.append(ct_tag_none) }
                }
                // Results go behind the arguments, in the same memory.
                let results = UnsafeMutableBufferPointer(rebasing: values[arguments.count...])
                var found: Int32 = 0
                let ok = withExtendedLifetime(arguments) {
                    checked(describe(arguments)) {
                        ct_call(handle, values.baseAddress, Int32(arguments.count), results.baseAddress, 8, &found, $0)
                    }
                }
                guard ok else { return nil }
                guard found == resultCount else { fatalError("\(name) gives \(found) results, expected \(resultCount)") }
                return take(results)
            }
        }
    }

    /// The operator and its arguments, for a failure's message.
    private func describe(_ arguments: [(any OperatorArgument)?]) -> String {
        let texts = arguments.map { argument in
            switch argument {
            case nil: "nil"
            case let tensor as Tensor: "\(tensor.dtype)\(tensor.shape)"
            case let list as [Tensor]: "[" + list.map { "\($0.dtype)\($0.shape)" }.joined(separator: ", ") + "]"
            case let other?: "\(other)"
            }
        }
        return "\(name)(\(texts.joined(separator: ", ")))"
    }
}
