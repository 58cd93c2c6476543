import CondenseTesting
import EntropyCoding
import Foundation
import Testing
import Torch

/// The golden file of this name among the fixtures.
func goldens(_ name: String) throws -> Goldens {
    let url = try #require(Bundle.module.url(forResource: name, withExtension: "safetensors", subdirectory: "Fixtures"))
    return try Goldens(url)
}

/// Records an issue that says where two tensors differ.
func expectClose(
    _ actual: Tensor, _ expected: Tensor, relative: Double = 1e-5, absolute: Double = 1e-6, _ label: String = "tensor",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let difference = mismatch(actual, expected, relative: relative, absolute: absolute, label)
    #expect(difference == nil, sourceLocation: sourceLocation)
}

extension Goldens {
    func integers(_ name: String) throws -> [Int32] { try self(name).scalars() }
    func stream(_ name: String) throws -> [UInt8] { try self(name).scalars() }

    func tables(_ name: String) throws -> CDFTables {
        try CDFTables(
            values: integers("\(name)/values"), lengths: integers("\(name)/lengths"), offsets: integers("\(name)/offsets"))
    }
}

func bytes(hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
