/// Reads the paragraphs of an HTML page: the text of each block element, with scripts, menus and code left
/// out, entities decoded and white space folded.
///
/// It is a scanner, not a parser: it needs no well-formed page, never fails and takes time linear in the page.
package struct HTMLParagraphs {
    package private(set) var title = ""
    package private(set) var paragraphs: [String] = []

    private let page: [UInt8]
    private let isLatin1: Bool
    private var position = 0
    private var text: [UInt8] = []
    private var inTitle = false
    /// The element being left out: its name and how many of that name are open inside it.
    private var skipped: (name: String, depth: Int)?

    /// Elements whose content is not prose.
    private static let skippedElements: Set<String> = [
        "script", "style", "nav", "pre", "header", "footer", "aside", "form", "button", "svg", "math", "iframe", "noscript", "select",
        "textarea", "template", "object", "audio", "video", "canvas", "listing", "xmp", "label",
    ]
    /// Classes (whole words) that generators of documentation give to menus and listings.
    private static let skippedClasses: Set<String> = [
        "navheader", "navfooter", "sphinxsidebar", "related", "footer", "toc", "toctree-wrapper", "contents", "headerlink", "highlight",
        "docnav", "index", "indextable", "clearer", "programlisting", "screen", "synopsis", "footerdiv", "legalnotice", "copyright",
        "menu-wrapper", "mobile-nav", "inline-search", "refsynopsisdiv", "sig", "versionmodified",
    ]
    private static let skippedRoles: Set<String> = ["navigation", "search", "contentinfo", "banner"]
    private static let skippedIdentifiers: Set<String> = ["banner", "searchbox", "TopLeftHeader", "SearchFrame", "footer"]
    /// Elements that stand within a line of text; every other one ends a paragraph.
    private static let inlineElements: Set<String> = [
        "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins", "kbd",
        "mark", "meta", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var",
        "wbr", "input", "link",
    ]
    private static let voidElements: Set<String> = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    ]

    package init(page: [UInt8]) {
        self.page = page
        isLatin1 = HTMLParagraphs.declaresLatin1(page)
        scan()
    }

    /// Whether the page's first kilobyte declares a Latin-1 (or Windows-1252) encoding; otherwise it is read as UTF-8.
    private static func declaresLatin1(_ page: [UInt8]) -> Bool {
        let head = String(decoding: page.prefix(1024), as: UTF8.self).lowercased()
        return head.contains("charset=iso-8859-1") || head.contains("charset=\"iso-8859-1") || head.contains("charset=windows-1252")
    }

    // MARK: Scanning

    private mutating func scan() {
        while position < page.count {
            let byte = page[position]
            if byte == UInt8(ascii: "<") {
                markup()
            } else if skipped != nil {
                position += 1
            } else if byte == UInt8(ascii: "&") {
                entity()
            } else {
                if isLatin1, byte >= 0x80 {
                    text.append(contentsOf: String(Unicode.Scalar(byte)).utf8)
                } else {
                    text.append(byte)
                }
                position += 1
            }
        }
        endBlock()
    }

    private func starts(with prefix: StaticString) -> Bool {
        guard position + prefix.utf8CodeUnitCount <= page.count else { return false }
        for i in 0..<prefix.utf8CodeUnitCount where page[position + i] != prefix.utf8Start[i] { return false }
        return true
    }

    /// Moves behind the next occurrence of a terminator, or to the end of the page.
    private mutating func skip(past terminator: StaticString) {
        while position < page.count {
            if starts(with: terminator) {
                position += terminator.utf8CodeUnitCount
                return
            }
            position += 1
        }
    }

    private mutating func markup() {
        if starts(with: "<!--") {
            position += 4
            return skip(past: "-->")
        }
        if starts(with: "<![CDATA[") { return skip(past: "]]>") }
        if starts(with: "<!") || starts(with: "<?") { return skip(past: ">") }
        let isClosing = starts(with: "</")
        let nameStart = position + (isClosing ? 2 : 1)
        var end = nameStart
        while end < page.count, HTMLParagraphs.isNameByte(page[end]) { end += 1 }
        guard end > nameStart else {
            // A lone less-than sign.
            if skipped == nil { text.append(UInt8(ascii: "<")) }
            position += 1
            return
        }
        let name = String(decoding: page[nameStart..<end], as: UTF8.self).lowercased()
        position = end
        let attributes = readAttributes()
        if isClosing { close(name) } else { open(name, attributes) }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: false
        }
    }

    private struct Attributes {
        var classes: [Substring] = []
        var role = ""
        var identifier = ""
        var isSelfClosing = false
    }

    /// Reads up to the tag's end; quoted values may hold `>`.
    private mutating func readAttributes() -> Attributes {
        var attributes = Attributes()
        while position < page.count, page[position] != UInt8(ascii: ">") {
            let start = position
            while position < page.count, HTMLParagraphs.isNameByte(page[position]) || page[position] == UInt8(ascii: "-") { position += 1 }
            if position == start {
                attributes.isSelfClosing = page[position] == UInt8(ascii: "/")
                position += 1
                continue
            }
            let name = page[start..<position]
            guard position < page.count, page[position] == UInt8(ascii: "=") else { continue }
            position += 1
            let value = readValue()
            if name.elementsEqual("class".utf8) {
                attributes.classes = String(decoding: value, as: UTF8.self).split(separator: " ")
            } else if name.elementsEqual("role".utf8) {
                attributes.role = String(decoding: value, as: UTF8.self)
            } else if name.elementsEqual("id".utf8) {
                attributes.identifier = String(decoding: value, as: UTF8.self)
            }
        }
        if position < page.count { position += 1 }
        return attributes
    }

    private mutating func readValue() -> ArraySlice<UInt8> {
        guard position < page.count else { return [] }
        let quote = page[position]
        let start: Int
        if quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
            position += 1
            start = position
            while position < page.count, page[position] != quote { position += 1 }
            defer { position = min(position + 1, page.count) }
            return page[start..<position]
        }
        start = position
        while position < page.count, page[position] > 0x20, page[position] != UInt8(ascii: ">") { position += 1 }
        return page[start..<position]
    }

    // MARK: Elements

    private mutating func open(_ name: String, _ attributes: Attributes) {
        let isVoid = attributes.isSelfClosing || HTMLParagraphs.voidElements.contains(name)
        if let (skippedName, depth) = skipped {
            if name == skippedName, !isVoid { skipped = (skippedName, depth + 1) }
            return
        }
        if !isVoid, HTMLParagraphs.isSkipped(name, attributes) {
            if !HTMLParagraphs.inlineElements.contains(name) { endBlock() }
            skipped = (name, 1)
            if name == "script" || name == "style" { skipRawText(name) }
            return
        }
        if name == "br" {
            text.append(UInt8(ascii: " "))
        } else if !HTMLParagraphs.inlineElements.contains(name) {
            endBlock()
            inTitle = name == "title"
        }
    }

    private mutating func close(_ name: String) {
        if let (skippedName, depth) = skipped {
            if name == skippedName { skipped = depth == 1 ? nil : (skippedName, depth - 1) }
            return
        }
        if !HTMLParagraphs.inlineElements.contains(name) { endBlock() }
        inTitle = false
    }

    /// A script's or style's text ends at its closing tag, whatever else it holds.
    private mutating func skipRawText(_ name: String) {
        if name == "script" { skip(past: "</script") } else { skip(past: "</style") }
        skip(past: ">")
        skipped = nil
    }

    private static func isSkipped(_ name: String, _ attributes: Attributes) -> Bool {
        skippedElements.contains(name) || skippedRoles.contains(attributes.role) || skippedIdentifiers.contains(attributes.identifier)
            || attributes.classes.contains { skippedClasses.contains(String($0)) }
    }

    private mutating func endBlock() {
        defer { text.removeAll(keepingCapacity: true) }
        let folded = HTMLParagraphs.folded(text)
        guard !folded.isEmpty else { return }
        if inTitle { title = folded } else { paragraphs.append(folded) }
    }

    /// Runs of white space (no-break spaces among it) become one space; none is left at the ends.
    private static func folded(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var pendingSpace = false
        var i = 0
        while i < bytes.count {
            let isNoBreakSpace = bytes[i] == 0xc2 && i + 1 < bytes.count && bytes[i + 1] == 0xa0
            if bytes[i] <= 0x20 || isNoBreakSpace {
                pendingSpace = true
                i += isNoBreakSpace ? 2 : 1
                continue
            }
            if pendingSpace, !result.isEmpty { result.append(UInt8(ascii: " ")) }
            pendingSpace = false
            result.append(bytes[i])
            i += 1
        }
        return String(decoding: result, as: UTF8.self)
    }

    // MARK: Entities

    private mutating func entity() {
        // The longest name decoded here has eight letters; without a semicolon near it is a plain ampersand.
        let limit = min(page.count, position + 12)
        guard let semicolon = page[position..<limit].firstIndex(of: UInt8(ascii: ";")),
            let decoded = HTMLEntities.decode(String(decoding: page[(position + 1)..<semicolon], as: UTF8.self))
        else {
            text.append(UInt8(ascii: "&"))
            position += 1
            return
        }
        text.append(contentsOf: decoded.utf8)
        position = semicolon + 1
    }
}
