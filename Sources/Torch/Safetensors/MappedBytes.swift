import Foundation

/// Bytes with a stable address: a privately memory-mapped file, or a copy of an array.
///
/// A mapped file must not be truncated by someone else while it is in use (the system answers with SIGBUS);
/// this library replaces files by renaming, which leaves existing maps intact.
package final class MappedBytes: @unchecked Sendable {
    /// The path, or a description of where the bytes came from; used in error messages.
    package let path: String
    package let buffer: UnsafeRawBufferPointer
    private let isMapped: Bool

    package var count: Int { buffer.count }

    /// Maps the regular file at `path`.
    /// - Throws: `FileAccessError` when it is missing, a folder, or unreadable.
    package init(path: String) throws {
        self.path = path
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw FileAccessError(path: path, action: "opened", reason: String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw FileAccessError(path: path, action: "read", reason: String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileAccessError(path: path, action: "read", reason: "it is not a regular file")
        }
        let size = Int(status.st_size)
        guard size > 0 else {
            buffer = UnsafeRawBufferPointer(start: nil, count: 0)
            isMapped = false
            return
        }
        // Writable but private: a tensor over the map may be changed in place without touching the file.
        guard let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw FileAccessError(path: path, action: "mapped into memory", reason: String(cString: strerror(errno)))
        }
        buffer = UnsafeRawBufferPointer(start: address, count: size)
        isMapped = true
    }

    /// Copies `bytes`; `name` stands for the path in error messages.
    package init(copying bytes: [UInt8], name: String = "bytes in memory") {
        path = name
        isMapped = false
        guard !bytes.isEmpty else {
            buffer = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
        copy.copyBytes(from: bytes)
        buffer = UnsafeRawBufferPointer(copy)
    }

    /// Lets go of the memory that holds a part of a mapped file, which is read again when it is needed. What was written to it is lost.
    package func forget(_ part: Range<Int>) {
        guard isMapped, let start = buffer.baseAddress else { return }
        let page = Int(getpagesize()), first = (part.lowerBound + page - 1) / page * page, last = part.upperBound / page * page
        if first < last { madvise(UnsafeMutableRawPointer(mutating: start) + first, last - first, MADV_DONTNEED) }
    }

    deinit {
        guard let start = buffer.baseAddress else { return }
        if isMapped {
            munmap(UnsafeMutableRawPointer(mutating: start), buffer.count)
        } else {
            buffer.deallocate()
        }
    }
}
