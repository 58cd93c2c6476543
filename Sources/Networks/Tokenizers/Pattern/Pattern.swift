/// A compiled regular expression over Unicode scalars, for splitting text into words.
///
/// A backtracking matcher on UTF-8, with leftmost-first alternatives as in Oniguruma. Only sets of scalars can be
/// repeated, so a match cannot take exponential time; the first byte selects the alternatives worth trying.
struct Pattern: Sendable {
    private enum Instruction {
        case one(Int)
        case many(set: Int, minimum: Int, maximum: Int, canGiveBack: Bool)
        /// Go on; if that fails, continue at the target.
        case attempt(otherwise: Int)
        case jump(Int)
        /// The instructions up to the target are what must, or must not, follow.
        case lookahead(isNegated: Bool, end: Int)
        case start
        case end
        case match
    }

    private var sets: [ScalarSet] = []
    private var program: [Instruction] = []
    /// Where each top-level alternative begins.
    private var entries: [Int] = []
    /// For each first byte below 128, and at 128 for all others, the alternatives that can begin with it, as bits.
    private var candidates = [UInt64](repeating: 0, count: 129)

    /// - Throws: ``TokenizerError/unsupported(what:name:)`` for what is outside the supported syntax.
    init(_ expression: String) throws(TokenizerError) {
        let node = try PatternParser.parse(expression)
        let alternatives = if case .alternatives(let all) = node { all } else { [node] }
        guard alternatives.count <= 64 else {
            throw .unsupported(what: "regular expression", name: "\(expression) (because of more than 64 alternatives)")
        }
        for (index, alternative) in alternatives.enumerated() {
            entries.append(program.count)
            compile(alternative)
            program.append(.match)
            let first = Self.first(of: alternative)
            if first.isNullable {
                throw .unsupported(what: "regular expression", name: "\(expression) (because it matches the empty text)")
            }
            for byte in UInt8(0)..<128 where first.sets.contains(where: { $0.contains(ascii: byte) }) {
                candidates[Int(byte)] |= 1 << UInt64(index)
            }
            if first.sets.contains(where: \.mayContainWide) { candidates[128] |= 1 << UInt64(index) }
        }
    }

    // MARK: Compiling

    private mutating func index(of set: ScalarSet) -> Int {
        if let index = sets.firstIndex(of: set) { return index }
        sets.append(set)
        return sets.count - 1
    }

    private mutating func compile(_ node: PatternNode) {
        switch node {
        case .set(let set):
            program.append(.one(index(of: set)))
        case .sequence(let nodes):
            for node in nodes { compile(node) }
        case .alternatives(let nodes):
            var exits: [Int] = []
            for (position, node) in nodes.enumerated() {
                let attempt = program.count
                if position < nodes.count - 1 { program.append(.attempt(otherwise: 0)) }
                compile(node)
                if position < nodes.count - 1 {
                    exits.append(program.count)
                    program.append(.jump(0))
                    program[attempt] = .attempt(otherwise: program.count)
                }
            }
            for exit in exits { program[exit] = .jump(program.count) }
        case .repeated(.set(let set), let minimum, let maximum, let isPossessive):
            program.append(.many(set: index(of: set), minimum: minimum, maximum: maximum, canGiveBack: !isPossessive))
        case .repeated(let node, _, _, _):
            let attempt = program.count
            program.append(.attempt(otherwise: 0))
            compile(node)
            program[attempt] = .attempt(otherwise: program.count)
        case .lookahead(let node, let isNegated):
            let lookahead = program.count
            program.append(.lookahead(isNegated: isNegated, end: 0))
            compile(node)
            program.append(.match)
            program[lookahead] = .lookahead(isNegated: isNegated, end: program.count)
        case .start: program.append(.start)
        case .end: program.append(.end)
        }
    }

    /// The sets a match can begin with, and whether it can be empty.
    private static func first(of node: PatternNode) -> (sets: [ScalarSet], isNullable: Bool) {
        switch node {
        case .set(let set): return ([set], false)
        case .repeated(let node, let minimum, _, _):
            let inner = first(of: node)
            return (inner.sets, inner.isNullable || minimum == 0)
        case .lookahead, .start, .end: return ([], true)
        case .alternatives(let nodes):
            let all = nodes.map(first)
            return (all.flatMap(\.sets), all.contains(where: \.isNullable))
        case .sequence(let nodes):
            var sets: [ScalarSet] = []
            for node in nodes {
                let inner = first(of: node)
                sets += inner.sets
                if !inner.isNullable { return (sets, false) }
            }
            return (sets, true)
        }
    }

    // MARK: Matching

    /// Calls `body` with every match in `range`, from left to right. What lies outside the range is invisible.
    func forEachMatch(in bytes: UnsafePointer<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var matcher = Matcher(bytes: bytes, lower: range.lowerBound, upper: range.upperBound)
        sets.withUnsafeBufferPointer { sets in
            program.withUnsafeBufferPointer { program in
                var position = range.lowerBound
                while position < range.upperBound {
                    let byte = bytes[position]
                    var open = candidates[Int(min(byte, 128))]
                    var end = -1
                    while open != 0 {
                        end = matcher.run(program, sets, from: entries[open.trailingZeroBitCount], at: position)
                        if end >= 0 { break }
                        open &= open - 1
                    }
                    if end > position {
                        body(position..<end)
                        position = end
                    } else {
                        position += UTF8Text.length(firstByte: byte)
                    }
                }
            }
        }
    }

    private struct Matcher {
        /// A place to continue at: any position from `position` down to `lowest`, the longest first.
        struct Choice {
            var instruction: Int
            var lowest: Int
            var position: Int
        }

        let bytes: UnsafePointer<UInt8>
        let lower: Int
        let upper: Int
        var choices: [Choice] = []

        init(bytes: UnsafePointer<UInt8>, lower: Int, upper: Int) {
            self.bytes = bytes
            self.lower = lower
            self.upper = upper
        }

        @inline(__always)
        private func length(of set: ScalarSet, at position: Int) -> Int {
            guard position < upper else { return 0 }
            let byte = bytes[position]
            if byte < 128 { return set.contains(ascii: byte) ? 1 : 0 }
            let (scalar, length) = UTF8Text.scalar(in: bytes, at: position)
            return set.contains(wide: scalar) ? length : 0
        }

        /// The end of the match, or −1.
        mutating func run(
            _ program: UnsafeBufferPointer<Instruction>, _ sets: UnsafeBufferPointer<ScalarSet>, from entry: Int, at start: Int
        ) -> Int {
            let base = choices.count
            var instruction = entry
            var position = start
            while true {
                var failed = false
                switch program[instruction] {
                case .match:
                    choices.removeLast(choices.count - base)
                    return position
                case .one(let set):
                    let step = length(of: sets[set], at: position)
                    failed = step == 0
                    position += step
                    instruction += 1
                case .many(let set, let minimum, let maximum, let canGiveBack):
                    var count = 0
                    var lowest = minimum == 0 ? position : -1
                    while count < maximum, case let step = length(of: sets[set], at: position), step > 0 {
                        position += step
                        count += 1
                        if count == minimum { lowest = position }
                    }
                    failed = count < minimum
                    instruction += 1
                    if !failed, canGiveBack, position > lowest {
                        // Nothing can fail after the last repetition, so it never has to give back.
                        if case .match = program[instruction] {
                        } else {
                            choices.append(Choice(instruction: instruction, lowest: lowest, position: position))
                        }
                    }
                case .attempt(let otherwise):
                    choices.append(Choice(instruction: otherwise, lowest: position, position: -position - 1))
                    instruction += 1
                case .jump(let target):
                    instruction = target
                case .lookahead(let isNegated, let end):
                    let found = run(program, sets, from: instruction + 1, at: position) >= 0
                    failed = found == isNegated
                    instruction = end
                case .start:
                    failed = position != lower
                    instruction += 1
                case .end:
                    failed = position != upper
                    instruction += 1
                }
                guard failed else { continue }
                // Take up the latest choice: a plain alternative, or a repetition that gives back one scalar.
                guard choices.count > base else { return -1 }
                let top = choices.count - 1
                instruction = choices[top].instruction
                if choices[top].position < 0 {
                    position = choices[top].lowest
                    choices.removeLast()
                } else {
                    position = UTF8Text.before(choices[top].position, in: bytes)
                    if position > choices[top].lowest {
                        choices[top].position = position
                    } else {
                        choices.removeLast()
                    }
                }
            }
        }
    }
}
