import Foundation
import Networks
import Testing

/// Templates with the constructs of SmolLM2, Llama 3, Qwen 2, Qwen 3 and Gemma, against `apply_chat_template`.
@Suite struct TokenizerChatTemplateTests {
    private struct Fixture: Decodable {
        struct Template: Decodable {
            var source: String
            var bos: String
            var eos: String
        }

        struct Case: Decodable {
            var template: String
            var conversation: String
            var generation: Bool
            /// Missing where the template rejects the conversation.
            var expected: String?
        }

        var templates: [String: Template]
        var conversations: [String: [ChatMessage]]
        var cases: [Case]
    }

    @Test func textsAreTheReferences() throws {
        let fixture = try JSONDecoder().decode(Fixture.self, from: TokenizerFixtures.data("chat.json"))
        #expect(fixture.cases.count == 60)
        for item in fixture.cases {
            let source = try #require(fixture.templates[item.template])
            let template = ChatTemplate(source: source.source, bosToken: source.bos, eosToken: source.eos)
            let messages = try #require(fixture.conversations[item.conversation])
            let text = try? template.render(messages: messages, addGenerationPrompt: item.generation)
            #expect(text.map { Array($0.utf8) } == item.expected.map { Array($0.utf8) }, "\(item)")
        }
    }

    @Test func variablesAreSeen() throws {
        let template = ChatTemplate(source: "{{ date_string | default('no date') }}{{ eos_token }}", eosToken: "</s>")
        #expect(try template.render(messages: [], addGenerationPrompt: false) == "no date</s>")
        #expect(
            try template.render(messages: [], addGenerationPrompt: false, variables: ["date_string": "1 Jan"]) == "1 Jan</s>")
    }

    @Test(arguments: [
        ("{{ raise_exception('Only two roles') }}", "Only two roles"),
        ("{% macro m() %}{% endmacro %}", "the statement \"macro\" is not supported"),
        ("{{ x | frobnicate }}", "the filter \"frobnicate\" is not supported"),
        ("{{ x is odd }}", "the test \"odd\" is not supported"),
        ("{{ strange(1) }}", "the function \"strange\" is not supported"),
        ("{{ 'a'.title() }}", "the method \"title\""),
        ("{{ 1 / 2 }}", "\"/\" between a number and a number"),
        ("{{ 1 // 0 }}", "\"//\""),
        ("{{ 9223372036854775807 + 1 }}", "\"+\""),
        ("{{ 99999999999999999999 }}", "too large"),
        ("{{ missing.x }}", "undefined"),
        ("{{ messages[0]['role'] }}", "undefined"),
        ("{% if true %}", "\"endif\" is missing"),
        ("{% endfor %}", "no beginning"),
        ("{{ 'a }}", "not closed"),
        ("{{ a", "not closed"),
        ("{# a", "not closed"),
        ("{{ [1, 2] }}", "a list"),
        ("{% for i in range(1000) %}{% for j in range(1000) %}{% for k in range(1000) %}{% endfor %}{% endfor %}{% endfor %}", "does not come to an end"),
        ("{{ " + String(repeating: "(", count: 1000) + " }}", "nested too deep"),
        (String(repeating: "{% if true %}", count: 1000), "nested too deep"),
        ("{{ - - - 'a' }}", "negates a string"),
        ("{{ 'abc'[::0] }}", "a slice"),
    ]) func faultsAreNamed(source: String, part: String) {
        #expect {
            try ChatTemplate(source: source).render(messages: [], addGenerationPrompt: false)
        } throws: {
            "\($0)".hasPrefix("The chat template cannot be used: ") && "\($0)".contains(part)
        }
    }
}
