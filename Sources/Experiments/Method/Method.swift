/// A published method: what it is, its default settings, and the experiment that shows its claim.
///
/// Conforming types are enumerations without cases; one line in `Methods.all` makes a method known to the command
/// line, the conformance tests and the documentation.
public protocol Method: SendableMetatype {
    associatedtype Configuration: RunConfiguration

    /// Name in commands and file names: lower case, words joined by `-`.
    static var name: String { get }
    /// Name as the field writes it, e.g. `TopK sparse autoencoder`.
    static var title: String { get }
    /// One sentence: what goes in, what comes out, what it is for.
    static var summary: String { get }
    /// The publication whose claim is reproduced.
    static var paper: Paper { get }
    /// The room it lives in.
    static var family: MethodFamily { get }
    /// The settings used when none are given.
    static var defaultConfiguration: Configuration { get }

    /// Runs the paper's central claim on real data with its baselines.
    ///
    /// - Parameters:
    ///   - scale: the size of the experiment.
    ///   - context: seeds, device, progress and the run to log into.
    /// - Returns: what was measured, with an honest verdict per claim.
    /// - Throws: ``RunInterrupted`` when cancelled; errors of data, files and numerics.
    static func reproduce(scale: ReproductionScale, context: ReproductionContext) throws -> Reproduction
}

extension Method {
    public static var defaultConfiguration: Configuration { Configuration() }
}

/// The families of methods, after what they compress.
public enum MethodFamily: String, Codable, Sendable, CaseIterable {
    /// Activations of networks into sparse, readable features.
    case sparseAutoencoders
    /// Images, audio and video into few bits or small latents.
    case codecs
    /// Networks into smaller or faster networks.
    case modelCompression
    /// Representations learned by reconstruction.
    case pretraining
    /// Generators over the codecs' latents.
    case generation

    /// Name for people.
    public var title: String {
        switch self {
        case .sparseAutoencoders: "Sparse autoencoders"
        case .codecs: "Codecs"
        case .modelCompression: "Model compression"
        case .pretraining: "Pretraining"
        case .generation: "Generation"
        }
    }
}

/// A publication.
public struct Paper: Codable, Sendable, Equatable {
    /// Title of the publication.
    public var title: String
    /// First author or authors, e.g. `Gao et al.`.
    public var authors: String
    public var year: Int
    /// Identifier on arXiv, e.g. `2406.04093`.
    public var arXiv: String?

    public init(title: String, authors: String, year: Int, arXiv: String? = nil) {
        self.title = title
        self.authors = authors
        self.year = year
        self.arXiv = arXiv
    }

    /// Short reference, e.g. `Gao et al. 2024 (arXiv:2406.04093)`.
    public var reference: String {
        "\(authors) \(year)" + (arXiv.map { " (arXiv:\($0))" } ?? "")
    }
}
