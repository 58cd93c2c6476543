import Foundation

/// File operations of this module, with its errors.
enum Files {
    static func makeFolder(_ url: URL) throws(DataError) {
        try access(url) { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    }

    /// Removes a file or folder; what is not there is fine.
    static func remove(_ url: URL) throws(DataError) {
        guard (try? FileManager.default.attributesOfItem(atPath: url.path)) != nil else { return }
        try access(url) { try FileManager.default.removeItem(at: url) }
    }

    static func move(_ source: URL, to destination: URL) throws(DataError) {
        try access(destination) { try FileManager.default.moveItem(at: source, to: destination) }
    }

    static func exists(_ url: URL) -> Bool { FileManager.default.fileExists(atPath: url.path) }

    static func isFolder(_ url: URL) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory) && isDirectory.boolValue
    }

    /// Size of a regular file, or nil where there is none.
    static func size(_ url: URL) -> Int? {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: url.path),
            attributes[.type] as? FileAttributeType == .typeRegular
        else { return nil }
        return (attributes[.size] as? NSNumber)?.intValue
    }

    /// Paths of the regular files below a folder, relative to it and sorted by bytes; links are not followed.
    static func regularFiles(below folder: URL) -> [String] {
        guard let enumerator = FileManager.default.enumerator(atPath: folder.path) else { return [] }
        var paths: [String] = []
        while let path = enumerator.nextObject() as? String {
            if enumerator.fileAttributes?[.type] as? FileAttributeType == .typeRegular { paths.append(path) }
        }
        return paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Total size of the regular files below a folder.
    static func totalSize(below folder: URL) -> Int {
        guard let enumerator = FileManager.default.enumerator(atPath: folder.path) else { return 0 }
        var total = 0
        while enumerator.nextObject() != nil {
            guard let attributes = enumerator.fileAttributes, attributes[.type] as? FileAttributeType == .typeRegular else { continue }
            total += (attributes[.size] as? NSNumber)?.intValue ?? 0
        }
        return total
    }

    /// Free bytes for this user on the volume that holds a path (or its nearest existing parent).
    static func freeBytes(at url: URL) -> Int? {
        var folder = url
        while !exists(folder), folder.path != "/" { folder.deleteLastPathComponent() }
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder.path)
        return (attributes?[.systemFreeSize] as? NSNumber)?.intValue
    }

    static func access<Result>(_ url: URL, _ body: () throws -> Result) throws(DataError) -> Result {
        do {
            return try body()
        } catch let error as DataError {
            throw error
        } catch {
            throw .fileAccess(path: url.path, reason: reason(of: error))
        }
    }

    /// The system's own words where an error carries them; Foundation's are longer and name the file again.
    private static func reason(of error: any Error) -> String {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError ?? error as NSError
        if underlying.domain == NSPOSIXErrorDomain { return String(cString: strerror(Int32(underlying.code))) }
        return underlying.localizedDescription
    }
}
