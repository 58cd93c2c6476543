/// The data sets and models that Condense knows by name.
///
/// Adding one is adding an entry to one of the lists below it; everything else (fetching, checking,
/// listing, licences) follows from the entry.
public enum Catalog {
    /// Every item, grouped by kind.
    public static let all: [CatalogItem] = models + texts + signals + tables

    /// The item of this name.
    ///
    /// - Throws: ``DataError/unknownItem(name:nearest:)``, with the nearest name where one is near.
    public static func item(named name: String, in items: [CatalogItem] = all) throws(DataError) -> CatalogItem {
        if let item = items.first(where: { $0.name == name }) { return item }
        throw .unknownItem(name: name, nearest: nearest(to: name, in: items.map(\.name)))
    }

    /// The candidate a user most likely meant, or nil where none is near: one that contains the name or
    /// is contained in it, otherwise the one at the smallest edit distance up to a third of the name.
    static func nearest(to name: String, in candidates: [String]) -> String? {
        let lowered = name.lowercased()
        guard !lowered.isEmpty else { return nil }
        if let containing = candidates.first(where: { $0.contains(lowered) || lowered.contains($0) }) { return containing }
        let scored = candidates.map { ($0, editDistance(lowered, $0)) }
        guard let best = scored.min(by: { $0.1 < $1.1 }), best.1 <= max(2, lowered.count / 3) else { return nil }
        return best.0
    }

    /// Levenshtein distance by characters.
    static func editDistance(_ a: String, _ b: String) -> Int {
        let a = Array(a)
        let b = Array(b)
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let substitution = diagonal + (x == y ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substitution, diagonal + 1, row[j] + 1)
            }
        }
        return row[b.count]
    }
}
