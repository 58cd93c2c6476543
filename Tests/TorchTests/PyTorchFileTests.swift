import CondenseTesting
import Foundation
import Testing
import Torch

@Suite struct PyTorchFileTests {
    private static func fixture(_ name: String) throws -> String {
        try #require(Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Fixtures")).path
    }

    private func temporaryPath() -> String {
        FileManager.default.temporaryDirectory.appending(path: "file-\(UUID().uuidString).pt").path
    }

    @Test(arguments: ["torch-values.pt", "torch-values-4.pt", "torch-values-old.pt"]) func everyTensorOfPyTorchIsRead(_ name: String) throws {
        let values = try PyTorchFile(path: Self.fixture(name)).dictionary()
        let tensors = try #require(values["tensors"]?.dictionaryValue)
        let expected = try SafetensorsFile(path: Self.fixture("torch-values.safetensors")).tensors()
        #expect(Set(tensors.names) == Set(expected.keys))
        for (name, tensor) in expected {
            let entry = try #require(tensors[name]?.tensorEntry)
            #expect(entry.shape == tensor.shape && entry.dtype == tensor.dtype, "\(name)")
            #expect(entry.tensor().isEqual(to: tensor), "\(name)")
        }
        let transposed = try #require(expected["transposed"])
        #expect(values["parameter"]?.tensorEntry?.tensor().isEqual(to: transposed.transposed().contiguous()) == true)
        #expect(values["module"]?.dictionaryValue?.names == ["weight", "bias"])
        #expect(values["module"]?.dictionaryValue?["weight"]?.tensorEntry?.shape == [2, 3])
    }

    @Test(arguments: ["torch-values.pt", "torch-values-4.pt", "torch-values-old.pt"]) func everyPlainValueOfPyTorchIsRead(_ name: String) throws {
        let values = try PyTorchFile(path: Self.fixture(name)).dictionary()
        guard case .list(let list) = values["list"], case .tuple(let tuple) = values["tuple"], case .tuple(let size) = values["size"],
            case .list(let same) = values["same"]
        else { throw FileFormatError(path: name, format: "the fixture", problem: "containers are missing") }
        let integers: [Int?] = [1, -1, 300, 70000, -(1 << 31), 1 << 40, -(1 << 62)]
        #expect(list.prefix(7).map(\.intValue) == integers)
        #expect(list.suffix(4).map(\.kind) == ["bool", "None", "number", "string"])
        #expect(list[9].doubleValue == 0.5 && list[10].stringValue == "text ü")
        #expect(tuple.map(\.kind) == ["integer", "tuple", "tuple"])
        #expect(size.map(\.intValue) == [4, 6])
        #expect(values["ordered"]?.dictionaryValue?.names == ["b", "a"])
        #expect(values["numbered"]?.dictionaryValue?[.integer(5)]?.stringValue == "five")
        #expect(same.map { $0.tensorEntry?.shape } == [[4, 6], [4, 6]])
        #expect(values["tensors"]?.dictionaryValue?["int"]?.intValue == 7)
    }

    @Test func whatIsWrittenIsRead() throws {
        let path = temporaryPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let matrix = Tensor.normal([3, 5], generator: RandomGenerator(seed: 3))
        let tensors = [
            "matrix": matrix, "transposed": matrix.transposed(), "half": matrix.to(dtype: .float16), "number": Tensor(scalar: 2.5),
            "empty": Tensor.zeros([0, 4]), "cube": Tensor.normal([2, 3, 4], dtype: .float64, generator: RandomGenerator(seed: 4)),
        ]
        let items: [(key: String, value: PyTorchWriter.Item)] = tensors.sorted { $0.key < $1.key }.map { ($0.key, .tensor($0.value)) }
        let plain: [(key: String, value: PyTorchWriter.Item)] = [
            ("k", .integer(1 << 40)), ("negative", .integer(-3)), ("threshold", .number(0.1)),
            ("state", .dictionary([("name", .string("ReLU")), ("k", .integer(32))])),
        ]
        try PyTorchWriter.write(items + plain, to: path)
        let first = try Data(contentsOf: URL(filePath: path))
        try PyTorchWriter.write(items + plain, to: path)
        #expect(try Data(contentsOf: URL(filePath: path)) == first)

        let read = try PyTorchFile(path: path).dictionary()
        #expect(read.names == items.map(\.key) + plain.map(\.key))
        for (name, tensor) in tensors {
            #expect(read[name]?.tensorEntry?.dtype == tensor.dtype, "\(name)")
            #expect(read[name]?.tensorEntry?.tensor().isEqual(to: tensor) == true, "\(name)")
            // What is written to a mapped tensor changes its own pages, not the file.
            let mapped = try #require(read[name]?.tensorEntry?.mappedTensor())
            #expect(mapped.isEqual(to: tensor), "\(name)")
            _ = mapped.fillInPlace(1)
            #expect(try Data(contentsOf: URL(filePath: path)) == first, "\(name)")
        }
        #expect(read["k"]?.intValue == 1_099_511_627_776)
        #expect(read["negative"]?.intValue == -3)
        #expect(read["threshold"]?.doubleValue == 0.1)
        #expect(read["state"]?.dictionaryValue?["name"]?.stringValue == "ReLU")
        #expect(read["state"]?.dictionaryValue?["k"]?.intValue == 32)
    }

    @Test(arguments: [
        ("torch-hostile.pt", "refers to 'posixpath.join'"),
        ("torch-values.safetensors", "no zip archive"),
    ])
    func foreignFilesAreNamed(_ name: String, _ expected: String) throws {
        let path = try Self.fixture(name)
        let error = #expect(throws: FileFormatError.self) { try PyTorchFile(path: path) }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }

    /// An archive with this pickle and storage 0 of eight bytes.
    private func read(_ pickle: [UInt8], method: UInt8 = 0) throws -> PyTorchFile {
        let path = temporaryPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        // A number of as many digits as the pickle has bytes makes room for it.
        try PyTorchWriter.write([("pad", .string(String(repeating: "p", count: 400))), ("a", .tensor(Tensor([1, 2] as [Float])))], to: path)
        var bytes = try [UInt8](Data(contentsOf: URL(filePath: path)))
        let start = 64
        precondition(bytes[start] == 0x80 && pickle.count < 400)
        bytes.replaceSubrange(start..<start + pickle.count, with: pickle)
        if method != 0 {
            let record = try #require(bytes.indices.first { bytes[$0...].starts(with: [0x50, 0x4B, 1, 2]) })
            bytes[record + 10] = method
        }
        try Data(bytes).write(to: URL(filePath: path))
        return try PyTorchFile(path: path)
    }

    private func pickle(_ pieces: String...) -> [UInt8] {
        [0x80, 2] + pieces.joined().unicodeScalars.map { UInt8($0.value) }
    }

    /// A tensor over storage 0 with these small numbers.
    private func tensor(type: String = "FloatStorage", name: String = "0", count: Int = 2, offset: Int = 0, shape: [Int], strides: [Int]) -> [UInt8] {
        func integer(_ value: Int) -> String {
            let scalars = withUnsafeBytes(of: Int32(value).littleEndian) { $0.map { Unicode.Scalar($0) } }
            return "J" + String(String.UnicodeScalarView(scalars))
        }
        func tuple(_ values: [Int]) -> String { "(" + values.map(integer).joined() + "t" }
        return pickle(
            "ctorch._utils\n_rebuild_tensor_v2\n((X\u{7}\0\0\0storagectorch\n\(type)\nX\u{1}\0\0\0\(name)X\u{3}\0\0\0cpu\(integer(count))tQ",
            integer(offset), tuple(shape), tuple(strides), "\u{89}ccollections\nOrderedDict\n)RtR.")
    }

    @Test func hostilePicklesAreNamed() throws {
        func expectFailure(_ expected: String, _ pickle: [UInt8], method: UInt8 = 0) {
            let error = #expect(throws: FileFormatError.self) { try read(pickle, method: method) }
            #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
        }
        let column = try read(tensor(shape: [2, 1], strides: [1, 2])).root.tensorEntry?.tensor()
        #expect(column?.isEqual(to: Tensor([[1], [2]] as [[Float]])) == true)
        let empty = try read(tensor(shape: [0, 9], strides: [9, 1])).root.tensorEntry?.tensor()
        #expect(empty?.shape == [0, 9])
        expectFailure("refers to 'posix.system'", pickle("cposix\nsystem\n(X\u{2}\0\0\0lstR."))
        expectFailure("refers to 'builtins.eval'", pickle("cbuiltins\neval\n."))
        expectFailure("refers to 'torch.load'", pickle("ctorch\nload\n."))
        expectFailure("holds a class or a bare storage", pickle("ctorch\nSize\n."))
        expectFailure("calls something unknown", pickle("}(tR."))
        expectFailure("unknown operation 105", pickle("i"))
        expectFailure("ends too early", pickle("X\u{ff}\u{ff}\u{ff}\u{7f}"))
        expectFailure("takes more than it has", pickle("t."))
        expectFailure("takes more than it has", pickle("](a."))
        expectFailure("recalls what it did not memorise", pickle("h\u{5}."))
        expectFailure("hold themselves", pickle("]q\0h\0a."))
        expectFailure("nested deeper", pickle(")" + String(repeating: "\u{85}", count: 300) + "."))
        expectFailure("key 'string(\"a\")' twice", pickle("}(X\u{1}\0\0\0aNX\u{1}\0\0\0aNu."))
        expectFailure("neither text nor a whole number", pickle("}(NNu."))
        expectFailure("more than 64 bits", pickle("\u{8a}\u{9}123456789."))
        expectFailure("does not fit its 2 elements", tensor(shape: [3], strides: [1]))
        expectFailure("does not fit its 2 elements", tensor(offset: 1, shape: [2], strides: [1]))
        expectFailure("does not fit its 2 elements", tensor(offset: -1, shape: [1], strides: [1]))
        expectFailure("does not fit its 2 elements", tensor(shape: [2], strides: [-1]))
        expectFailure("does not fit its 2 elements", tensor(shape: [2, 2], strides: [1]))
        // A million elements out of one would fill more than the file has.
        expectFailure("does not fit its 2 elements", tensor(shape: [1_000_000], strides: [0]))
        expectFailure("does not fit its 2 elements", tensor(shape: [.init(Int32.max), .init(Int32.max), .init(Int32.max)], strides: [0, 0, 0]))
        expectFailure("should be 3 of float32", tensor(count: 3, shape: [2], strides: [1]))
        expectFailure("should be -1 of float32", tensor(count: -1, shape: [2], strides: [1]))
        expectFailure("the elements '7' of a tensor are missing", tensor(name: "7", shape: [2], strides: [1]))
        expectFailure("refers to 'torch.QInt8Storage'", tensor(type: "QInt8Storage", shape: [2], strides: [1]))
        expectFailure("'archive/data.pkl' is compressed", pickle("N."), method: 8)
    }

    /// Files of the format before PyTorch 1.6 that were cut off or changed are refused, or read as something else, but never crash.
    @Test func damagedOldFilesAreRefused() throws {
        let good = try [UInt8](Data(contentsOf: URL(filePath: Self.fixture("torch-values-old.pt")))), path = temporaryPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        func isRead(_ bytes: [UInt8]) throws -> Bool {
            try Data(bytes).write(to: URL(filePath: path))
            do {
                let values = try PyTorchFile(path: path).dictionary()
                for name in values["tensors"]?.dictionaryValue?.names ?? [] { _ = values["tensors"]?.dictionaryValue?[name]?.tensorEntry?.tensor() }
                return true
            } catch is FileFormatError { return false }
        }
        for length in stride(from: 0, to: good.count, by: 7) { #expect(try !isRead(Array(good[..<length])), "\(length) bytes") }
        let random = RandomGenerator(seed: 1)
        var refused = 0
        for _ in 0..<400 {
            var bytes = good
            bytes[Int(random.next() % UInt64(good.count))] = UInt8(truncatingIfNeeded: random.next())
            if try !isRead(bytes) { refused += 1 }
        }
        #expect(refused > 50)
    }
}
