import CondenseTesting
import Foundation
import Testing
import Torch

/// Files as h5py writes them (Tools/goldens/perceptual_distance.py).
@Suite struct HDF5FileTests {
    private func fixture() throws -> URL {
        try #require(Bundle.module.url(forResource: "arrays", withExtension: "h5", subdirectory: "Fixtures"))
    }

    @Test func numbersOfAllKinds() throws {
        let file = try HDF5File(path: try fixture().path)
        let names = file.datasets.map(\.name)
        #expect(names == names.sorted() && names.count == 47 && names.contains("a/b/numbers"))
        #expect(try file.tensor(named: "a/b/numbers").scalars(as: Int.self) == [0, 1, 2, 3, 4])
        let bytes = try file.tensor(named: "a/bytes")
        #expect(bytes.dtype == .uint8 && bytes.shape == [2, 3] && bytes.scalars(as: Int.self) == [0, 1, 2, 3, 4, 5])
        let scalar = try file.tensor(named: "a/scalar")
        #expect(scalar.shape == [] && scalar.dtype == .float64 && scalar.item() == 2.5)
        #expect(try file.tensor(named: "a/empty").shape == [0, 3])
        // numpy.random.default_rng(0).normal(size=(3, 4))
        let matrix = try file.tensor(named: "matrix")
        #expect(matrix.dtype == .float32 && mismatch(matrix[0], Tensor([0.12573022, -0.13210486, 0.64042264, 0.10490011] as [Float])) == nil)
        for place in 0..<40 {
            #expect(try file.tensor(named: "many/\(place < 10 ? "0" : "")\(place)").scalars(as: Int.self) == [place, -place])
        }
    }

    @Test func whatIsNotReadIsSaid() throws {
        let file = try HDF5File(path: try fixture().path)
        for name in ["compressed", "text", "missing"] {
            #expect { try file.tensor(named: name) } throws: { "\($0)".contains("'\(name)'") }
        }
        #expect(throws: FileAccessError.self) { try HDF5File(path: "/no/such/file.h5") }
    }

    /// Cut and changed files give errors or other numbers, and end.
    @Test func damagedFilesAreRefused() throws {
        let whole = try Data(contentsOf: try fixture()), path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).h5").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        func read(_ data: Data) throws {
            try data.write(to: URL(filePath: path))
            let file = try HDF5File(path: path)
            for dataset in file.datasets where dataset.dtype != nil { #expect(try file.tensor(named: dataset.name).elementCount <= whole.count) }
        }
        for count in [0, 7, 8, 60, 100, 800, 2_000, whole.count / 2] {
            #expect(throws: FileFormatError.self, "\(count) bytes") { try read(whole.prefix(count)) }
        }
        var random = RandomGenerator(seed: 5), opened = 0
        for _ in 0..<2_000 {
            var data = whole
            for _ in 0..<4 { data[Int.random(in: 0..<data.count, using: &random)] = UInt8.random(in: 0...255, using: &random) }
            do {
                try read(data)
                opened += 1
            } catch is FileFormatError {}
        }
        #expect(opened > 0 && opened < 2_000)
    }
}
