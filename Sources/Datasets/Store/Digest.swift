import Crypto
package import Foundation

/// SHA-256 of files, in hexadecimal.
package enum Digest {
    package static func sha256(of file: URL) throws(DataError) -> String {
        try Files.access(file) {
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            var hash = SHA256()
            while let block = try handle.read(upToCount: 1 << 20), !block.isEmpty { hash.update(data: block) }
            return hash.finalize().map { byte in
                let digits = String(byte, radix: 16)
                return digits.count == 1 ? "0" + digits : digits
            }.joined()
        }
    }
}
