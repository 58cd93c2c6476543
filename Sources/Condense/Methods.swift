import Codecs
public import Experiments
import ModelCompression
import SparseAutoencoders
internal import Suggestions

/// The methods this package implements.
public enum Methods {
    /// All methods, in the order in which they are listed.
    ///
    /// A method is one folder in its family and one line here; command line, conformance tests and documentation
    /// iterate over this list.
    public static let all: [any Method.Type] = [
        SAEBaselines.self,
        AbsTopK.self,
        TopAFA.self,
        VariationalSAE.self,
        MatchingPursuitSAE.self,
        FeatureChoice.self,
        FASTTraining.self,
        GradientSAE.self,
        WaLLoCMethod.self,
        Hyperprior.self,
        GradualPruning.self,
        PruningByExplaining.self,
    ]

    /// The method with a name.
    ///
    /// - Throws: ``UnknownMethod``, which suggests the nearest name.
    public static func named(_ name: String) throws(UnknownMethod) -> any Method.Type {
        guard let method = all.first(where: { $0.name == name }) else {
            throw UnknownMethod(name: name, suggestion: nearestName(to: name, among: all.map { $0.name }))
        }
        return method
    }
}

/// A name that no method has.
public struct UnknownMethod: Error, CustomStringConvertible, Equatable {
    public var name: String
    /// The nearest name that exists.
    public var suggestion: String?

    public var description: String {
        "there is no method '\(name)'; \(suggestion.map { "did you mean '\($0)'?" } ?? "`condense methods` lists them")"
    }
}
