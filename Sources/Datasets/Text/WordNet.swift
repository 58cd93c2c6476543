import Foundation

/// WordNet's database files, as lexicographer files name their synsets (manual page wndb(5WN)).
enum WordNet {
    /// The 45 lexicographer files in the order of their numbers (manual page lexnames(5WN)).
    static let lexicographerFiles = """
        adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition \
        noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person \
        noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state noun.substance \
        noun.time verb.body verb.change verb.cognition verb.communication verb.competition verb.consumption verb.contact \
        verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl
        """.split(separator: " ").map(String.init)

    /// The gloss of a line `offset lexicographer-file type count word … | gloss`; nil for the lines of the licence,
    /// which begin with spaces.
    static func gloss(_ record: RecordReader.Record, of file: URL) throws(DataError) -> Document? {
        guard record.bytes.first != UInt8(ascii: " ") else { return nil }
        let line = String(decoding: record.bytes, as: UTF8.self)
        let fields = line.prefix(256).split(separator: " ", maxSplits: 5)
        guard fields.count == 6, let number = Int(fields[1]), lexicographerFiles.indices.contains(number), let bar = line.firstIndex(of: "|")
        else {
            throw .malformed(
                path: file.path, position: record.offset, expected: "a synset with its lexicographer file and gloss", found: "something else")
        }
        let text = line[line.index(after: bar)...].trimmingCharacters(in: .whitespacesAndNewlines)
        return Document(
            id: "\(file.pathExtension)/\(fields[0])", title: fields[4].replacingOccurrences(of: "_", with: " "), text: text,
            label: Document.Label(index: number, name: lexicographerFiles[number]))
    }
}
