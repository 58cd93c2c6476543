package import Torch

/// The pictures used last, as many as fit.
package struct PictureCache {
    /// Bytes; one picture is always kept.
    private let limit: Int
    private var entries: [Int: (picture: Tensor, use: Int)] = [:]
    private var uses = 0
    private var bytes = 0

    package init(limit: Int) { self.limit = limit }

    package subscript(index: Int) -> Tensor? {
        mutating get {
            uses += 1
            entries[index]?.use = uses
            return entries[index]?.picture
        }
    }

    package mutating func insert(_ picture: Tensor, _ index: Int) {
        uses += 1
        entries[index] = (picture, uses)
        bytes += picture.byteCount
        while bytes > limit, entries.count > 1, let oldest = entries.min(by: { $0.value.use < $1.value.use }) {
            entries[oldest.key] = nil
            bytes -= oldest.value.picture.byteCount
        }
    }
}
