internal import Foundation

/// A photograph of the data item `elpv`: a solar cell by its electroluminescence (Buerhop-Lutz et al. 2018), 300 × 300 pixels.
public struct SolarCell: Sendable, Equatable {
    /// Of the photograph.
    public let path: String
    /// What experts hold for the probability of a defect.
    public let defectProbability: Double

    /// Whether a defect is more likely than not.
    public var isDefective: Bool { defectProbability > 0.5 }

    /// All of them, in the order of the table; the item is fetched if needed.
    /// - Throws: `DataError`; `DataError/malformed(path:position:expected:found:)` for a damaged table.
    public static func all(_ store: DataStore = DataStore()) throws -> [SolarCell] {
        let folder = try store.fetch("elpv").folder.path, path = "\(folder)/labels.csv"
        return try String(contentsOfFile: path, encoding: .utf8).split(whereSeparator: \.isNewline).enumerated().map { row, line in
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count >= 2, let probability = Double(fields[1]) else {
                throw DataError.malformed(path: path, position: row + 1, expected: "a file and a probability", found: String(line))
            }
            return SolarCell(path: "\(folder)/\(fields[0])", defectProbability: probability)
        }
    }
}
