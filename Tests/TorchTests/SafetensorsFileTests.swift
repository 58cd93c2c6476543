import Foundation
import Testing
import Torch

@Suite struct SafetensorsFileTests {
    /// The bytes of a file with this header and data.
    static func bytes(header: String, data: [UInt8] = []) -> [UInt8] {
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + Array(header.utf8) + data
    }

    static func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
        try SafetensorsFile(bytes: MappedBytes(copying: bytes, name: "x.safetensors"))
    }

    static func temporaryFolder() throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("condense-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    static func item(_ name: String, _ elementType: SafetensorsFile.ElementType, _ shape: [Int], _ bytes: [UInt8]) -> SafetensorsWriter.Item {
        SafetensorsWriter.Item(name: name, elementType: elementType, shape: shape) { consume in
            try bytes.withUnsafeBytes(consume)
        }
    }

    @Test func readsAHeader() throws {
        let header = #"""
            {"b":{"dtype":"I64","shape":[],"data_offsets":[6,14]},"__metadata__":{"format":"pt","quote\"":"é\n"},
             "a":{"dtype":"F16","shape":[3,1],"data_offsets":[0,6]},"empty":{"dtype":"F32","shape":[0,7],"data_offsets":[14,14]}}
            """#
        let file = try Self.open(Self.bytes(header: header, data: Array(0..<14)))
        #expect(file.entries.map(\.name) == ["a", "b", "empty"])
        #expect(file.entries.map(\.shape) == [[3, 1], [], [0, 7]])
        #expect(file.entries.map(\.elementType) == [.float16, .int64, .float32])
        #expect(file.metadata == ["format": "pt", "quote\"": "é\n"])
        let entry = try #require(file.entry(named: "b"))
        #expect(file.withBytes(of: entry, Array.init) == Array(6..<14))
        #expect(file.entry(named: "c") == nil)
    }

    @Test func writtenFilesReadBack() throws {
        let folder = try Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "\(folder)/out.safetensors"
        let items = [
            Self.item("bytes", .uint8, [3], [1, 2, 3]),
            Self.item("z", .float32, [1, 2], [0, 0, 0, 0, 9, 9, 9, 9]),
            Self.item("a\"\\\u{1}é", .float32, [], [4, 3, 2, 1]),
        ]
        try SafetensorsWriter.write(items, metadata: ["key": "line\nbreak"], to: path)
        let file = try SafetensorsFile(path: path)
        #expect(file.entries.map(\.name) == ["a\"\\\u{1}é", "z", "bytes"])
        #expect(file.metadata == ["key": "line\nbreak"])
        #expect(file.entries[0].byteRange.lowerBound % 8 == 0)
        #expect(file.withBytes(of: file.entries[1], Array.init) == [0, 0, 0, 0, 9, 9, 9, 9])
        #expect(file.withBytes(of: file.entries[2], Array.init) == [1, 2, 3])

        let first = try Data(contentsOf: URL(fileURLWithPath: path))
        try SafetensorsWriter.write(items.reversed(), metadata: ["key": "line\nbreak"], to: path)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == first, "equal content gives equal bytes in any order")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["out.safetensors"])
    }

    @Test func aFailedWriteLeavesTheOldFile() throws {
        struct Interruption: Error {}
        let folder = try Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "\(folder)/out.safetensors"
        try SafetensorsWriter.write([Self.item("a", .uint8, [1], [7])], to: path)
        let broken = SafetensorsWriter.Item(name: "a", elementType: .uint8, shape: [1]) { _ in throw Interruption() }
        #expect(throws: Interruption.self) { try SafetensorsWriter.write([broken], to: path) }
        let file = try SafetensorsFile(path: path)
        #expect(file.withBytes(of: file.entries[0], Array.init) == [7])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["out.safetensors"])
        let error = #expect(throws: FileAccessError.self) { try SafetensorsWriter.write([], to: "\(folder)/absent/x") }
        #expect(error?.description == "'\(folder)/absent/x' could not be written: No such file or directory")
    }

    static let hostile: [(String, [UInt8])] = [
        ("fewer than the 8", [1, 2, 3]),
        ("header size is 18446744073709551615", Array(repeating: 0xFF, count: 8)),
        ("header size is 9", [9, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8)),
        ("not valid JSON", bytes(header: "{")),
        ("not valid JSON", bytes(header: "{}x")),
        ("nesting deeper", bytes(header: String(repeating: "[", count: 100_000))),
        ("not a JSON object", bytes(header: "[]")),
        ("duplicate key 'a'", bytes(header: #"{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":1}"#)),
        ("'__metadata__' is not an object", bytes(header: #"{"__metadata__":1}"#)),
        ("metadata 'k' is not a string", bytes(header: #"{"__metadata__":{"k":1}}"#)),
        ("lacks a proper dtype", bytes(header: #"{"a":{"dtype":"U8","shape":3,"data_offsets":[0,1]}}"#)),
        ("unknown dtype 'U7'", bytes(header: #"{"a":{"dtype":"U7","shape":[1],"data_offsets":[0,1]}}"#)),
        ("impossible shape", bytes(header: #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#)),
        ("impossible shape", bytes(header: #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}"#)),
        ("data_offsets do not give", bytes(header: #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,3]}}"#, data: [0, 0, 0])),
        ("data_offsets do not give", bytes(header: #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}}"#)),
        ("but the file has", bytes(header: #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, data: [0])),
        ("leave a gap or overlap", bytes(header: #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, data: [0, 0])),
        ("leave a gap or overlap", bytes(
            header: #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, data: [0, 0])),
    ]

    @Test("A hostile header is answered by one sentence", arguments: hostile.indices)
    func hostileHeader(index: Int) {
        let (sentence, bytes) = Self.hostile[index]
        let error = #expect(throws: FileFormatError.self) { try Self.open(bytes) }
        #expect(error?.description.contains(sentence) == true, "\(String(describing: error))")
        #expect(error?.description.hasPrefix("'x.safetensors' cannot be read as safetensors: ") == true)
    }

    @Test func missingFilesAndFolders() throws {
        let missing = #expect(throws: FileAccessError.self) { try SafetensorsFile(path: "/nonexistent/x.safetensors") }
        #expect(missing?.description == "'/nonexistent/x.safetensors' could not be opened: No such file or directory")
        let folder = try Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(throws: FileAccessError.self) { try SafetensorsFile(path: folder) }
        let empty = #expect(throws: FileAccessError.self) { try SafetensorsCheckpoint(path: folder) }
        #expect(empty?.description.contains("neither model.safetensors nor model.safetensors.index.json") == true)
    }

    @Test func shardsAreFoundThroughTheIndex() throws {
        let folder = try Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try SafetensorsWriter.write([Self.item("a", .uint8, [1], [1])], to: "\(folder)/one.safetensors")
        try SafetensorsWriter.write([Self.item("b", .uint8, [1], [2])], to: "\(folder)/two.safetensors")
        let index = "\(folder)/model.safetensors.index.json"
        func write(_ map: String) throws {
            try #"{"metadata":{"total_size":2},"weight_map":{\#(map)}}"#.write(toFile: index, atomically: true, encoding: .utf8)
        }
        try write(#""a":"one.safetensors","b":"two.safetensors""#)
        let checkpoint = try SafetensorsCheckpoint(path: folder)
        #expect(checkpoint.names == ["a", "b"])
        let location = try #require(checkpoint.location(of: "b"))
        #expect(location.file.withBytes(of: location.entry, Array.init) == [2])
        #expect(checkpoint.location(of: "c") == nil)

        try write(#""a":"one.safetensors","b":"one.safetensors""#)
        let misplaced = #expect(throws: FileFormatError.self) { try SafetensorsCheckpoint(path: folder) }
        #expect(misplaced?.problem == "tensor 'b' is not in 'one.safetensors' where the index puts it")
        try write(#""a":"../one.safetensors""#)
        let outside = #expect(throws: FileFormatError.self) { try SafetensorsCheckpoint(path: index) }
        #expect(outside?.problem == "the file of tensor 'a' is not a plain file name")
    }
}

extension SafetensorsFileTests {
    @Test func tensorsRoundTrip() throws {
        let folder = try Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "\(folder)/out.safetensors"
        let tensors: [String: Tensor] = [
            "odd": Tensor([UInt8(1), 2, 3]), "half": Tensor([Float(0.5), -2]).to(dtype: .bfloat16),
            "matrix": Tensor([[Float(1), 2, 3], [4, 5, 6]]), "transposed": Tensor([[Float(1), 2, 3], [4, 5, 6]]).transposed(),
            "scalar": Tensor(scalar: Int64(-7)), "flags": Tensor([true, false]), "none": Tensor.zeros([0, 3]),
        ]
        try SafetensorsWriter.write(tensors, to: path)
        let file = try SafetensorsFile(path: path)
        for (name, tensor) in tensors {
            let read = try file.tensor(named: name)
            #expect(read.dtype == tensor.dtype)
            #expect(read.isEqual(to: tensor), "\(name)")
            #expect(try file.mappedTensor(named: name).isEqual(to: tensor), "\(name)")
        }
        #expect(throws: FileFormatError.self) { try file.tensor(named: "absent") }
    }

    @Test func tensorsOutliveTheFileAndNeverChangeIt() throws {
        let folder = try Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "\(folder)/out.safetensors"
        try SafetensorsWriter.write(["a": Tensor([Float(1), 2])], to: path)
        let tensor = try SafetensorsFile(path: path).mappedTensor(named: "a")
        tensor.addInPlace(10)
        #expect(tensor.scalars(as: Float.self) == [11, 12])
        #expect(try SafetensorsFile(path: path).mappedTensor(named: "a").scalars(as: Float.self) == [1, 2])
    }

    @Test func unsupportedDTypesAndMisalignedElements() throws {
        let header = #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},"c":{"dtype":"U32","shape":[1],"data_offsets":[5,9]}}"#
        let file = try Self.open(Self.bytes(header: header, data: [1] + withUnsafeBytes(of: Float(3), Array.init) + [0, 0, 0, 0]))
        #expect(try file.mappedTensor(named: "b").scalars(as: Float.self) == [3])
        let error = #expect(throws: FileFormatError.self) { try file.tensor(named: "c") }
        #expect(error?.problem == "tensor 'c' has elements of type U32, which are not supported")
    }
}
