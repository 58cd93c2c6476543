"""Writes Sources/Networks/Tokenizers/Unicode/UnicodeData.swift: the Unicode properties a tokenizer depends on,
measured scalar by scalar on the reference implementation itself.

`tokenizers` mixes Unicode versions (Oniguruma for regular expressions, the Rust standard library for white space,
digits and lower case, two older crates for punctuation and normalisation), and the Swift standard library has yet
another one, which on macOS follows the operating system. Token ids must not depend on any of that, so the tables
are data.

Made with tokenizers 0.23.3; run:  python Tools/goldens/tokenizers_unicode.py
"""
import base64
import pathlib
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

EXPECTED = "0.23.3"
OUTPUT = pathlib.Path(__file__).resolve().parents[2] / "Sources/Networks/Tokenizers/Unicode/UnicodeData.swift"
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
# The order is part of the format: GeneralCategory in Swift has the same.
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cs Cn".split()


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


def ranges(members):
    """Sorted scalars as (first, last) runs."""
    out = []
    for c in sorted(members):
        if out and c == out[-1][1] + 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def encoded_set(members):
    """Alternating gap and run lengths."""
    data, position = bytearray(), 0
    for first, last in ranges(members):
        data += varint(first - position) + varint(last - first + 1)
        position = last + 1
    return data


def removed_by(pre_tokenizer):
    """Scalars that a pre-tokeniser with behaviour `removed` takes away."""
    kept = set()
    for start in range(0, len(SCALARS), 4096):
        chunk = "".join(map(chr, SCALARS[start:start + 4096]))
        for piece, _ in pre_tokenizer.pre_tokenize_str(chunk):
            kept.update(map(ord, piece))
    return set(SCALARS) - kept


def matching(expression):
    return removed_by(pre_tokenizers.Split(Regex(expression), "removed"))


def general_categories():
    category = {}
    for index, name in enumerate(CATEGORIES):
        if name == "Cs":
            continue
        for c in matching(r"\p{%s}" % name):
            assert c not in category
            category[c] = index
    assert len(category) == len(SCALARS)
    data, position = bytearray(), 0
    while position < 0x110000:
        value = category.get(position, CATEGORIES.index("Cn"))
        end = position
        while end < 0x110000 and category.get(end, CATEGORIES.index("Cn")) == value:
            end += 1
        data += bytes([value]) + varint(end - position)
        position = end
    return data


def pieces_around(pre_tokenizer):
    return {c: len(pre_tokenizer.pre_tokenize_str("a" + chr(c) + "a")) for c in SCALARS}


def normalised(normaliser, members=SCALARS):
    """Scalars changed by a normaliser, with what they become."""
    out = {}
    for c in members:
        result = normaliser.normalize_str(chr(c))
        if result != chr(c):
            out[c] = [ord(x) for x in result]
    return out


def encoded_mapping(mapping, flag=None):
    """Entries: gap, length (with a flag in the lowest bit where there is one), then differences of the targets."""
    data, previous, target = bytearray(), 0, 0
    for c in sorted(mapping):
        goal = mapping[c]
        data += varint(c - previous)
        data += varint(len(goal) if flag is None else len(goal) << 1 | flag(c))
        for index, x in enumerate(goal):
            data += zigzag(x - (target if index == 0 else goal[index - 1]))
        previous, target = c, goal[0]
    return data


def combining_classes(nfd):
    """Found by how marks are reordered around marks of known class."""
    def swapped(a, b):  # the class of a is greater than that of b, and b's is not zero
        return a != b and nfd.normalize_str(chr(a) + chr(b)) == chr(b) + chr(a)

    lowest, highest = 0x334, 0x345  # classes 1 and 240
    marks = [c for c in SCALARS if nfd.normalize_str(chr(c)) == chr(c) and (swapped(c, lowest) or swapped(highest, c))]
    probes = {}
    for c in marks:
        if unicodedata.combining(chr(c)):
            probes.setdefault(unicodedata.combining(chr(c)), c)
    known = sorted(probes.items())
    classes = {}
    for c in marks:
        below = [value for value, probe in known if swapped(c, probe)]
        above = [value for value, probe in known if swapped(probe, c)]
        between = [value for value, _ in known if (not below or value > below[-1]) and (not above or value < above[0])]
        assert len(between) == 1, (hex(c), between)
        classes[c] = between[0]
    data, position = bytearray(), 0
    items = sorted(classes.items())
    index = 0
    while index < len(items):
        first, value = items[index]
        run = 1
        while index + run < len(items) and items[index + run] == (first + run, value):
            run += 1
        data += varint(first - position) + varint(run) + bytes([value])
        position = first + run
        index += run
    return data


def main():
    assert tokenizers.__version__ == EXPECTED, tokenizers.__version__
    nfd, nfc, nfkd = normalizers.NFD(), normalizers.NFC(), normalizers.NFKD()
    syllables = range(0xAC00, 0xD7A4)
    others = [c for c in SCALARS if c not in syllables]
    canonical = normalised(nfd, others)
    compatible = {c: goal for c, goal in normalised(nfkd, others).items() if canonical.get(c) != goal}
    around_word = pieces_around(pre_tokenizers.Whitespace())
    numeric = {c for c, n in pieces_around(pre_tokenizers.Digits(individual_digits=True)).items() if n == 3}
    clean = normalised(normalizers.BertNormalizer(True, False, False, False))
    strip = normalised(normalizers.BertNormalizer(False, False, True, False))
    tables = {
        "generalCategories": (general_categories(), r"`\\p{..}` of Oniguruma: category, run length"),
        "space": (encoded_set(matching(r"\s")), r"`\\s` of Oniguruma"),
        "wordCharacter": (encoded_set({c for c, n in around_word.items() if n == 1}), r"`\\w` of the regex crate"),
        "whiteSpace": (encoded_set(removed_by(pre_tokenizers.WhitespaceSplit())), "`char::is_whitespace`"),
        "numeric": (encoded_set(numeric), "`char::is_numeric`"),
        "punctuation": (encoded_set(removed_by(pre_tokenizers.Punctuation("removed"))), "BERT punctuation"),
        "control": (encoded_set({c for c, goal in clean.items() if not goal}), "removed by BERT's cleaning"),
        "nonspacingMark": (encoded_set({c for c, goal in strip.items() if not goal}), "removed by BERT's accent stripping"),
        "combiningMark": (encoded_set({c for c, goal in normalised(normalizers.StripAccents()).items() if not goal}),
                          "removed by StripAccents"),
        "lowercase": (encoded_mapping(normalised(normalizers.Lowercase())), "`char::to_lowercase`"),
        "canonical": (encoded_mapping(canonical, lambda c: int(nfc.normalize_str(chr(c)) == chr(c))),
                      "full canonical decompositions; the flag says that NFC composes it again"),
        "compatible": (encoded_mapping(compatible), "full compatibility decompositions that differ from the canonical ones"),
        "combiningClasses": (combining_classes(nfd), "gap, run length, class"),
    }
    lines = [
        "/// Unicode properties as `tokenizers` %s sees them, measured on it by `Tools/goldens/tokenizers_unicode.py`," % EXPECTED,
        "/// which also explains why they are data here and not the standard library's. Base64 of variable-length integers.",
        "enum UnicodeData {",
    ]
    for name, (data, comment) in tables.items():
        text = base64.b64encode(bytes(data)).decode()
        lines.append("    /// %s." % comment.replace("\\\\", "\\"))
        lines.append("    static let %s = \"\"\"" % name)
        lines += ["        %s\\" % text[i:i + 2000] for i in range(0, len(text), 2000)]
        lines[-1] = lines[-1][:-1]
        lines.append("        \"\"\"")
        print(name, len(data))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text("\n".join(lines + ["}", ""]))


main()
