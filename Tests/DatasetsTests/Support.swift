import Datasets
import Foundation
import Testing

/// A folder of its own for one test, with package clients that serve packages made by the test.
///
/// `bin/python3` answers `-m pip download` from `packages/` and passes everything else to the real one;
/// `bin/apt-get` answers `download` from there. Both write a line per download to `calls`.
final class Workbench {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("condense-\(UUID().uuidString)")
        for name in ["bin", "packages", "cache"] { try makeFolder(name) }
        try script("python3", Workbench.pip)
        try script("apt-get", Workbench.apt)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    // MARK: Files

    func url(_ path: String) -> URL { folder.appendingPathComponent(path) }

    func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(at: url(path), withIntermediateDirectories: true)
    }

    @discardableResult
    func write(_ text: String, to path: String) throws -> URL { try write(Data(text.utf8), to: path) }

    @discardableResult
    func write(_ data: Data, to path: String) throws -> URL {
        try FileManager.default.createDirectory(at: url(path).deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: url(path))
        return url(path)
    }

    /// What lies in a folder and can be seen.
    func visible(_ path: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: url(path).path))?.filter { !$0.hasPrefix(".") }.sorted() ?? []
    }

    // MARK: Clients

    private func script(_ name: String, _ text: String) throws {
        try write(text, to: "bin/\(name)")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: url("bin/\(name)").path)
    }

    var environment: [String: String] {
        var environment = ProcessInfo.processInfo.environment
        environment["REAL_PATH"] = environment["PATH"] ?? ""
        environment["PATH"] = "\(url("bin").path):\(environment["PATH"] ?? "")"
        environment["WORKBENCH"] = folder.path
        return environment
    }

    func store(_ items: [CatalogItem]) -> DataStore {
        DataStore(cache: url("cache"), items: items, environment: environment)
    }

    /// Names of what the clients were asked to download, in order.
    var calls: [String] {
        let text = (try? String(contentsOf: url("calls"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    private static let pip = """
        #!/bin/bash
        if [ "$2" != pip ]; then PATH=$REAL_PATH exec python3 "$@"; fi
        while [ $# -gt 1 ]; do if [ "$1" = --dest ]; then dest=$2; fi; shift; done
        name=${1%%==*}
        echo "$name" >>"$WORKBENCH/calls"
        if [ -f "$WORKBENCH/slow" ]; then sleep 0.4; fi
        file=$(ls "$WORKBENCH/packages/$name"-*.whl 2>/dev/null)
        if [ -z "$file" ]; then echo "ERROR: No matching distribution found for $1" >&2; exit 1; fi
        cp "$file" "$dest/"
        """

    private static let apt = """
        #!/bin/bash
        uris=
        for argument; do
            case $argument in
                Dir::State::Lists=*) own_lists=1 ;;
                --print-uris) uris=1 ;;
                update) touch "$WORKBENCH/updated"; exit 0 ;;
            esac
        done
        if [ -f "$WORKBENCH/no-lists" ] && [ -z "$own_lists" ]; then echo "E: Unable to locate package $argument" >&2; exit 100; fi
        file=$(ls "$WORKBENCH/packages/$argument"_*.deb 2>/dev/null)
        if [ -z "$file" ]; then echo "E: Unable to locate package $argument" >&2; exit 100; fi
        digest=$(sha256sum "$file" | cut -d ' ' -f 1)
        if [ -n "$uris" ]; then echo "'somewhere' $(basename "$file") $(stat -c %s "$file") SHA256:$digest"; exit 0; fi
        echo "$argument" >>"$WORKBENCH/calls"
        cp "$file" .
        """

    // MARK: Packages

    /// Makes a wheel of these files and its catalogue entry.
    func wheel(_ project: String, files: [String: String]) throws -> Package {
        let name = "\(project)-1.0-py3-none-any.whl"
        for (path, text) in files { try write(text, to: "wheels/\(project)/\(path)") }
        let tops = Set(files.keys.map { String($0.split(separator: "/")[0]) }).sorted()
        try run("python3", ["-m", "zipfile", "-c", url("packages/\(name)").path] + tops, in: url("wheels/\(project)"))
        let file = url("packages/\(name)")
        return .wheel(
            project: project, version: "1.0", fileName: name, sha256: try Digest.sha256(of: file), bytes: try Data(contentsOf: file).count)
    }

    /// Makes a Debian package of these files and its catalogue entry.
    func debianPackage(_ name: String, files: [String: String]) throws -> Package {
        for (path, text) in files { try write(text, to: "debs/\(name)/\(path)") }
        try write(
            "Package: \(name)\nVersion: 2-1\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: test\n",
            to: "debs/\(name)/DEBIAN/control")
        let file = url("packages/\(name)_2-1_all.deb")
        try run("dpkg-deb", ["--root-owner-group", "--build", url("debs/\(name)").path, file.path], in: folder)
        return .debian(name: name, bytes: try Data(contentsOf: file).count)
    }

    private func run(_ program: String, _ arguments: [String], in folder: URL) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.currentDirectoryURL = folder
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    static let hasDebianTools = FileManager.default.isExecutableFile(atPath: "/usr/bin/dpkg-deb")
}

/// An entry of a test's own catalogue.
func item(
    _ name: String, _ packages: [Package], _ contents: Contents, mainFile: String? = nil, textFormat: TextFormat? = nil
) -> CatalogItem {
    CatalogItem(
        name: name, version: "1", kind: .text, summary: "a test", license: .spdx("CC0-1.0"), citation: "nobody",
        origin: .packages(packages, contents: contents), mainFile: mainFile, textFormat: textFormat)
}

/// The error that a body throws, as its sentence.
func sentence(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return "\(error)"
    }
}
