/// Lower case and the four Unicode normalisation forms, on the reference implementation's tables (`UnicodeData`).
struct UnicodeForms: Sendable {
    static let shared = UnicodeForms()

    private var lowercase: [UInt32: [UInt32]] = [:]
    private var canonical: [UInt32: [UInt32]] = [:]
    private var compatible: [UInt32: [UInt32]] = [:]
    private var combiningClasses: [UInt32: UInt8] = [:]
    private var compositions: [UInt64: UInt32] = [:]

    private init() {
        lowercase = Self.mapping(UnicodeData.lowercase, flagged: false).targets
        compatible = Self.mapping(UnicodeData.compatible, flagged: false).targets
        let canonicalMapping = Self.mapping(UnicodeData.canonical, flagged: true)
        canonical = canonicalMapping.targets
        var reader = VariableLengthReader(UnicodeData.combiningClasses)
        var position = 0
        while !reader.isAtEnd {
            let first = position + reader.next()
            position = first + reader.next()
            let value = reader.byte()
            for scalar in first..<position { combiningClasses[UInt32(scalar)] = value }
        }
        // A primary composite is the composition of everything before its last scalar, with that last scalar:
        // shorter decompositions first, so that the former is known.
        for scalar in canonicalMapping.flagged.sorted(by: { (canonical[$0]!.count, $0) < (canonical[$1]!.count, $1) }) {
            let parts = canonical[scalar]!
            guard parts.count > 1 else { continue }
            var first = parts[0]
            for part in parts[1..<(parts.count - 1)] { first = compositions[Self.pair(first, part)] ?? first }
            compositions[Self.pair(first, parts[parts.count - 1])] = scalar
        }
    }

    private static func pair(_ first: UInt32, _ second: UInt32) -> UInt64 { UInt64(first) << 32 | UInt64(second) }

    private static func mapping(_ data: String, flagged: Bool) -> (targets: [UInt32: [UInt32]], flagged: [UInt32]) {
        var reader = VariableLengthReader(data)
        var targets: [UInt32: [UInt32]] = [:]
        var marked: [UInt32] = []
        var scalar = 0
        var previousTarget = 0
        while !reader.isAtEnd {
            scalar += reader.next()
            var count = reader.next()
            if flagged {
                if count & 1 == 1 { marked.append(UInt32(scalar)) }
                count >>= 1
            }
            var goal: [UInt32] = []
            var reference = previousTarget
            for _ in 0..<count {
                reference += reader.nextSigned()
                goal.append(UInt32(reference))
            }
            previousTarget = goal.first.map(Int.init) ?? previousTarget
            targets[UInt32(scalar)] = goal
        }
        return (targets, marked)
    }

    /// The lower-case mapping of one scalar, without context (a final sigma stays σ), nil where it is the scalar itself.
    func lowercased(_ scalar: UInt32) -> [UInt32]? {
        if scalar < 0x80 { return scalar >= 65 && scalar <= 90 ? [scalar + 32] : nil }
        return lowercase[scalar]
    }

    // MARK: Normalisation

    /// A scalar on its way through normalisation, with the bytes of the original text it comes from.
    struct Element {
        var scalar: UInt32
        var origin: TextOrigin
        var combiningClass: UInt8 = 0
    }

    /// Decomposes in place: canonically or by compatibility, marks in canonical order.
    func decompose(_ elements: inout [Element], compatibility: Bool) {
        var output: [Element] = []
        output.reserveCapacity(elements.count + elements.count / 4)
        for element in elements {
            let scalar = element.scalar
            if scalar < 0xA0 {
                output.append(element)
            } else if scalar >= 0xAC00, scalar < 0xAC00 + 11172 {
                let index = scalar - 0xAC00
                var parts = [0x1100 + index / 588, 0x1161 + index % 588 / 28]
                if index % 28 != 0 { parts.append(0x11A7 + index % 28) }
                for part in parts { output.append(Element(scalar: part, origin: element.origin)) }
            } else if let parts = (compatibility ? compatible[scalar] : nil) ?? canonical[scalar] {
                for part in parts {
                    output.append(Element(scalar: part, origin: element.origin, combiningClass: combiningClasses[part] ?? 0))
                }
            } else {
                output.append(Element(scalar: scalar, origin: element.origin, combiningClass: combiningClasses[scalar] ?? 0))
            }
        }
        order(&output)
        elements = output
    }

    /// Sorts every run of marks by combining class, keeping the order of equals.
    private func order(_ elements: inout [Element]) {
        var start = 0
        while start < elements.count {
            guard elements[start].combiningClass != 0 else {
                start += 1
                continue
            }
            var end = start + 1
            while end < elements.count, elements[end].combiningClass != 0 { end += 1 }
            if end - start > 1 {
                // `sort` promises stability only by accident; the position makes the order total.
                let run = elements[start..<end].enumerated().sorted {
                    ($0.element.combiningClass, $0.offset) < ($1.element.combiningClass, $1.offset)
                }
                for (offset, item) in run.enumerated() { elements[start + offset] = item.element }
            }
            start = end
        }
    }

    /// Composes decomposed elements canonically (NFC of an NFD text, NFKC of an NFKD text).
    func compose(_ elements: inout [Element]) {
        var output: [Element] = []
        output.reserveCapacity(elements.count)
        var starter = -1
        var lastClass: UInt8 = 0
        for element in elements {
            if starter >= 0, starter == output.count - 1 || (lastClass != 0 && lastClass < element.combiningClass),
                let composed = composition(output[starter].scalar, element.scalar)
            {
                output[starter].scalar = composed
                output[starter].origin.formUnion(element.origin)
                continue
            }
            if element.combiningClass == 0 { starter = output.count }
            lastClass = element.combiningClass
            output.append(element)
        }
        elements = output
    }

    private func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if first >= 0x1100, first < 0x1113, second >= 0x1161, second < 0x1176 {
            return 0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28
        }
        if first >= 0xAC00, first < 0xAC00 + 11172, (first - 0xAC00) % 28 == 0, second > 0x11A7, second < 0x11C3 {
            return first + second - 0x11A7
        }
        return compositions[Self.pair(first, second)]
    }
}
