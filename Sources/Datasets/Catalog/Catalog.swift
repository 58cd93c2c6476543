internal import Suggestions

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
        throw .unknownItem(name: name, nearest: nearestName(to: name, among: items.map(\.name)))
    }
}
