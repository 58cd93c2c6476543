import Datasets
import Foundation
import Testing

@Suite struct HTMLTests {
    private func paragraphs(_ html: String) -> [String] { HTMLParagraphs(page: Array(html.utf8)).paragraphs }

    @Test func blocksAreParagraphsAndInlineElementsAreNot() {
        #expect(
            paragraphs("<body><h1>Head</h1><p>One <b>bold</b>\n  and <a href='x>y'>linked</a>.<p>Two<br/>lines<ul><li>item<li>other</ul>tail")
                == ["Head", "One bold and linked.", "Two lines", "item", "other", "tail"])
    }

    @Test func entitiesAreDecoded() {
        #expect(
            paragraphs("<p>&lt;a&gt; &amp;amp; caf&eacute; &#8212; &#x2019; &#150; A&nbsp;B AT&T &unknown; &#xD800; 3 < 4")
                == ["<a> &amp; café — ’ – A B AT&T &unknown; &#xD800; 3 < 4"])
    }

    @Test func latin1PagesAreRead() {
        let page = Array("<meta charset=\"iso-8859-1\"><p>caf".utf8) + [0xe9] + Array("</p>".utf8)
        #expect(HTMLParagraphs(page: page).paragraphs == ["café"])
    }

    @Test func whatIsNoProseIsLeftOut() {
        let html = """
            <?xml version="1.0"?><!DOCTYPE html><head><title>The &amp; title</title><style>p { color: red }</style>
            <script>if (a < b) document.write("<p>no</p>");</script></head><body><!-- <p>no</p> -->
            <nav><div>menu<nav>inner</nav></div></nav><div class="x navheader y"><div>head</div>er</div>
            <div role="navigation">more</div><pre class="a">code <b>x</b></pre><p>Text<a class="headerlink" href="#">¶</a> stays.</p>
            <div class="highlight"><div><p>listing</p></div></div><footer>foot</footer>after
            """
        let page = HTMLParagraphs(page: Array(html.utf8))
        #expect(page.title == "The & title")
        #expect(page.paragraphs == ["Text stays.", "after"])
    }

    @Test(arguments: ["<", "<p", "<p class", "<p class=", "<p class=\"", "&", "&#", "<!--", "</", "<script>", "<a b='c", "<![CDATA[", "<p>\u{0}x"])
    func cutOffPagesAreNoProblem(html: String) {
        for end in html.utf8.indices { #expect(HTMLParagraphs(page: Array(html.utf8[..<end])).paragraphs.count <= 1) }
        #expect(HTMLParagraphs(page: Array(html.utf8)).paragraphs.count <= 1)
    }

    @Test func proseIsWhatIsLongAndMadeOfLettersAndNew() {
        let sentence = "Here are at least twelve words that together make a sentence which can be read."
        var prose = ProseCollector()
        let page = """
            <title>Page</title><p>\(sentence)</p><p>Too few words here.</p><p>\(sentence)</p>
            <p>Copyright © 2020 by somebody who wants to be named in a long sentence with many words.</p>
            <p>0x00 0x01 0x02 0x03 0x04 0x05 0x06 0x07 0x08 0x09 0x0a 0x0b 0x0c 0x0d</p>
            """
        #expect(prose.document(fromPage: Array(page.utf8), id: "x") == Document(id: "x", title: "Page", text: sentence))
        // The same paragraph again, on another page of the same package, is part of the frame.
        #expect(prose.document(fromPage: Array(page.utf8), id: "y") == nil)
    }

    @Test func dictionariesAreReadByEntries() {
        let lines = """
            00-database-short
                 The name of it all in four words
            Aback \\A*back"\\ ([.a]*b[a^]k"), adv. [Pref. a- + back]
               1. Toward the back or rear; {backward}.
                  [1913 Webster]

               2. Behind; in the rear.

            Abacus \\Ab"a*cus\\, n.
               A table or tray for calculating.
            """
        var entries = DictionaryEntries(source: "d")
        var documents = lines.split(separator: "\n", omittingEmptySubsequences: false).compactMap { entries.add(line: String($0)) }
        if let last = entries.finish() { documents.append(last) }
        // Without an empty line before it, a line at the margin belongs to the entry.
        #expect(documents.map(\.title) == ["Abacus"])

        var separated = DictionaryEntries(source: "d")
        documents = lines.replacingOccurrences(of: "\nAback", with: "\n\nAback").split(separator: "\n", omittingEmptySubsequences: false)
            .compactMap { separated.add(line: String($0)) }
        #expect(documents.map(\.title) == ["Aback"])
        #expect(
            documents.first?.text
                == "Aback ([.a]*b[a^]k\"), adv. [Pref. a- + back] 1. Toward the back or rear; backward.\n\n2. Behind; in the rear.")
    }
}
