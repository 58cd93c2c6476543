/// Arrays of numbers in an HDF5 file, memory-mapped: what h5py and Keras write unless they are told otherwise.
///
/// Read are files of the format's first version (superblock 0) with groups as symbol tables and datasets in one piece (HDF5 File Format
/// Specification, version 3.0, sections II to IV). Others are listed without a type, and refused when they are asked for. All sizes and addresses are
/// checked against the file.
public struct HDF5File: Sendable {
    public struct Dataset: Sendable {
        /// With the groups it lies in: "group/group/name".
        public let name: String
        public let shape: [Int]
        /// nil for what this reader does not know: other types, or elements in pieces or compressed.
        public let dtype: DType?
        let range: Range<Int>
    }

    public var path: String { bytes.path }
    /// Sorted by name.
    public let datasets: [Dataset]
    private let bytes: MappedBytes

    /// - Throws: `FileAccessError`; `FileFormatError` for damaged files and those of later versions.
    public init(path: String) throws {
        bytes = try MappedBytes(path: path)
        var reader = HDF5Reader(bytes: bytes)
        datasets = try reader.datasets().sorted { $0.name < $1.name }
    }

    /// - Throws: `FileFormatError` if there is none of this name, or it is of a kind that is not read.
    public func tensor(named name: String) throws -> Tensor {
        guard let dataset = datasets.first(where: { $0.name == name }) else { throw fail("it has no dataset '\(name)'") }
        guard let dtype = dataset.dtype else { throw fail("dataset '\(name)' is compressed, in pieces or of a type that is not read; write it as plain numbers") }
        return Tensor(bytes: UnsafeRawBufferPointer(rebasing: bytes.buffer[dataset.range]), shape: dataset.shape, dtype: dtype)
    }

    private func fail(_ problem: String) -> FileFormatError { FileFormatError(path: path, format: "HDF5", problem: problem) }
}

private struct HDF5Reader {
    let bytes: MappedBytes
    /// Headers of objects that were read; a file may name one twice, or in a circle.
    private var seen = Set<Int>()
    private var found: [HDF5File.Dataset] = []

    private static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]
    private static let deepest = 64

    init(bytes: MappedBytes) { self.bytes = bytes }

    private func fail(_ problem: String) -> FileFormatError { FileFormatError(path: bytes.path, format: "HDF5", problem: problem) }

    private func range(_ start: Int, _ count: Int) throws -> Range<Int> {
        guard start >= 0, count >= 0, start <= bytes.count, count <= bytes.count - start else { throw fail("it ends before byte \(start) + \(count); fetch or copy it again") }
        return start..<start + count
    }

    private func integer(_ start: Int, _ size: Int) throws -> Int {
        let value = bytes.buffer[try range(start, size)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let value = Int(exactly: value) else { throw fail("a number at byte \(start) is too large") }
        return value
    }

    private func expect(_ text: String, at start: Int) throws {
        guard bytes.buffer[try range(start, 4)].elementsEqual(text.utf8) else { throw fail("there is no '\(text)' at byte \(start)") }
    }

    mutating func datasets() throws -> [HDF5File.Dataset] {
        guard bytes.buffer[try range(0, 8)].elementsEqual(Self.signature) else { throw fail("it does not begin like one") }
        guard try integer(8, 1) == 0, try integer(13, 1) == 8, try integer(14, 1) == 8 else { throw fail("it is of a later version of the format; write it with libver='earliest'") }
        try readObject(try integer(64, 8), name: "", depth: 0)
        return found
    }

    /// Type and place of each message of an object's header, and of its continuations.
    private func messages(_ header: Int) throws -> [(type: Int, data: Range<Int>)] {
        guard try integer(header, 1) == 1 else { throw fail("the object at byte \(header) has a header of a later version") }
        let count = try integer(header + 2, 2)
        var blocks = [try range(header + 16, try integer(header + 8, 4))], messages: [(type: Int, data: Range<Int>)] = []
        while let block = blocks.first, messages.count < count {
            blocks.removeFirst()
            var place = block.lowerBound
            while place + 8 <= block.upperBound, messages.count < count {
                let type = try integer(place, 2), data = try range(place + 8, try integer(place + 2, 2))
                messages.append((type, data))
                if type == 0x10 { blocks.append(try range(try integer(data.lowerBound, 8), try integer(data.lowerBound + 8, 8))) }
                place = data.upperBound
            }
        }
        return messages
    }

    private mutating func readObject(_ header: Int, name: String, depth: Int) throws {
        guard depth < Self.deepest, seen.insert(header).inserted else { return }
        let messages = try messages(header)
        if let table = messages.first(where: { $0.type == 0x11 })?.data {
            try readGroup(try integer(table.lowerBound, 8), heap: try integer(table.lowerBound + 8, 8), name: name, depth: depth)
        } else if let dataset = try dataset(messages, name: name) {
            found.append(dataset)
        }
    }

    private mutating func readGroup(_ node: Int, heap: Int, name: String, depth: Int) throws {
        try expect("HEAP", at: heap)
        let names = try range(try integer(heap + 24, 8), try integer(heap + 8, 8))
        for (offset, header) in try entries(node, depth: 0) {
            guard offset >= 0, offset < names.count, let end = bytes.buffer[names.lowerBound + offset..<names.upperBound].firstIndex(of: 0) else {
                throw fail("a name in '\(name)' lies outside of its names")
            }
            let own = String(decoding: bytes.buffer[names.lowerBound + offset..<end], as: UTF8.self)
            try readObject(header, name: name.isEmpty ? own : "\(name)/\(own)", depth: depth + 1)
        }
    }

    /// The places of names and the headers of the objects in a group's tree.
    private mutating func entries(_ node: Int, depth: Int) throws -> [(name: Int, header: Int)] {
        guard depth < Self.deepest, seen.insert(node).inserted else { throw fail("a group's tree at byte \(node) is in itself") }
        if bytes.buffer[try range(node, 4)].elementsEqual("SNOD".utf8) {
            return try (0..<(try integer(node + 6, 2))).compactMap { place in
                let entry = node + 8 + 40 * place
                // Links to other names have no object of their own.
                let isLink = bytes.buffer[try range(entry + 8, 8)].allSatisfy { $0 == 0xff }
                return isLink ? nil : (try integer(entry, 8), try integer(entry + 8, 8))
            }
        }
        try expect("TREE", at: node)
        guard try integer(node + 4, 1) == 0 else { throw fail("the tree at byte \(node) is not of a group") }
        var all: [(name: Int, header: Int)] = []
        // Keys and children take turns.
        for child in 0..<(try integer(node + 6, 2)) { all += try entries(try integer(node + 32 + 16 * child, 8), depth: depth + 1) }
        return all
    }

    private func dataset(_ messages: [(type: Int, data: Range<Int>)], name: String) throws -> HDF5File.Dataset? {
        func message(_ type: Int) -> Int? { messages.first { $0.type == type }?.data.lowerBound }
        guard let space = message(0x1), let type = message(0x3), let layout = message(0x8) else { return nil }
        let rank = try integer(space + 1, 1), sizes = space + (try integer(space, 1) == 1 ? 8 : 4)
        let shape = try (0..<rank).map { try integer(sizes + 8 * $0, 8) }
        let isContiguous = try integer(layout, 1) == 3 && integer(layout + 1, 1) == 1
        guard isContiguous, let dtype = try dtype(type) else { return HDF5File.Dataset(name: name, shape: shape, dtype: nil, range: 0..<0) }
        var size = dtype.byteCount
        for count in shape {
            let (product, overflow) = size.multipliedReportingOverflow(by: count)
            guard !overflow else { throw fail("dataset '\(name)' has the impossible shape \(shape)") }
            size = product
        }
        guard try integer(layout + 10, 8) == size else { throw fail("dataset '\(name)' \(shape) does not have the size of its numbers") }
        // Nothing lies anywhere.
        return HDF5File.Dataset(name: name, shape: shape, dtype: dtype, range: size == 0 ? 0..<0 : try range(try integer(layout + 2, 8), size))
    }

    /// Little-endian numbers that tensors hold.
    private func dtype(_ message: Int) throws -> DType? {
        let kind = try integer(message, 1) & 0xf, flags = try integer(message + 1, 1), size = try integer(message + 4, 4)
        guard flags & 1 == 0 else { return nil }
        return switch (kind, size, flags & 8 != 0) {
        case (0, 1, true): .int8
        case (0, 1, false): .uint8
        case (0, 2, true): .int16
        case (0, 4, true): .int32
        case (0, 8, true): .int64
        case (1, 2, _): .float16
        case (1, 4, _): .float32
        case (1, 8, _): .float64
        default: nil
        }
    }
}
