extension FileConversion.Selection {
    /// The sound of a file, folder or data item.
    /// - Throws: as ``SoundCollection/paths(of:)``.
    public static func sounds(_ name: String) throws -> FileConversion.Selection {
        let paths = try SoundCollection.paths(of: name), prefix = name.hasSuffix("/") ? name : "\(name)/"
        let files = paths.map { path in
            File(path: path, relative: path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : path.split(separator: "/").last.map(String.init) ?? path)
        }
        return FileConversion.Selection(name: name, files: files, isFile: paths == [name])
    }

    /// Paths, each with its name below the folder or item.
    public var named: [(path: String, name: String)] { files.map { ($0.path, $0.relative) } }
}
