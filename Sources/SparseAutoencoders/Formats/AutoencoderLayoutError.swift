/// Files of an autoencoder that cannot be read, or an autoencoder that files of a library cannot express.
public struct AutoencoderLayoutError: Error, CustomStringConvertible, Equatable {
    public let description: String

    /// - Parameter problem: what is wrong in the file, and what to do.
    init(reading path: String, _ layout: AutoencoderLayout, _ problem: String) {
        description = "'\(path)' cannot be read as \(layout.article) autoencoder: \(problem)"
    }

    /// - Parameter reason: why the layout does not have it, and what to do.
    init(saving layout: AutoencoderLayout, _ reason: String) {
        description = "this autoencoder cannot be saved as \(layout.article) autoencoder: \(reason)"
    }
}
