/// A piece of text with its origin.
public struct Document: Sendable, Equatable {
    /// Unique within its source and stable across runs, e.g. `python-manual/tutorial/classes.html`.
    public let id: String
    public let title: String
    /// Paragraphs separated by an empty line.
    public let text: String
    /// The class, where the source is labelled.
    public let label: Label?
    /// The turns of a dialogue; empty otherwise. `text` then holds their contents as paragraphs.
    public let turns: [Turn]

    public init(id: String, title: String = "", text: String, label: Label? = nil, turns: [Turn] = []) {
        self.id = id
        self.title = title
        self.text = text
        self.label = label
        self.turns = turns
    }

    /// A class of a labelled source.
    public struct Label: Sendable, Equatable, Hashable {
        /// Position in the source's list of classes.
        public let index: Int
        public let name: String

        public init(index: Int, name: String) {
            self.index = index
            self.name = name
        }
    }

    /// One message of a dialogue.
    public struct Turn: Sendable, Equatable {
        public enum Role: String, Sendable, Codable {
            case system
            case user
            case assistant
        }

        public let role: Role
        public let content: String

        public init(role: Role, content: String) {
            self.role = role
            self.content = content
        }
    }
}

/// Which documents of a source to take. Membership depends on a document's text alone, so that no text is
/// on both sides, however a source is ordered, extended or combined with others.
///
/// The text's UTF-8 bytes are hashed with 64-bit FNV-1a and the SplitMix64 finaliser; documents whose hash,
/// as a fraction of 2⁶⁴, is below `fraction` are held out.
public enum Subset: Sendable, Equatable, Hashable {
    case all
    /// Everything that ``heldOut(_:)`` with the same fraction leaves.
    case training(heldOut: Double)
    /// About this fraction (0…1) of the documents.
    case heldOut(Double)

    /// Whether a document with this text belongs to the subset.
    public func contains(text: String) -> Bool {
        switch self {
        case .all: true
        case .training(let fraction): Subset.position(of: text) >= fraction
        case .heldOut(let fraction): Subset.position(of: text) < fraction
        }
    }

    /// The hash of a text as a number in 0..<1.
    static func position(of text: String) -> Double {
        Double(StableHash.of(text) >> 11) * 0x1p-53
    }
}

/// A 64-bit hash that is the same in every process and on every platform.
enum StableHash {
    static func of(_ text: String) -> UInt64 {
        var text = text
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        text.withUTF8 { bytes in
            for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        }
        return mixed(hash)
    }

    /// SplitMix64's finaliser: every input bit reaches every output bit.
    static func mixed(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9e37_79b9_7f4a_7c15
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
