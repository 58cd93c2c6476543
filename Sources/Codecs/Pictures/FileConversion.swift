internal import Foundation
internal import Media

/// A file that is to be made of another.
public struct FileConversion: Sendable, Equatable {
    public let input: String
    public let output: String

    /// Files to convert, as a user named them together.
    public struct Selection: Sendable, Equatable {
        /// As the user wrote it.
        public let name: String
        /// Paths, each with the one it has below the folder or item.
        let files: [File]
        /// Whether results lie beside it unless told otherwise.
        let isFile: Bool

        struct File: Sendable, Equatable {
            let path: String, relative: String
        }

        /// The pictures of a file, folder or data item.
        public static func pictures(_ source: PictureSource) -> Selection {
            let files = source.paths.map { File(path: $0, relative: source.shortName($0)) }
            return Selection(name: source.name, files: files, isFile: source.paths == [source.name])
        }

        /// A file of any name, or the files below a folder whose names end in `.cnd`.
        /// - Throws: ``FileConversionError``.
        public static func coded(_ name: String) throws -> Selection {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: name, isDirectory: &isFolder) else { throw FileConversionError.missing(path: name) }
            if !isFolder.boolValue { return Selection(name: name, files: [File(path: name, relative: FileConversion.lastComponent(name))], isFile: true) }
            let found = try FileManager.default.subpathsOfDirectory(atPath: name).filter { $0.hasSuffix(".cnd") && !FileConversion.lastComponent($0).hasPrefix(".") }
            guard !found.isEmpty else { throw FileConversionError.nothingCoded(folder: name) }
            let sorted = found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            return Selection(name: name, files: sorted.map { File(path: "\(name)/\($0)", relative: $0) }, isFile: false)
        }
    }

    /// Decides where results go: beside a single file, to the file or below the folder `out`. Folders keep their structure. Of two files of one folder whose
    /// names differ in nothing but the extension, results keep it.
    /// - Parameters:
    ///   - out: needed for folders and data items; a folder if it exists as one, ends in a slash, or several files are given.
    ///   - suffix: extension of results, e.g. "cnd".
    ///   - overwriting: whether results may exist.
    /// - Throws: ``FileConversionError``; nothing is written.
    public static func plan(_ selections: [Selection], out: String?, suffix: String, overwriting: Bool) throws -> [FileConversion] {
        var conversions: [FileConversion] = []
        if let out, selections.count == 1, selections[0].isFile, !out.hasSuffix("/"), !isFolder(out) {
            conversions = [FileConversion(input: selections[0].files[0].path, output: out)]
        } else {
            for selection in selections {
                guard out != nil || selection.isFile else { throw FileConversionError.needsFolder(name: selection.name) }
                let stems = Dictionary(grouping: selection.files) { stem($0.relative) }
                for file in selection.files {
                    let isAlone = (stems[stem(file.relative)]?.count ?? 1) == 1
                    let relative = (isAlone ? stem(file.relative) : file.relative) + ".\(suffix)"
                    let base = out.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
                    conversions.append(FileConversion(input: file.path, output: base.map { "\($0)/\(relative)" } ?? "\(stem(file.path)).\(suffix)"))
                }
            }
        }
        var seen: [String: String] = [:]
        for conversion in conversions {
            if let other = seen.updateValue(conversion.input, forKey: conversion.output) {
                throw FileConversionError.sameOutput(first: other, second: conversion.input, output: conversion.output)
            }
        }
        let existing = conversions.filter { FileManager.default.fileExists(atPath: $0.output) }
        if let first = existing.first, !overwriting || isFolder(first.output) {
            throw FileConversionError.exists(path: first.output, count: existing.count, isFolder: isFolder(first.output))
        }
        return conversions
    }

    /// Makes the folder that the result lies in.
    public func makeFolder() throws {
        let folder = output.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        if !folder.isEmpty { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
    }

    private static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    fileprivate static func lastComponent(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

    /// The path without its extension.
    private static func stem(_ path: String) -> String {
        let name = lastComponent(path)
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return path }
        return String(path.dropLast(name.distance(from: dot, to: name.endIndex)))
    }
}

/// Files that cannot be converted as asked.
public enum FileConversionError: Error, CustomStringConvertible, Equatable, Sendable {
    case missing(path: String)
    case nothingCoded(folder: String)
    case needsFolder(name: String)
    case sameOutput(first: String, second: String, output: String)
    case exists(path: String, count: Int, isFolder: Bool)

    public var description: String {
        switch self {
        case .missing(let path): "there is no file or folder '\(path)'"
        case .nothingCoded(let folder): "the folder '\(folder)' holds no .cnd files; 'condense codec compress' makes them"
        case .needsFolder(let name): "'\(name)' stands for several files: say with --out to which folder the results go"
        case .sameOutput(let first, let second, let output): "'\(first)' and '\(second)' would both become '\(output)'; convert them to different folders"
        case .exists(let path, _, true): "'\(path)' is a folder; choose another name with --out"
        case .exists(let path, let count, false):
            "'\(path)' exists already\(count > 1 ? ", and \(count - 1) more" : ""); choose another place with --out, or replace with --overwrite"
        }
    }
}
