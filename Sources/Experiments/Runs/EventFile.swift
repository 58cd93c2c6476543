package import Foundation
internal import Torch

/// Writes TensorBoard's event files: records of length, masked checksum, and an `Event` message of Protocol Buffers.
package final class EventFile {
    private let file: OutputFile
    private let clock: () -> TimeInterval

    /// Length in bytes.
    var count: Int { file.count }

    /// Opens an event file; an empty one gets the header that TensorBoard expects.
    ///
    /// - Parameters:
    ///   - url: a file whose name contains `tfevents`.
    ///   - length: cuts the file to this many bytes first.
    ///   - clock: the time of an event in seconds since 1970.
    package init(
        _ url: URL, truncatedTo length: Int? = nil, clock: @escaping () -> TimeInterval = { Date().timeIntervalSince1970 }
    ) throws {
        self.clock = clock
        file = try OutputFile(url, truncatedTo: length)
        if file.count == 0 {
            try append { event in event.string(3, "brain.Event:2") }
        }
    }

    func synchronize() throws { try file.synchronize() }

    /// Adds one event with a scalar per name.
    package func add(scalars: [(name: String, value: Double)], step: Int) throws {
        try append(step: step) { summary in
            for scalar in scalars {
                summary.message(1) { value in
                    value.string(1, scalar.name)
                    value.float(2, Float(scalar.value))
                }
            }
        }
    }

    /// Adds a histogram of the finite values.
    package func add(histogram values: [Float], name: String, step: Int) throws {
        let finite = values.lazy.map(Double.init).filter(\.isFinite)
        let bins = Bins(Array(finite), count: 64)
        try append(step: step) { summary in
            summary.message(1) { value in
                value.string(1, name)
                value.message(5) { histogram in
                    histogram.double(1, finite.min() ?? 0)
                    histogram.double(2, finite.max() ?? 0)
                    histogram.double(3, Double(bins.counts.reduce(0, +)))
                    histogram.double(4, finite.reduce(0, +))
                    histogram.double(5, finite.reduce(0) { $0 + $1 * $1 })
                    histogram.doubles(6, bins.counts.indices.map { bins.lower + Double($0 + 1) * bins.width })
                    histogram.doubles(7, bins.counts.map(Double.init))
                }
            }
        }
    }

    private func append(step: Int, summary: (inout ProtobufMessage) -> Void) throws {
        try append { event in
            event.varint(2, UInt64(bitPattern: Int64(step)))
            event.message(5, summary)
        }
    }

    private func append(_ build: (inout ProtobufMessage) -> Void) throws {
        var event = ProtobufMessage()
        event.double(1, clock())
        build(&event)
        let length = littleEndian(UInt64(event.bytes.count))
        try file.append(
            length + littleEndian(masked(length)) + event.bytes + littleEndian(masked(event.bytes)))
    }
}

/// The checksum as event files store it: rotated and offset, so that a checksum of data that contain checksums stays meaningful.
private func masked(_ bytes: [UInt8]) -> UInt32 {
    let crc = CRC32.checksum(bytes, .castagnoli)
    return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
}

private func littleEndian<I: FixedWidthInteger>(_ value: I) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
}

/// A message in the wire format of Protocol Buffers.
private struct ProtobufMessage {
    private(set) var bytes: [UInt8] = []

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func key(_ field: Int, wireType: UInt64) { varint(UInt64(field) << 3 | wireType) }

    mutating func varint(_ field: Int, _ value: UInt64) {
        key(field, wireType: 0)
        varint(value)
    }

    mutating func double(_ field: Int, _ value: Double) {
        key(field, wireType: 1)
        bytes += littleEndian(value.bitPattern)
    }

    mutating func float(_ field: Int, _ value: Float) {
        key(field, wireType: 5)
        bytes += littleEndian(value.bitPattern)
    }

    private mutating func bytes(_ field: Int, _ content: [UInt8]) {
        key(field, wireType: 2)
        varint(UInt64(content.count))
        bytes += content
    }

    mutating func string(_ field: Int, _ value: String) { bytes(field, Array(value.utf8)) }

    mutating func doubles(_ field: Int, _ values: [Double]) {
        bytes(field, values.flatMap { littleEndian($0.bitPattern) })
    }

    mutating func message(_ field: Int, _ build: (inout ProtobufMessage) -> Void) {
        var inner = ProtobufMessage()
        build(&inner)
        bytes(field, inner.bytes)
    }
}
