/// A file of `torch.save`: tensors, numbers, texts and containers of them, memory-mapped.
///
/// The file is a zip archive of a pickle, `…/data.pkl`, and the tensors' elements, `…/data/0` and so on, or, before PyTorch 1.6, a
/// sequence of pickles and elements. Python's pickles are
/// programs that may call anything; this reader knows only what tensors and containers need and calls nothing, as
/// `torch.load(weights_only: true)`. All sizes, strides and offsets are checked against the file when it is opened.
public final class PyTorchFile: Sendable {
    /// What the file holds.
    public indirect enum Value: Sendable {
        case none
        case bool(Bool)
        case integer(Int)
        case number(Double)
        case string(String)
        case list([Value])
        case tuple([Value])
        case dictionary(Dictionary)
        case tensor(Entry)
    }

    /// A dictionary in the order of the file.
    public struct Dictionary: Sendable {
        public enum Key: Hashable, Sendable {
            case string(String)
            case integer(Int)
        }

        public private(set) var keys: [Key] = []
        private var values: [Key: Value] = [:]

        /// Returns false, and changes nothing, when the key is there already.
        mutating func insert(_ value: Value, for key: Key) -> Bool {
            guard values[key] == nil else { return false }
            values[key] = value
            keys.append(key)
            return true
        }

        public subscript(key: Key) -> Value? { values[key] }
        public subscript(key: String) -> Value? { values[.string(key)] }

        /// The keys that are text, in the order of the file.
        public var names: [String] { keys.compactMap { if case .string(let name) = $0 { name } else { nil } } }
    }

    /// A tensor in the file; nothing is read before ``tensor()``.
    public struct Entry: Sendable {
        public let dtype: DType
        public let shape: [Int]
        /// Elements of the storage to step over for the next index of each dimension.
        public let strides: [Int]
        /// The element of the storage that comes first.
        public let offset: Int
        /// Where the storage lies in the file.
        let storage: Range<Int>
        let bytes: MappedBytes

        public var elementCount: Int { shape.reduce(1, *) }
    }

    /// The largest pickle that is read: 16 MiB, enough for a hundred thousand tensors.
    public static let maximumPickleSize = 1 << 24

    public let path: String
    public let root: Value

    /// Maps the file at `path` and checks it.
    /// - Throws: `FileAccessError` when it cannot be opened; `FileFormatError` when it is damaged, or holds anything but tensors,
    ///   numbers, texts and containers of them.
    public convenience init(path: String) throws { try self.init(bytes: MappedBytes(path: path)) }

    package init(bytes: MappedBytes) throws {
        path = bytes.path
        func invalid(_ problem: String) -> FileFormatError {
            FileFormatError(path: bytes.path, format: "a PyTorch file", problem: problem)
        }
        do {
            if bytes.buffer.starts(with: SequenceOfPickles.beginning) {
                root = try SequenceOfPickles(bytes).root
                return
            }
            let archive = try StoredZipArchive(bytes.buffer)
            let pickles = archive.entries.filter { $0.key == "data.pkl" || $0.key.hasSuffix("/data.pkl") }
            guard let pickle = pickles.first, pickles.count == 1 else { throw invalid("its archive has \(pickles.count) entries data.pkl instead of one") }
            guard pickle.value.count <= Self.maximumPickleSize else {
                throw invalid("its data.pkl has \(pickle.value.count) bytes; at most \(Self.maximumPickleSize) are read")
            }
            let folder = String(pickle.key.dropLast("data.pkl".count))
            if let order = archive.entries[folder + "byteorder"], !bytes.buffer[order].elementsEqual("little".utf8) {
                throw invalid("its numbers are big-endian; save it again on a machine that is not")
            }
            let parts = archive.entries.filter { $0.key.hasPrefix(folder + "data/") }
            let places = Swift.Dictionary(uniqueKeysWithValues: parts.map { (String($0.key.dropFirst(folder.count + 5)), $0.value) })
            root = try PickleReader.read(
                UnsafeRawBufferPointer(rebasing: bytes.buffer[pickle.value]), storages: .init(bytes: bytes, places: .known(places))
            ).value
        } catch let damage as StoredZipArchive.Damage {
            throw invalid(damage.problem)
        } catch let error as PickleReader.Failure {
            throw invalid(error.problem)
        }
    }

    /// The dictionary that the file holds, usually a state dictionary.
    /// - Throws: `FileFormatError` if it holds something else.
    public func dictionary() throws -> Dictionary {
        guard case .dictionary(let dictionary) = root else {
            throw FileFormatError(path: path, format: "a state dictionary", problem: "it holds a \(root.kind) instead of a dictionary")
        }
        return dictionary
    }
}

extension PyTorchFile.Value {
    /// What it is, in one word.
    public var kind: String {
        switch self {
        case .none: "None"
        case .bool: "bool"
        case .integer: "integer"
        case .number: "number"
        case .string: "string"
        case .list: "list"
        case .tuple: "tuple"
        case .dictionary: "dictionary"
        case .tensor: "tensor"
        }
    }

    public var stringValue: String? { if case .string(let text) = self { text } else { nil } }
    public var dictionaryValue: PyTorchFile.Dictionary? { if case .dictionary(let dictionary) = self { dictionary } else { nil } }
    public var tensorEntry: PyTorchFile.Entry? { if case .tensor(let entry) = self { entry } else { nil } }

    /// The number, also of a tensor with one element.
    public var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        case .tensor(let entry) where entry.elementCount == 1 && entry.dtype.isReal: entry.tensor().item()
        default: nil
        }
    }

    /// The whole number, also of a tensor with one element.
    public var intValue: Int? {
        if case .integer(let value) = self { return value }
        return doubleValue.flatMap(Int.init(exactly:))
    }
}

extension DType {
    fileprivate var isReal: Bool { self != .complex64 && self != .complex128 }
}

extension PyTorchFile.Entry {
    /// The tensor, copied into memory in row-major order.
    public func tensor() -> Tensor {
        withExtendedLifetime(bytes) {
            if isContiguous { return Tensor(bytes: ownElements, shape: shape, dtype: dtype) }
            let whole = Tensor(bytes: elements, shape: [elements.count / dtype.byteCount], dtype: dtype)
            return whole.strided(shape: shape, strides: strides, offset: offset).contiguous()
        }
    }

    /// The tensor over the mapped file, as `SafetensorsFile/mappedTensor(named:)`; a copy where its elements do not lie in row-major order.
    public func mappedTensor() -> Tensor {
        guard isContiguous, Int(bitPattern: ownElements.baseAddress) % dtype.byteCount == 0 else { return tensor() }
        return Tensor(borrowing: ownElements, shape: shape, dtype: dtype, owner: bytes)
    }

    /// Of the storage, which others may share.
    private var elements: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes.buffer[storage]) }

    /// Of a tensor whose elements lie in row-major order.
    private var ownElements: UnsafeRawBufferPointer {
        let start = offset * dtype.byteCount
        return UnsafeRawBufferPointer(rebasing: elements[start..<start + elementCount * dtype.byteCount])
    }

    /// Whether the elements lie one after another in row-major order.
    private var isContiguous: Bool {
        // Where one size is 0 the others are not bounded by the file.
        if shape.contains(0) { return true }
        var expected = 1
        for (size, stride) in zip(shape, strides).reversed() {
            if size != 1, stride != expected { return false }
            expected *= size
        }
        return true
    }
}
