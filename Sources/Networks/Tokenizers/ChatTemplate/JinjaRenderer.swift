/// Runs a template's statements.
struct JinjaRenderer {
    private(set) var output = ""
    /// Names by scope, the innermost last. A loop's body is a scope: what it sets is gone after each round.
    private var scopes: [[String: JinjaValue]]
    private var steps = 0
    /// A template that runs longer than this is faulty or hostile.
    private static let maximumSteps = 1_000_000
    private static let maximumOutput = 64 << 20

    init(globals: [String: JinjaValue]) { scopes = [globals] }

    mutating func run(_ statements: [JinjaStatement]) throws(JinjaFailure) {
        for statement in statements {
            try count()
            switch statement {
            case .text(let text): output += text
            case .output(let expression): output += try value(expression).text()
            case .choice(let branches):
                for branch in branches where try branch.condition.map({ (e) throws(JinjaFailure) in try value(e).isTrue }) ?? true {
                    try run(branch.body)
                    break
                }
            case .loop(let names, let over, let condition, let body, let otherwise):
                try loop(names, over, condition, body, otherwise)
            case .set(let name, let expression):
                scopes[scopes.count - 1][name] = try value(expression)
            case .setMember(let name, let member, let expression):
                guard case .namespace(let namespace) = variable(name) else {
                    throw JinjaFailure("it sets \(name).\(member), but \(name) is no namespace")
                }
                namespace.members[member] = try value(expression)
            case .setBlock(let name, let body):
                let before = output
                output = ""
                try run(body)
                scopes[scopes.count - 1][name] = .string(output)
                output = before
            }
        }
    }

    private mutating func count() throws(JinjaFailure) {
        steps += 1
        if steps > Self.maximumSteps || output.utf8.count > Self.maximumOutput {
            throw JinjaFailure("it does not come to an end")
        }
    }

    private mutating func loop(
        _ names: [String], _ over: JinjaExpression, _ condition: JinjaExpression?, _ body: [JinjaStatement],
        _ otherwise: [JinjaStatement]
    ) throws(JinjaFailure) {
        scopes.append([:])
        defer { scopes.removeLast() }
        var items: [JinjaValue] = []
        for item in try value(over).items() {
            try count()
            guard let condition else {
                items.append(item)
                continue
            }
            try bind(names, to: item)
            if try value(condition).isTrue { items.append(item) }
        }
        if items.isEmpty { return try run(otherwise) }
        for (index, item) in items.enumerated() {
            try count()
            scopes[scopes.count - 1] = [
                "loop": .object([
                    ("index", .integer(index + 1)), ("index0", .integer(index)), ("first", .boolean(index == 0)),
                    ("last", .boolean(index == items.count - 1)), ("length", .integer(items.count)),
                    ("revindex", .integer(items.count - index)), ("revindex0", .integer(items.count - index - 1)),
                    ("previtem", index > 0 ? items[index - 1] : .undefined),
                    ("nextitem", index + 1 < items.count ? items[index + 1] : .undefined),
                ])
            ]
            try bind(names, to: item)
            try run(body)
        }
    }

    private mutating func bind(_ names: [String], to item: JinjaValue) throws(JinjaFailure) {
        if names.count == 1 {
            scopes[scopes.count - 1][names[0]] = item
            return
        }
        guard case .list(let parts) = item, parts.count == names.count else {
            throw JinjaFailure("a loop over \(names.count) names needs lists of as many values")
        }
        for (name, part) in zip(names, parts) { scopes[scopes.count - 1][name] = part }
    }

    private func variable(_ name: String) -> JinjaValue {
        for scope in scopes.reversed() {
            if let value = scope[name] { return value }
        }
        return .undefined
    }

    // MARK: Expressions

    private mutating func value(_ expression: JinjaExpression) throws(JinjaFailure) -> JinjaValue {
        try count()
        switch expression {
        case .literal(let value): return value
        case .name(let name): return variable(name)
        case .list(let items): return .list(try values(items))
        case .object(let members):
            var object: [(key: String, value: JinjaValue)] = []
            for member in members {
                guard case .string(let key) = try value(member.key) else { throw JinjaFailure("a mapping's key is no string") }
                object.append((key, try value(member.value)))
            }
            return .object(object)
        case .member(let base, let name):
            let object = try value(base)
            if case .undefined = object { throw JinjaFailure("it asks an undefined value for \"\(name)\"") }
            return object.member(name)
        case .element(let base, let index): return try value(base).element(try value(index))
        case .slice(let base, let start, let stop, let step):
            return try value(base).slice(try bound(start), try bound(stop), try bound(step) ?? 1)
        case .call(let function, let arguments): return try call(function, arguments)
        case .filter(let base, let name, let arguments):
            return try JinjaFunctions.filter(name, try value(base), try evaluated(arguments))
        case .test(let base, let name, let isNegated):
            return .boolean(try JinjaFunctions.test(name, try value(base)) != isNegated)
        case .not(let inner): return .boolean(!(try value(inner).isTrue))
        case .negative(let inner):
            switch try value(inner) {
            case .integer(let value) where value != .min: return .integer(-value)
            case .number(let value): return .number(-value)
            case let other: throw JinjaFailure("it negates \(other.typeName)")
            }
        case .binary("and", let left, let right):
            let first = try value(left)
            return first.isTrue ? try value(right) : first
        case .binary("or", let left, let right):
            let first = try value(left)
            return first.isTrue ? first : try value(right)
        case .binary(let operation, let left, let right):
            return try JinjaFunctions.binary(operation, try value(left), try value(right))
        case .conditional(let condition, let then, let otherwise):
            if try value(condition).isTrue { return try value(then) }
            guard let otherwise else { return .undefined }
            return try value(otherwise)
        }
    }

    private mutating func values(_ expressions: [JinjaExpression]) throws(JinjaFailure) -> [JinjaValue] {
        var values: [JinjaValue] = []
        for expression in expressions { values.append(try value(expression)) }
        return values
    }

    private mutating func bound(_ expression: JinjaExpression?) throws(JinjaFailure) -> Int? {
        guard let expression else { return nil }
        switch try value(expression) {
        case .integer(let value) where abs(value) < 1 << 31: return value
        case .none: return nil
        case let other: throw JinjaFailure("a slice has \(other.typeName) as bound")
        }
    }

    private mutating func evaluated(_ arguments: JinjaArguments) throws(JinjaFailure) -> JinjaFunctions.Arguments {
        var named: [String: JinjaValue] = [:]
        for argument in arguments.named { named[argument.name] = try value(argument.value) }
        return JinjaFunctions.Arguments(positional: try values(arguments.positional), named: named)
    }

    private mutating func call(_ function: JinjaExpression, _ arguments: JinjaArguments) throws(JinjaFailure) -> JinjaValue {
        let arguments = try evaluated(arguments)
        switch function {
        case .member(let base, let name): return try JinjaFunctions.method(name, of: try value(base), arguments)
        case .name("namespace"): return .namespace(JinjaNamespace(arguments.named))
        case .name("raise_exception"):
            throw JinjaFailure(try arguments.positional.first?.text() ?? "the template rejects the conversation")
        case .name("range"): return .list(try JinjaFunctions.range(arguments))
        case .name(let name): throw JinjaFailure("the function \"\(name)\" is not supported")
        default: throw JinjaFailure("it calls something that is no function")
        }
    }
}
