import Foundation

/// Unpacks artefacts and lays an item's files out.
struct Unpacker {
    let environment: [String: String]
    let workplace: Workplace
    let item: CatalogItem

    /// Unpacks all artefacts of an item to one tree.
    func unpack(_ artefacts: [Artefact]) throws(DataError) -> URL {
        let tree = try workplace.folder("tree")
        for artefact in artefacts {
            let file = workplace.downloads.appendingPathComponent(artefact.fileName)
            if artefact.fileName.hasSuffix(".deb") {
                try unpackDebian(file, to: tree)
            } else {
                try unpackZip(file, to: tree)
            }
        }
        return tree
    }

    /// Python's zipfile, which pip brings along, keeps every member below the folder; so does unzip.
    private func unpackZip(_ file: URL, to folder: URL) throws(DataError) {
        if let python = Program("python3", environment: environment) {
            try succeed(python.run(["-m", "zipfile", "-e", file.path, folder.path], in: folder, scratch: workplace.scratch), file)
        } else if let unzip = Program("unzip", environment: environment) {
            try succeed(unzip.run(["-q", "-o", file.path, "-d", folder.path], in: folder, scratch: workplace.scratch), file)
        } else {
            throw .missingProgram(program: "unzip", item: item.name, advice: "install unzip or python3 and fetch again")
        }
    }

    private func unpackDebian(_ file: URL, to folder: URL) throws(DataError) {
        if let dpkg = Program("dpkg-deb", environment: environment) {
            return try succeed(dpkg.run(["--extract", file.path, folder.path], in: folder, scratch: workplace.scratch), file)
        }
        // Elsewhere a package is an ar archive with a compressed tar archive inside.
        guard let ar = Program("ar", environment: environment), let tar = Program("tar", environment: environment) else {
            throw .missingProgram(program: "ar", item: item.name, advice: "install ar and tar (macOS: Xcode's command line tools) and fetch again")
        }
        let parts = try workplace.folder("parts")
        try succeed(ar.run(["x", file.path], in: parts, scratch: workplace.scratch), file)
        guard let data = Files.regularFiles(below: parts).first(where: { $0.hasPrefix("data.tar") }) else {
            throw .unpackingFailed(file: file.path, reason: "it has no data.tar")
        }
        let archive = parts.appendingPathComponent(data)
        try succeed(tar.run(["-x", "-f", archive.path, "-C", folder.path], in: folder, scratch: workplace.scratch), file)
        try Files.remove(parts)
    }

    private func succeed(_ outcome: Program.Outcome, _ file: URL) throws(DataError) {
        guard outcome.status == 0 else { throw .unpackingFailed(file: file.path, reason: outcome.reason) }
    }

    /// Lays the item's files out in `folder` as `contents` says.
    func layOut(_ contents: Contents, from tree: URL, to folder: URL) throws(DataError) {
        switch contents {
        case .files(let patterns):
            try take(patterns, from: tree, to: folder)
        case .decompressed(let patterns):
            try take(patterns, from: tree, to: folder)
            for path in Files.regularFiles(below: folder) where path.hasSuffix(".gz") {
                let packed = folder.appendingPathComponent(path)
                try decompress(packed, to: packed.deletingPathExtension())
                try Files.remove(packed)
            }
        case .joined(let parts, let name):
            try join(parts, in: tree, to: folder.appendingPathComponent(name))
        case .joinedArchive(let parts, let patterns):
            let archive = workplace.scratch.appendingPathComponent("joined.zip")
            try join(parts, in: tree, to: archive)
            let inner = try workplace.folder("inner")
            try unpackZip(archive, to: inner)
            try Files.remove(archive)
            try take(patterns, from: inner, to: folder)
        case .prose(let pages, let copyright):
            let selection = PathSelection(pages)
            let paths = Files.regularFiles(below: tree).filter { selection.destination(of: $0) != nil }
            guard !paths.isEmpty else { throw .missingContent(item: item.name, content: "file matching \(pages[0])") }
            var writer = try DocumentWriter(folder.appendingPathComponent("documents.jsonl"))
            var prose = ProseCollector()
            for path in paths {
                let page = tree.appendingPathComponent(path)
                let bytes = try Files.access(page) { try Data(contentsOf: page) }
                let name = selection.destination(of: path) ?? path
                if let document = prose.document(fromPage: [UInt8](bytes), id: "\(item.name)/\(name)") { try writer.write(document) }
            }
            try writer.close()
            try keepCopyright(copyright, from: tree, to: folder)
        case .dictionary(let path, let copyright):
            try layOutDictionary(tree.appendingPathComponent(path), to: folder)
            try keepCopyright(copyright, from: tree, to: folder)
        }
    }

    private func take(_ patterns: [String], from tree: URL, to folder: URL) throws(DataError) {
        let selection = PathSelection(patterns)
        var taken = 0
        for path in Files.regularFiles(below: tree) {
            guard let destination = selection.destination(of: path) else { continue }
            let target = folder.appendingPathComponent(destination)
            try Files.makeFolder(target.deletingLastPathComponent())
            try Files.move(tree.appendingPathComponent(path), to: target)
            taken += 1
        }
        guard taken > 0 else { throw .missingContent(item: item.name, content: "file matching \(patterns[0])") }
    }

    private func join(_ parts: [String], in tree: URL, to file: URL) throws(DataError) {
        try Files.access(file) {
            try Data().write(to: file)
            let output = try FileHandle(forWritingTo: file)
            defer { try? output.close() }
            for part in parts {
                let url = tree.appendingPathComponent(part)
                guard Files.size(url) != nil else { throw DataError.missingContent(item: item.name, content: "file \(part)") }
                let input = try FileHandle(forReadingFrom: url)
                defer { try? input.close() }
                while let block = try input.read(upToCount: 1 << 20), !block.isEmpty { try output.write(contentsOf: block) }
            }
        }
    }

    private func decompress(_ file: URL, to plain: URL) throws(DataError) {
        guard let gzip = Program("gzip", environment: environment) else {
            throw .missingProgram(program: "gzip", item: item.name, advice: "install gzip and fetch again")
        }
        try succeed(gzip.run(["-d", "-c", file.path], in: plain.deletingLastPathComponent(), scratch: workplace.scratch, standardOutput: plain), file)
    }

    private func layOutDictionary(_ compressed: URL, to folder: URL) throws(DataError) {
        guard Files.size(compressed) != nil else {
            throw .missingContent(item: item.name, content: "file \(compressed.lastPathComponent)")
        }
        let plain = workplace.scratch.appendingPathComponent("dictionary.txt")
        try decompress(compressed, to: plain)
        var writer = try DocumentWriter(folder.appendingPathComponent("documents.jsonl"))
        var entries = DictionaryEntries(source: item.name)
        let lines = try RecordReader(plain, format: .lines)
        while let line = try lines.next() {
            if let entry = entries.add(line: String(decoding: line.bytes, as: UTF8.self)) { try writer.write(entry) }
        }
        if let entry = entries.finish() { try writer.write(entry) }
        try writer.close()
    }

    /// The package's own copyright file goes with what was taken from it, where it holds one.
    private func keepCopyright(_ path: String, from tree: URL, to folder: URL) throws(DataError) {
        let file = tree.appendingPathComponent(path)
        if Files.size(file) != nil { try Files.move(file, to: folder.appendingPathComponent("copyright")) }
    }
}
