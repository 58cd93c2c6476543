/// What cannot be written as, or read from, a stream of symbols.
public enum EntropyCodingError: Error, CustomStringConvertible, Equatable, Sendable {
    /// The stream ends before all symbols are read.
    case truncatedStream(symbolsRead: Int, symbolCount: Int)
    /// The stream is no stream of this coder, or was changed, or other tables wrote it.
    case damagedStream(String)
    /// Probabilities that no table can be made of.
    case invalidProbabilities(String)
    /// A table that is no table of rising integer distributions.
    case invalidTables(String)
    /// A model has no tables yet.
    case missingTables(model: String)
    /// A symbol farther from its row's offset than 32 bits can say.
    case symbolOutOfRange(symbol: Int32, index: Int)
    /// Latents that are no numbers, or larger than any network's.
    case latentOutOfRange(Double)
    /// Symbols and rows that do not belong together.
    case invalidRows(String)

    public var description: String {
        switch self {
        case .truncatedStream(let read, let count):
            "The compressed stream ends after \(read) of \(count) symbols; check that the file was copied completely."
        case .damagedStream(let problem):
            "The compressed stream is damaged: \(problem); it was changed, or written by a model with other tables."
        case .invalidProbabilities(let problem):
            "The probabilities cannot be made a table: \(problem); check the model's parameters for NaN and infinity."
        case .invalidTables(let problem):
            "The tables of the entropy model are invalid: \(problem); update them from the model's parameters."
        case .missingTables(let model):
            "\(model) has no tables to code with; update it after training, or load a checkpoint that has them."
        case .symbolOutOfRange(let symbol, let index):
            "Symbol \(symbol) at \(index) is too far from its table to be coded; symbols must lie within ±2^30."
        case .latentOutOfRange(let value):
            "The latents reach \(value) and cannot be coded; check the model and its input for NaN and infinity."
        case .invalidRows(let problem):
            "The symbols cannot be coded: \(problem)."
        }
    }
}
