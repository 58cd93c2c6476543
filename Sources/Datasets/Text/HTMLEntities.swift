/// Character references of HTML: numeric ones, those of Latin-1 and the usual ones beyond.
enum HTMLEntities {
    /// The characters that a reference (without `&` and `;`) stands for, or nil where it is none.
    static func decode(_ reference: String) -> String? {
        guard reference.first == "#" else { return named[reference] }
        let digits = reference.dropFirst()
        let code = digits.first == "x" || digits.first == "X" ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
        guard let code, code >= 0x20 || code == 0x0a || code == 0x09 else { return nil }
        // Pages that say 128…159 mean Windows-1252.
        let scalar = (0x80..<0xa0).contains(code) ? windows1252[Int(code - 0x80)] : code
        return Unicode.Scalar(scalar).map { String(Character($0)) }
    }

    private static let windows1252: [UInt32] = [
        0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f,
        0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
    ]

    /// Names of U+00A0…U+00FF in order.
    private static let latin1 = """
        nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para \
        middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute \
        Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute \
        THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde \
        ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml
        """

    private static let others: [String: UInt32] = [
        "amp": 0x26, "lt": 0x3c, "gt": 0x3e, "quot": 0x22, "apos": 0x27, "ensp": 0x2002, "emsp": 0x2003, "thinsp": 0x2009,
        "zwnj": 0x200c, "zwj": 0x200d, "ndash": 0x2013, "mdash": 0x2014, "lsquo": 0x2018, "rsquo": 0x2019, "sbquo": 0x201a,
        "ldquo": 0x201c, "rdquo": 0x201d, "bdquo": 0x201e, "dagger": 0x2020, "Dagger": 0x2021, "bull": 0x2022, "hellip": 0x2026,
        "permil": 0x2030, "prime": 0x2032, "Prime": 0x2033, "lsaquo": 0x2039, "rsaquo": 0x203a, "euro": 0x20ac, "trade": 0x2122,
        "larr": 0x2190, "uarr": 0x2191, "rarr": 0x2192, "darr": 0x2193, "harr": 0x2194, "rArr": 0x21d2, "minus": 0x2212,
        "infin": 0x221e, "asymp": 0x2248, "ne": 0x2260, "le": 0x2264, "ge": 0x2265, "OElig": 0x152, "oelig": 0x153, "Scaron": 0x160,
        "scaron": 0x161, "Yuml": 0x178, "alpha": 0x3b1, "beta": 0x3b2, "gamma": 0x3b3, "delta": 0x3b4, "epsilon": 0x3b5,
        "lambda": 0x3bb, "mu": 0x3bc, "pi": 0x3c0, "sigma": 0x3c3, "omega": 0x3c9, "Omega": 0x3a9, "check": 0x2713,
    ]

    private static let named: [String: String] = {
        var table: [String: String] = [:]
        for (offset, name) in latin1.split(separator: " ").enumerated() {
            table[String(name)] = String(Character(Unicode.Scalar(UInt8(0xa0 + offset))))
        }
        for (name, code) in others { table[name] = Unicode.Scalar(code).map { String(Character($0)) } }
        return table
    }()
}
