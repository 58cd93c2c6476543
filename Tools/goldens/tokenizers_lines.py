"""Varied lines of text, the same as `TokenizerLines.swift` makes: both draw from the atoms written here, with SplitMix64.

Several scripts, emoji with joiners and skin tones, code, runs of white space, control characters, combining marks,
very long words, U+FFFD and private-use characters, mixed ends of lines.
"""
import json

ATOMS = [
    # English
    "the of and to in is was for that on with as it at by from he she his her are were be this which not have had an or "
    "people Government history international University compression However, I'm you're they'll WE'VE it's IT'S don't "
    "Don'T e.g. U.S.A. state-of-the-art naïve café résumé www.example.com user@example.com unbelievably "
    "pneumonoultramicroscopicsilicovolcanoconiosis".split(" "),
    # other languages in Latin script
    "Straße Übergröße Fußgänger œuvre garçon déjà señor mañana ação coração žluťoučký kůň łódź Şişli İstanbul ısı ığdır "
    "ångström Việt tiếng người þorn ǅ ŉ ſtadt Kelvin K ﬁne ﬀ ß ẞ µ ª º Ǆ".split(" "),
    # other alphabets
    "Привет мир человеческого ОТЕЧЕСТВО ёлка їжак Ђорђе Ελληνικά Ὀδυσσεύς ΣΊΣΥΦΟΣ ς שלום שָׁלוֹם مرحبا العربيّة بِسْمِ "
    "ﷺ ﻻ हिन्दी क्षत्रिय தமிழ் తెలుగు ไทย ภาษาไทย ភាសា မြန်မာ ქართული ᲥᲐᲠᲗᲣᲚᲘ հայերեն አማርኛ ᠮᠣᠩᠭᠣᠯ བོད་སྐད ᏣᎳᎩ ꮳꮃꭹ 𞤀𞤣𞤤𞤢𞤥 𐐀𐐨".split(" "),
    # East Asia
    "中文 漢字 日本語 ひらがな カタカナ ｶﾀｶﾅ が か゛ 한국어 한글 각 ㅎㅏㄴ 你好，世界！ 「引用」 ＡＢＣ１２３ 㐀 𠀀 𪜀 豈 丽 々 〆 ㍿ ①②③ ½ Ⅷ ⅷ".split(" "),
    # emoji
    ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "☺", "🧑🏿‍🚀", "👨🏻‍❤️‍💋‍👨🏼", "1️⃣", "#️⃣", "🫠", "🪿", "🫩", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"],
    # combining marks and normal forms
    ["e\u0301", "\u00e9", "a\u0323\u0307", "a\u0307\u0323", "\u1e69", "s\u0323\u0307", "\u0344", "\u0301", "Z\u0351\u0343\u0321\u0316a\u0334\u0338lgo",
     "\u1100\u1161\u11a8", "\uac00\u11a8", "\u0958", "\u0915\u093c", "\u2126", "\u212b", "\u1e9b\u0323", "\u0f73", "\u0f71\u0f72", "\U0001d15e", "\u3099\u304b\u3099",
     "\ufb1d", "q\u0307\u0323", "\u05b8\u05bc", "\u0c55\u0c56", "\u0655\u064b"],
    # white space
    [" ", "  ", "   ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", "\r\n\r\n", " \n ", "\n  \t", "\u00a0", "\u3000", "\u2003\u2009", "\u200b", "\u202f", "\u2028",
     "\u2029", "\u0085", "\u000b", "\u000c", "\u180e", "\ufeff", "\u1680", "      ", "                ", "\n    "],
    # control and odd characters
    ["\u0000", "\u0001", "\u0007", "\u001b[0m", "\u007f", "\u0080", "\u009f", "\ufffd", "\ufffd\ufffd", "\ue000", "\uf8ff", "\U000f0000", "\U0010ffff", "\ufffe",
     "\u0378", "\u2065", "\u200d", "\u200e", "\u202e", "\u00ad", "\u034f", "\u115f", "\ufff9", "\ufe0f", "\U000e0041", "\U000e0100", "\U0001fae8", "\u1c89", "\ua7da"],
    # code
    ["def f(x):\n    return x**2\n", "for (int i = 0; i < n; ++i) {", "}", "    ", "\tif err != nil {\n", "=>", "->", "!==", "&&", "||", "/* */", "// TODO", "#include <stdio.h>", "</div>", "<p class=\"x\">",
     "self.assertEqual(", "0x7fff_ffff", "3.14159e-10", "λx.x", "$PATH", "`code`", "```swift", "SELECT * FROM t WHERE a='b';", "{\"key\": [1, 2]}", "\\n", "\\u00e9", "snake_case", "camelCase", "__init__", "i+=1", "[[1]]", "%s %d"],
    # punctuation, symbols, numbers
    [".", ",", "!", "?", "...", "…", "—", "–", "“quoted”", "‘x’", "’s", "'s", "'S", "'ſ", "'re", "'LL", "'", "\"", "¿", "§", "©", "™", "€", "£", "→", "∑", "∀x∈ℝ", "²", "³", "٣", "१२", "௧", "𝟘", "𝒜",
     "2024", "1,234,567.89", "100%", "12:34", "ⅻ", "〇", "℃", "±", "÷", "~", "^", "|", "_", "__", "----------", "==========", "*****", "#", "##", "###", "@"],
    # what tokenizers treat specially
    ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>", "<unused7>", "<0x41>", "▁", "▁▁", "Ġ", "Ċ", "##ing", "##", "</w>", "<|im_", "|>", "<repo_name>",
     "<tool>", "MASK", "xMASKx", "LeFt", "right"],
]
RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x5FF), (0x600, 0x8FF), (0x900, 0x10FF), (0x1100, 0x1FFF), (0x2000, 0x2BFF),
          (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xA000, 0xD7A3), (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x3FFFF), (0xE0000, 0xE01EF), (0x0, 0x10FFFF)]
SEED = 0x746F6B656E


class Lines:
    def __init__(self, seed=SEED):
        self.state = seed

    def draw(self, bound):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return (z ^ z >> 31) % bound

    def atom(self):
        group = ATOMS[self.draw(len(ATOMS))]
        return group[self.draw(len(group))]

    def scalar(self):
        low, high = RANGES[self.draw(len(RANGES))]
        value = low + self.draw(high - low + 1)
        return "?" if 0xD800 <= value < 0xE000 else chr(value)

    def part(self):
        kind = self.draw(100)
        if kind < 65:
            return self.atom()
        if kind < 80:
            return self.scalar()
        if kind < 84:
            atom = self.atom()
            return atom * (1 + self.draw(40))
        if kind < 93:
            return "".join(chr(48 + self.draw(10)) for _ in range(1 + self.draw(6)))
        return "".join(chr(33 + self.draw(94)) for _ in range(1 + self.draw(30)))

    def line(self):
        text = ""
        for _ in range(1 + self.draw(14)):
            text += self.part()
            if self.draw(2) == 1:
                text += " "
        return text


def lines(count):
    source = Lines()
    return [source.line() for _ in range(count)]


def write_atoms(path):
    path.write_text(json.dumps({"atoms": ATOMS, "ranges": RANGES, "seed": SEED}, ensure_ascii=True, separators=(",", ":")))
