/// One turn of a conversation.
public struct ChatMessage: Sendable, Codable, Equatable {
    /// Who speaks: usually `system`, `user` or `assistant`.
    public var role: String
    public var content: String

    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }
}

/// A model's chat format: a Jinja template that writes a conversation the way the model was trained to see it.
///
/// The part of Jinja that model files use is supported, with the settings of `transformers` (`trim_blocks`,
/// `lstrip_blocks`): `if`, `for`, `set`, expressions with slices, tests, the common filters and string methods,
/// `namespace`, `range` and `raise_exception`. Anything else is an error, never a different text.
public struct ChatTemplate: Sendable {
    /// The template's text.
    public let source: String
    private let specialTokens: [String: String]

    /// - Parameter specialTokens: tokens by role (`bos`, `eos`, …), known to the template as `bos_token`, `eos_token`, ….
    init(_ source: String, specialTokens: [String: String]) {
        self.source = source
        self.specialTokens = specialTokens
    }

    /// A template on its own.
    /// - Parameters:
    ///   - source: the Jinja text.
    ///   - bosToken: what the template writes for `bos_token`.
    ///   - eosToken: what the template writes for `eos_token`.
    public init(source: String, bosToken: String? = nil, eosToken: String? = nil) {
        self.init(source, specialTokens: ["bos": bosToken, "eos": eosToken].compactMapValues { $0 })
    }

    /// Writes a conversation.
    ///
    /// The result contains the model's control tokens, its beginning of text included: encode it with
    /// `addSpecialTokens: false`.
    /// - Parameters:
    ///   - messages: the turns, oldest first.
    ///   - addGenerationPrompt: ends the text where the model's answer begins.
    ///   - variables: further names the template may look at, such as `date_string`.
    /// - Throws: ``TokenizerError/chatTemplate(_:)`` if the template is faulty, needs something unsupported or rejects the
    ///   conversation.
    public func render(
        messages: [ChatMessage], addGenerationPrompt: Bool, variables: [String: String] = [:]
    ) throws(TokenizerError) -> String {
        let turns = messages.map { message in
            JinjaValue.object([("role", .string(message.role)), ("content", .string(message.content))])
        }
        var globals: [String: JinjaValue] = [
            "messages": .list(turns), "add_generation_prompt": .boolean(addGenerationPrompt), "tools": .none,
            "documents": .none,
        ]
        for (role, token) in specialTokens { globals["\(role)_token"] = .string(token) }
        for (name, value) in variables { globals[name] = .string(value) }
        do throws(JinjaFailure) {
            let statements = try JinjaParser.parse(source)
            var renderer = JinjaRenderer(globals: globals)
            try renderer.run(statements)
            return renderer.output
        } catch {
            throw .chatTemplate(error.reason)
        }
    }
}

/// Why a template cannot be parsed or run.
struct JinjaFailure: Error {
    var reason: String

    init(_ reason: String) { self.reason = reason }
}
