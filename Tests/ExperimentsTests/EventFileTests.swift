import Experiments
import Foundation
import Testing
import Torch

@Suite struct EventFileTests {
    /// The check value of the catalogue of CRCs, and RFC 3720, appendix B.4.
    @Test func checksums() {
        #expect(CRC32.checksum(Array("123456789".utf8), .castagnoli) == 0xE306_9283)
        #expect(CRC32.checksum([UInt8](repeating: 0, count: 32), .castagnoli) == 0x8A91_36AA)
        #expect(CRC32.checksum([UInt8](repeating: 0xFF, count: 32), .castagnoli) == 0x62A8_AB43)
        #expect(CRC32.checksum(Array(0..<32), .castagnoli) == 0x46DD_794E)
        #expect(CRC32.checksum([], .castagnoli) == 0)
        #expect(CRC32.checksum(Array("123456789".utf8), .zip) == 0xCBF4_3926)
    }

    @Test func bytesAreThoseOfTensorBoard() throws {
        let expected = try Data(
            contentsOf: #require(Bundle.module.url(forResource: "events", withExtension: "tfevents", subdirectory: "Fixtures")))
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "events")
            let file = try EventFile(url, clock: { 1234.5 })
            try file.add(scalars: [("train/fvu", 0.125), ("train/loss", 3.5)], step: 7)
            try file.add(scalars: [("train/loss", -0.75)], step: 300)
            try file.add(histogram: (1...64).map { Float($0) / 8 } + [.nan, .infinity], name: "activations", step: 300)
            #expect(try Data(contentsOf: url) == expected)
        }
    }
}
