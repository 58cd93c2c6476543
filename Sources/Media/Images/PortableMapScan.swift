/// The header of the binary portable maps, P5 and P6.
enum PortableMapScan {
    static func scan(_ view: ByteView) throws(ScanProblem) -> ScannedImage {
        guard let kind = view[1], kind == UInt8(ascii: "5") || kind == UInt8(ascii: "6") else {
            throw .unsupported("a portable map of kind \(view.text(0, 2))", "only the binary kinds P5 (grey) and P6 (RGB) are read")
        }
        var position = 2
        let width = try number(view, &position), height = try number(view, &position), maximum = try number(view, &position)
        guard (1...65535).contains(maximum) else { throw .damaged("its greatest value is \(maximum)") }
        // One white space, then the samples.
        let samples = kind == UInt8(ascii: "6") ? 3 : 1, sampleBytes = maximum > 255 ? 2 : 1
        let size = width.multipliedReportingOverflow(by: height)
        let total = size.partialValue.multipliedReportingOverflow(by: samples * sampleBytes)
        guard !size.overflow, !total.overflow, view.slice(position + 1, total.partialValue) != nil else {
            throw .damaged("it is too short for \(width) × \(height) pixels")
        }
        return ScannedImage(
            format: .portableMap, width: width, height: height, bitDepth: sampleBytes == 2 ? .sixteen : .eight, payload: Array(view.bytes))
    }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// A decimal number after white space and comments, which reach from # to the end of the line.
    private static func number(_ view: ByteView, _ position: inout Int) throws(ScanProblem) -> Int {
        while let byte = view[position], isSpace(byte) || byte == UInt8(ascii: "#") {
            if byte == UInt8(ascii: "#") {
                while let inside = view[position], inside != 0x0A { position += 1 }
            } else {
                position += 1
            }
        }
        var value = 0, digits = 0
        while let byte = view[position], (0x30...0x39).contains(byte), digits < 10 {
            value = 10 * value + Int(byte - 0x30)
            digits += 1
            position += 1
        }
        guard digits > 0, let end = view[position], isSpace(end) else { throw .damaged("its header ends early or is no header") }
        return value
    }
}
