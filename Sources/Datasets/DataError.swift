/// What can go wrong with data sets: each case reads as one sentence that says what to do.
public enum DataError: Error, Equatable, CustomStringConvertible {
    /// No catalogue item has this name.
    case unknownItem(name: String, nearest: String?)
    /// A program that fetching needs is not on `PATH`.
    case missingProgram(program: String, item: String, advice: String)
    /// A package client failed; `reason` is the last line it said.
    case downloadFailed(package: String, client: String, reason: String, advice: String)
    /// A downloaded or given file is not the one the catalogue describes.
    case checksumMismatch(file: String, expected: String, found: String)
    /// A file given with `--from` belongs to none of the item's packages.
    case foreignArtefact(file: String, item: String, expected: [String])
    /// An artefact does not hold what the catalogue says.
    case missingContent(item: String, content: String)
    /// An artefact could not be unpacked.
    case unpackingFailed(file: String, reason: String)
    /// The item holds no text (or the collection is empty).
    case notText(item: String, kind: String)
    /// The item is known but not in the cache.
    case notFetched(item: String)
    /// A table, record or folder has nothing to read under this name.
    case missingField(path: String, field: String, found: [String])
    /// A file or folder could not be read or written.
    case fileAccess(path: String, reason: String)
    /// A file's content is not what its format says; `position` is a byte offset.
    case malformed(path: String, position: Int, expected: String, found: String)
    /// There is less free space than fetching needs.
    case diskFull(path: String, needed: Int, free: Int)

    public var description: String {
        switch self {
        case .unknownItem(let name, let nearest):
            let hint = nearest.map { "did you mean '\($0)'? " } ?? ""
            return "There is no data item named '\(name)': \(hint)'condense data list' shows all names."
        case .missingProgram(let program, let item, let advice):
            return "Fetching '\(item)' needs the program '\(program)', which is not on PATH: \(advice)."
        case .downloadFailed(let package, let client, let reason, let advice):
            return "\(client) could not download \(package) (\(reason)): \(advice)."
        case .checksumMismatch(let file, let expected, let found):
            return "\(file) has SHA-256 \(found) where the catalogue expects \(expected): remove it and fetch again, and do not use it if this repeats."
        case .foreignArtefact(let file, let item, let expected):
            return "\(file) is not an artefact of '\(item)': give \(expected.joined(separator: " or ")) with --from."
        case .missingContent(let item, let content):
            return "The package of '\(item)' holds no \(content): it differs from the one the catalogue describes; please report it."
        case .unpackingFailed(let file, let reason):
            return "\(file) could not be unpacked (\(reason)): remove it, check the free disk space and fetch again."
        case .notText(let item, let kind):
            return "'\(item)' is of kind \(kind) and holds no text documents: choose an item of 'condense data list --kind text'."
        case .notFetched(let item):
            return "'\(item)' has not been fetched yet: run 'condense data fetch \(item)'."
        case .missingField(let path, let field, let found):
            return "\(path) has no \(field): it has \(found.isEmpty ? "nothing" : found.joined(separator: ", "))."
        case .fileAccess(let path, let reason):
            return "\(path) could not be read or written (\(reason)): check that it exists and that you have the permission."
        case .malformed(let path, let position, let expected, let found):
            return "\(path) is malformed at byte \(position): expected \(expected), found \(found)."
        case .diskFull(let path, let needed, let free):
            return
                "\(path) has \(free / 1_000_000) MB free and \(needed / 1_000_000) MB are needed: free some, or set XDG_CACHE_HOME to another disk."
        }
    }
}
