import Foundation

/// Exclusion between processes (and threads) through an advisory lock on a file.
///
/// The system drops the lock when its holder ends, however it ends, so a killed fetch blocks nobody.
enum FileLock {
    /// Runs `body` while holding the lock; `onWait` is called once if another holder has to be waited for.
    static func holding<Result>(
        _ url: URL, onWait: () -> Void, _ body: () throws(DataError) -> Result
    ) throws(DataError) -> Result {
        let descriptor = open(url.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .fileAccess(path: url.path, reason: lastError) }
        defer { close(descriptor) }
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            onWait()
            while flock(descriptor, LOCK_EX) != 0 {
                guard errno == EINTR else { throw .fileAccess(path: url.path, reason: lastError) }
            }
        }
        return try body()
    }

    private static var lastError: String { String(cString: strerror(errno)) }
}
