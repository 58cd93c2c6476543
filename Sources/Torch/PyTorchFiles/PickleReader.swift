/// Reads the part of Python's pickle protocol 2 to 5 that PyTorch's tensors and plain containers need.
///
/// The machine has a stack, numbered memories and an arena of containers; containers refer to each other by number, so that
/// no nesting, however deep or circular, costs more than the bytes that describe it. Only at the end are they made values, with
/// a bound on the depth. Source: the descriptions of opcodes in Python's `pickletools`.
struct PickleReader {
    /// What is wrong, as the rest of a sentence.
    struct Failure: Error {
        let problem: String
    }

    /// The elements of tensors.
    struct Storages {
        enum Places {
            /// By name.
            case known([String: Range<Int>])
            /// They follow from what the pickle says, and are not read.
            case wanted(Sizes)
        }

        /// The bytes that storages have by what a pickle says, by name.
        final class Sizes {
            fileprivate(set) var bytes: [String: Int] = [:]
        }

        let bytes: MappedBytes
        let places: Places
    }

    private enum Item {
        case none
        case bool(Bool)
        case integer(Int)
        case number(Double)
        case string(String)
        /// A class or function, which may stand only where the reader knows it.
        case global(Global)
        /// Numbers of containers, of tensors, of storages.
        case list(Int), tuple(Int), dictionary(Int), tensor(Int), storage(Int)
    }

    /// The names that a pickle may refer to.
    private enum Global: Equatable {
        case orderedDictionary, size, rebuildTensor, rebuildParameter
        case storage(DType)
    }

    private struct Storage {
        let dtype: DType
        let elementCount: Int
        let range: Range<Int>
    }

    private static let maximumDepth = 64

    private let pickle: UnsafeRawBufferPointer
    private let storages: Storages
    private var position = 0
    private var stack: [Item] = []
    private var marks: [Int] = []
    private var memory: [Int: Item] = [:]
    /// Elements of lists and tuples; keys and values of dictionaries, one after the other.
    private var containers: [[Item]] = []
    private var tensors: [PyTorchFile.Entry] = []
    private var openStorages: [Storage] = []

    private init(_ pickle: UnsafeRawBufferPointer, storages: Storages) {
        self.pickle = pickle
        self.storages = storages
    }

    /// - Returns: the value, and how many bytes say it.
    /// - Throws: ``Failure``.
    static func read(_ pickle: UnsafeRawBufferPointer, storages: Storages) throws -> (value: PyTorchFile.Value, count: Int) {
        var reader = PickleReader(pickle, storages: storages)
        let root = try reader.run()
        var builder = ValueBuilder(reader)
        return (try builder.value(root), reader.position)
    }

    // MARK: Bytes

    private func failure(_ problem: String) -> Failure { Failure(problem: "its pickle \(problem) (at byte \(position))") }

    private mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard count >= 0, count <= pickle.count - position else { throw failure("ends too early") }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: pickle[position..<position + count])
    }

    private mutating func takeInteger<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type) throws -> Number {
        Number(littleEndian: try take(MemoryLayout<Number>.size).loadUnaligned(as: type))
    }

    private mutating func takeSize<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type) throws -> Int {
        guard let size = Int(exactly: try takeInteger(type)) else { throw failure("has a size beyond its end") }
        return size
    }

    private mutating func takeText(_ count: Int) throws -> String {
        guard let text = String(validating: try take(count), as: UTF8.self) else { throw failure("has text that is not UTF-8") }
        return text
    }

    private mutating func takeLine() throws -> String {
        guard let end = pickle[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw failure("ends too early") }
        let text = try takeText(end - position)
        position += 1
        return text
    }

    // MARK: The machine

    private mutating func run() throws -> Item {
        while true {
            let opcode = try takeInteger(UInt8.self)
            if opcode == UInt8(ascii: ".") { return try pop() }
            if try scalar(opcode) { continue }
            if try container(opcode) { continue }
            try other(opcode)
        }
    }

    private mutating func pop() throws -> Item {
        guard let item = stack.popLast(), stack.count >= marks.last ?? 0 else { throw failure("takes more than it has") }
        return item
    }

    private mutating func popToMark() throws -> [Item] {
        guard let mark = marks.popLast() else { throw failure("takes more than it has") }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    private mutating func newContainer(_ items: [Item] = []) -> Int {
        containers.append(items)
        return containers.count - 1
    }

    /// Numbers, texts, truth values and names.
    private mutating func scalar(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))
        case UInt8(ascii: "J"): stack.append(.integer(Int(try takeInteger(Int32.self))))
        case UInt8(ascii: "K"): stack.append(.integer(Int(try takeInteger(UInt8.self))))
        case UInt8(ascii: "M"): stack.append(.integer(Int(try takeInteger(UInt16.self))))
        case 0x8A: stack.append(.integer(try longInteger()))
        case UInt8(ascii: "G"):
            stack.append(.number(Double(bitPattern: UInt64(bigEndian: try take(8).loadUnaligned(as: UInt64.self)))))
        case UInt8(ascii: "X"): stack.append(.string(try takeText(takeSize(UInt32.self))))
        case 0x8C: stack.append(.string(try takeText(takeSize(UInt8.self))))
        case 0x8D: stack.append(.string(try takeText(takeSize(UInt64.self))))
        // Texts of Python 2.
        case UInt8(ascii: "U"): stack.append(.string(try takeText(takeSize(UInt8.self))))
        case UInt8(ascii: "T"): stack.append(.string(try takeText(takeSize(UInt32.self))))
        case UInt8(ascii: "c"):
            let module = try takeLine()
            stack.append(.global(try global(module, takeLine())))
        case 0x93:
            guard case .string(let name) = try pop(), case .string(let module) = try pop() else { throw failure("names something without a text") }
            stack.append(.global(try global(module, name)))
        default: return false
        }
        return true
    }

    /// A two's complement integer of up to 8 bytes.
    private mutating func longInteger() throws -> Int {
        let bytes = try take(takeSize(UInt8.self))
        guard bytes.count <= 8 else { throw failure("has an integer of more than 64 bits") }
        guard let last = bytes.last else { return 0 }
        var value = last >= 0x80 ? -1 : 0
        for byte in bytes.reversed() { value = value << 8 | Int(byte) }
        return value
    }

    private func global(_ module: String, _ name: String) throws -> Global {
        switch (module, name) {
        case ("collections", "OrderedDict"): return .orderedDictionary
        case ("torch", "Size"): return .size
        case ("torch._utils", "_rebuild_tensor_v2"): return .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"): return .rebuildParameter
        case ("torch", _):
            if let dtype = PyTorchStorageType.dtypes[name] { return .storage(dtype) }
        default: break
        }
        throw Failure(
            problem: "it refers to '\(module.prefix(80)).\(name.prefix(80))', which is no tensor and no plain container; save a state "
                + "dictionary of tensors and numbers instead")
    }

    /// Lists, tuples and dictionaries.
    private mutating func container(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "}"): stack.append(.dictionary(newContainer()))
        case UInt8(ascii: "]"): stack.append(.list(newContainer()))
        case UInt8(ascii: ")"): stack.append(.tuple(newContainer()))
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "t"):
            let items = try popToMark()
            stack.append(.tuple(newContainer(items)))
        case 0x85, 0x86, 0x87:
            let items = try (0..<Int(opcode) - 0x84).map { _ in try pop() }
            stack.append(.tuple(newContainer(items.reversed())))
        case UInt8(ascii: "a"): try append([pop()])
        case UInt8(ascii: "e"): try append(popToMark())
        case UInt8(ascii: "s"):
            let value = try pop()
            try set([pop(), value])
        case UInt8(ascii: "u"): try set(popToMark())
        default: return false
        }
        return true
    }

    private mutating func append(_ items: [Item]) throws {
        guard case .list(let number) = stack.last else { throw failure("appends to something that is no list") }
        containers[number] += items
    }

    private mutating func set(_ items: [Item]) throws {
        guard case .dictionary(let number) = stack.last, items.count.isMultiple(of: 2) else { throw failure("sets keys of something that is no dictionary") }
        containers[number] += items
    }

    /// Memory, tensors, and the frame of the protocol.
    private mutating func other(_ opcode: UInt8) throws {
        switch opcode {
        case 0x80:
            let version = try takeInteger(UInt8.self)
            guard (2...5).contains(version) else { throw failure("has the protocol \(version); 2 to 5 are read") }
        case 0x95: _ = try take(8)
        case UInt8(ascii: "q"): memory[try takeSize(UInt8.self)] = try top()
        case UInt8(ascii: "r"): memory[try takeSize(UInt32.self)] = try top()
        case 0x94: memory[memory.count] = try top()
        case UInt8(ascii: "h"): stack.append(try recalled(takeSize(UInt8.self)))
        case UInt8(ascii: "j"): stack.append(try recalled(takeSize(UInt32.self)))
        case UInt8(ascii: "Q"): try openStorage(pop())
        case UInt8(ascii: "R"):
            let arguments = try pop()
            try call(pop(), arguments)
        case UInt8(ascii: "b"):
            // What an ordered dictionary has beside its entries: PyTorch's versions of modules.
            guard case .dictionary = try pop(), case .dictionary = try top() else { throw failure("gives attributes to something that is no dictionary") }
        default: throw failure("has the unknown operation \(opcode)")
        }
    }

    private func top() throws -> Item {
        guard let item = stack.last, stack.count > marks.last ?? 0 else { throw failure("takes more than it has") }
        return item
    }

    private func recalled(_ number: Int) throws -> Item {
        guard let item = memory[number] else { throw failure("recalls what it did not memorise") }
        return item
    }

    private func elements(of item: Item) -> [Item]? { if case .tuple(let number) = item { containers[number] } else { nil } }

    private func integers(in item: Item) -> [Int]? {
        guard let items = elements(of: item) else { return nil }
        let integers = items.compactMap { if case .integer(let value) = $0 { value } else { nil } }
        return integers.count == items.count ? integers : nil
    }

    // MARK: Tensors

    private mutating func call(_ function: Item, _ arguments: Item) throws {
        guard case .global(let global) = function, let arguments = elements(of: arguments) else { throw failure("calls something unknown") }
        switch (global, arguments.count) {
        case (.orderedDictionary, 0): stack.append(.dictionary(newContainer()))
        case (.orderedDictionary, 1):
            // Pairs of keys and values, as Python 2 wrote them.
            guard case .list(let number) = arguments[0] else { throw failure("makes a dictionary of something that is no list") }
            let pairs = containers[number].compactMap { item -> [Item]? in
                switch item {
                case .list(let number), .tuple(let number): containers[number].count == 2 ? containers[number] : nil
                default: nil
                }
            }
            guard pairs.count == containers[number].count else { throw failure("makes a dictionary of something that is no list of pairs") }
            stack.append(.dictionary(newContainer(pairs.flatMap { $0 })))
        case (.size, 1):
            guard integers(in: arguments[0]) != nil else { throw failure("has a size that is no tuple of integers") }
            stack.append(arguments[0])
        case (.rebuildParameter, 2...3):
            guard case .tensor = arguments[0] else { throw failure("has a parameter that is no tensor") }
            stack.append(arguments[0])
        case (.rebuildTensor, 6...7):
            guard case .storage(let number) = arguments[0], case .integer(let offset) = arguments[1],
                let shape = integers(in: arguments[2]), let strides = integers(in: arguments[3])
            else { throw failure("has a tensor without a storage, offset, shape or strides") }
            tensors.append(try tensor(openStorages[number], shape: shape, strides: strides, offset: offset))
            stack.append(.tensor(tensors.count - 1))
        default: throw failure("calls '\(global)' with \(arguments.count) arguments")
        }
    }

    /// Takes ('storage', type, name, location, number of elements); the format before PyTorch 1.6 has None behind them.
    private mutating func openStorage(_ identifier: Item) throws {
        guard let parts = elements(of: identifier), (5...6).contains(parts.count), case .string("storage") = parts[0],
            case .global(.storage(let dtype)) = parts[1], case .string(let name) = parts[2], case .integer(let count) = parts[4]
        else { throw failure("has a storage without a type, name or size") }
        if parts.count == 6 { guard case .none = parts[5] else { throw failure("has a storage that is a part of another one") } }
        let (size, overflow) = count.multipliedReportingOverflow(by: dtype.byteCount)
        let range: Range<Int>
        switch storages.places {
        case .known(let places):
            guard let place = places[name] else { throw Failure(problem: "the elements '\(name.prefix(80))' of a tensor are missing") }
            range = place
        case .wanted(let sizes):
            guard count >= 0, !overflow, size <= storages.bytes.count else { throw failure("has a storage larger than the file") }
            sizes.bytes[name] = size
            range = 0..<size
        }
        guard count >= 0, !overflow, size <= range.count else {
            throw Failure(problem: "the elements '\(name.prefix(80))' should be \(count) of \(dtype), but are \(range.count) bytes")
        }
        openStorages.append(Storage(dtype: dtype, elementCount: count, range: range.lowerBound..<range.lowerBound + size))
        stack.append(.storage(openStorages.count - 1))
    }

    /// A tensor all of whose elements lie in its storage. Strides may repeat elements, but not make more bytes than the file has.
    private func tensor(_ storage: Storage, shape: [Int], strides: [Int], offset: Int) throws -> PyTorchFile.Entry {
        let problem = Failure(problem: "a tensor of shape \(shape.prefix(8)), strides \(strides.prefix(8)) and offset \(offset) does not fit its \(storage.elementCount) elements")
        guard shape.count == strides.count, shape.count <= 64, offset >= 0, (shape + strides).allSatisfy({ $0 >= 0 }) else { throw problem }
        var bytes = storage.dtype.byteCount
        var last = offset
        for (size, stride) in zip(shape, strides) {
            let product = bytes.multipliedReportingOverflow(by: size)
            let step = stride.multipliedReportingOverflow(by: max(0, size - 1))
            let sum = last.addingReportingOverflow(step.partialValue)
            guard !product.overflow, !step.overflow, !sum.overflow else { throw problem }
            (bytes, last) = (product.partialValue, sum.partialValue)
        }
        guard bytes == 0 ? offset <= storage.elementCount : last < storage.elementCount, bytes <= storages.bytes.count else { throw problem }
        return PyTorchFile.Entry(
            dtype: storage.dtype, shape: shape, strides: strides, offset: offset, storage: storage.range, bytes: storages.bytes)
    }
}

extension PickleReader {
    /// Makes values of the items of a machine that has stopped.
    private struct ValueBuilder {
        let containers: [[Item]]
        let tensors: [PyTorchFile.Entry]
        /// Containers that several others hold are made once.
        private var finished: [Int: PyTorchFile.Value] = [:]
        private var open: Set<Int> = []

        init(_ reader: PickleReader) {
            containers = reader.containers
            tensors = reader.tensors
        }

        mutating func value(_ item: Item, depth: Int = 0) throws -> PyTorchFile.Value {
            switch item {
            case .none: return .none
            case .bool(let value): return .bool(value)
            case .integer(let value): return .integer(value)
            case .number(let value): return .number(value)
            case .string(let text): return .string(text)
            case .tensor(let number): return .tensor(tensors[number])
            case .list(let number): return try container(number, depth) { .list($0) }
            case .tuple(let number): return try container(number, depth) { .tuple($0) }
            case .dictionary(let number):
                let keys = try stride(from: 0, to: containers[number].count, by: 2).map { try key(containers[number][$0]) }
                return try container(number, depth) { values in
                    var dictionary = PyTorchFile.Dictionary()
                    for (index, key) in keys.enumerated() {
                        guard dictionary.insert(values[2 * index + 1], for: key) else { throw Failure(problem: "a dictionary has the key '\(key)' twice") }
                    }
                    return .dictionary(dictionary)
                }
            case .global, .storage: throw Failure(problem: "it holds a class or a bare storage where a value should be")
            }
        }

        private mutating func container(
            _ number: Int, _ depth: Int, _ make: ([PyTorchFile.Value]) throws -> PyTorchFile.Value
        ) throws -> PyTorchFile.Value {
            if let value = finished[number] { return value }
            guard depth < maximumDepth, open.insert(number).inserted else {
                throw Failure(problem: "its containers hold themselves, or are nested deeper than \(maximumDepth)")
            }
            var values: [PyTorchFile.Value] = []
            for item in containers[number] { values.append(try value(item, depth: depth + 1)) }
            open.remove(number)
            let made = try make(values)
            finished[number] = made
            return made
        }

        private func key(_ item: Item) throws -> PyTorchFile.Dictionary.Key {
            switch item {
            case .string(let text): return .string(text)
            case .integer(let value): return .integer(value)
            default: throw Failure(problem: "a dictionary has a key that is neither text nor a whole number")
            }
        }
    }
}
