/// A file of `torch.save` before PyTorch 1.6: pickles of a magic number, the format's version, the machine, the value and the names of its
/// storages, then each storage as the number of its elements and the elements. Source: `torch/serialization.py`, `_legacy_load`.
struct SequenceOfPickles {
    let root: PyTorchFile.Value

    /// A pickle of protocol 2 and PyTorch's magic number.
    static let beginning: [UInt8] = [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
    private static let version = 1_001

    /// - Throws: ``PickleReader/Failure``.
    init(_ bytes: MappedBytes) throws {
        var position = Self.beginning.count
        func rest(from start: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes.buffer[start..<min(bytes.buffer.count, start + PyTorchFile.maximumPickleSize)])
        }
        func next(_ places: PickleReader.Storages.Places = .known([:])) throws -> PyTorchFile.Value {
            let read = try PickleReader.read(rest(from: position), storages: .init(bytes: bytes, places: places))
            position += read.count
            return read.value
        }
        guard try next().intValue == Self.version else { throw PickleReader.Failure(problem: "it has an unknown version of the format before PyTorch 1.6") }
        guard let machine = try next().dictionaryValue, case .bool(true) = machine["little_endian"] else {
            throw PickleReader.Failure(problem: "its numbers are big-endian; save it again on a machine that is not")
        }
        // Where the elements lie is known only behind the value that refers to them, so that it is read twice.
        let valueStart = position, sizes = PickleReader.Storages.Sizes()
        _ = try next(.wanted(sizes))
        guard case .list(let list) = try next() else { throw PickleReader.Failure(problem: "the names of its storages are missing") }
        var places: [String: Range<Int>] = [:]
        for entry in list {
            guard let name = entry.stringValue, let size = sizes.bytes[name], places[name] == nil else {
                throw PickleReader.Failure(problem: "it lists a storage that no tensor has, or one twice")
            }
            // The number of elements is known.
            guard size <= bytes.buffer.count - position - 8 else { throw PickleReader.Failure(problem: "it ends before the elements '\(name.prefix(80))' do") }
            places[name] = position + 8..<position + 8 + size
            position += 8 + size
        }
        root = try PickleReader.read(rest(from: valueStart), storages: .init(bytes: bytes, places: .known(places))).value
    }
}
