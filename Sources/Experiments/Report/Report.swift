public import Foundation
internal import Torch

/// A page about a run: plain values that ``HTMLReport`` sets as one self-contained file.
///
/// All texts are plain; markup in them is shown, not interpreted.
public struct Report: Codable, Sendable, Equatable {
    public var title: String
    /// One sentence below the title.
    public var subtitle: String
    public var blocks: [ReportBlock]

    public init(title: String, subtitle: String = "", blocks: [ReportBlock] = []) {
        self.title = title
        self.subtitle = subtitle
        self.blocks = blocks
    }

    /// The headline numbers: those of all key number blocks at the top level.
    public var keyNumbers: [KeyNumber] {
        blocks.flatMap { block -> [KeyNumber] in
            if case .keyNumbers(let numbers) = block { numbers } else { [] }
        }
    }
}

/// One element of a report.
public indirect enum ReportBlock: Codable, Sendable, Equatable {
    /// A heading of the page's second level; listed in the table of contents.
    case heading(String)
    /// A heading of the third level.
    case subheading(String)
    case paragraph(String)
    /// Headline numbers, set large.
    case keyNumbers([KeyNumber])
    case table(Table)
    case figure(Figure)
    /// Texts whose tokens are shaded by how active something is on them.
    case tokenContexts([TokenContext])
    case image(ReportImage)
    /// Versions of a picture under a slider.
    case comparison(PictureComparison)
    /// Text in a fixed-width font with its line breaks.
    case code(String)
    /// A remark set apart, e.g. a limitation.
    case note(String)
    /// Blocks that open on a click.
    case details(String, [ReportBlock])

    /// Fixed-height figures side by side on wide screens.
    case columns([[ReportBlock]])
}

/// A number that is set large, with its name and what it compares to.
public struct KeyNumber: Codable, Sendable, Equatable {
    public var label: String
    /// The formatted number with its unit, e.g. `0.213` or `1.2 bits per pixel`.
    public var value: String
    /// A reference in small print, e.g. `ReLU + L1: 0.31`.
    public var note: String?

    public init(label: String, value: String, note: String? = nil) {
        self.label = label
        self.value = value
        self.note = note
    }
}

/// A table of formatted cells.
public struct Table: Codable, Sendable, Equatable {
    /// How a column is set.
    public struct Column: Codable, Sendable, Equatable {
        enum Kind: Codable { case text, number }
        public var title: String
        package var isNumber: Bool { kind == .number }
        var kind: Kind

        /// Left-aligned; cells that are the words of a ``Verdict`` are set as coloured marks.
        public static func text(_ title: String) -> Column { Column(title: title, kind: .text) }
        /// Right-aligned, digits of equal width.
        public static func number(_ title: String) -> Column { Column(title: title, kind: .number) }
    }

    public var columns: [Column]
    /// Cells by row, `[row][columns.count]`.
    public var rows: [[String]]
    /// One sentence above the table.
    public var caption: String?

    public init(columns: [Column], rows: [[String]], caption: String? = nil) {
        require(
            rows.allSatisfy { $0.count == columns.count },
            "Table with \(columns.count) columns has rows of \(Set(rows.map(\.count)).sorted()) cells")
        self.columns = columns
        self.rows = rows
        self.caption = caption
    }
}

/// A text split into tokens, each with an activation.
public struct TokenContext: Codable, Sendable, Equatable {
    public struct Token: Codable, Sendable, Equatable {
        /// The token's text with its white space.
        public var text: String
        /// Strength ≥ 0 in the unit of the activation.
        public var activation: Double

        public init(_ text: String, _ activation: Double = 0) {
            self.text = text
            self.activation = activation
        }
    }

    public var tokens: [Token]
    /// Where it comes from or what is special, in small print.
    public var caption: String?
    /// The activation that gets the full shade; the largest of the contexts shown together if nil.
    public var maximum: Double?

    public init(tokens: [Token], caption: String? = nil, maximum: Double? = nil) {
        self.tokens = tokens
        self.caption = caption
        self.maximum = maximum
    }
}

/// A picture embedded in the page.
public struct ReportImage: Codable, Sendable, Equatable {
    public enum Format: String, Codable, Sendable {
        case png = "image/png"
        case jpeg = "image/jpeg"
        case webP = "image/webp"
    }

    public var data: Data
    public var format: Format
    /// What is to be seen, for readers who do not see it.
    public var description: String
    public var caption: String?

    public init(_ data: Data, format: Format, description: String, caption: String? = nil) {
        self.data = data
        self.format = format
        self.description = description
        self.caption = caption
    }
}
