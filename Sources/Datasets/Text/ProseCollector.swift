/// Makes documents of HTML pages, keeping what reads as prose.
///
/// A paragraph is kept if it has at least twelve words, is mostly letters, is not a legal notice, and has not
/// been seen before in this package: what is repeated from page to page is part of the frame, not of the text.
package struct ProseCollector {
    private var seen: Set<UInt64> = []

    package init() {}

    /// The page's prose, or nil where nothing of it is.
    package mutating func document(fromPage page: [UInt8], id: String) -> Document? {
        let html = HTMLParagraphs(page: page)
        var kept: [String] = []
        for paragraph in html.paragraphs where ProseCollector.isProse(paragraph) {
            if seen.insert(StableHash.of(paragraph)).inserted { kept.append(paragraph) }
        }
        return kept.isEmpty ? nil : Document(id: id, title: html.title, text: kept.joined(separator: "\n\n"))
    }

    /// At least twelve words, three quarters letters and spaces, and no boilerplate.
    static func isProse(_ paragraph: String) -> Bool {
        var words = 0
        var letters = 0
        var count = 0
        var wordHasLetter = false
        for scalar in paragraph.unicodeScalars {
            count += 1
            if scalar == " " {
                words += wordHasLetter ? 1 : 0
                wordHasLetter = false
                letters += 1
            } else if scalar.properties.isAlphabetic {
                wordHasLetter = true
                letters += 1
            }
        }
        words += wordHasLetter ? 1 : 0
        return words >= 12 && letters * 4 >= count * 3 && !isBoilerplate(paragraph)
    }

    private static let boilerplate = [
        "Copyright ©", "Copyright (c)", "© Copyright", "Permission is granted to", "Last updated on", "Created using Sphinx",
        "This page is licensed under", "All rights reserved",
    ]

    private static func isBoilerplate(_ paragraph: String) -> Bool {
        boilerplate.contains { paragraph.hasPrefix($0) }
    }
}
