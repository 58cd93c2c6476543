import Testing
import Torch

@Suite struct JSONValueTests {
    @Test func readsEveryKind() throws {
        let text = #" {"a":[1,-2.5e1,true,false,null,"x\"\\\/\b\f\n\r\t\u00e9\ud83d\ude42"],"b":{}} "#
        let value = try JSONValue(parsing: Array(text.utf8))
        let list = try #require(value.objectValue?["a"]?.arrayValue)
        #expect(
            list == [.integer(1), .number(-25), .bool(true), .bool(false), .null, .string("x\"\\/\u{8}\u{C}\n\r\té🙂")])
        #expect(value.objectValue?.keys == ["a", "b"])
        #expect(value.objectValue?["b"]?.objectValue?.count == 0)
    }

    @Test func integersStayExact() throws {
        #expect(try JSONValue(parsing: Array("9007199254740993".utf8)).intValue == 9_007_199_254_740_993)
        #expect(try JSONValue(parsing: Array("4.0".utf8)).intValue == 4)
        #expect(try JSONValue(parsing: Array("4.5".utf8)).intValue == nil)
        #expect(try JSONValue(parsing: Array("7".utf8)).doubleValue == 7)
    }

    @Test("Malformed documents are rejected", arguments: [
        "", "{", "[1,]", "[1 2]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "nul", "1e400", "--1", "\"\\x\"", "\"\\ud800\"",
        "\"\\u12\"", "\"a\nb\"", "\"", "1 2", "{\"a\":1,\"a\":2}", "[[[[[[", "+",
    ])
    func malformed(text: String) {
        #expect(throws: JSONValue.ParseError.self) { try JSONValue(parsing: Array(text.utf8), maximumDepth: 5) }
    }

    @Test func invalidUTF8IsRejected() {
        #expect(throws: JSONValue.ParseError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
    }
}
