import Foundation
import Testing

/// Every block of Swift in an article stands, line for line, in a source that is compiled and run here.
@Suite struct ArticleTests {
    static let here = URL(filePath: #filePath).deletingLastPathComponent()
    static let articles = try! FileManager.default.contentsOfDirectory(
        at: here.appending(path: "../../Sources/Condense/Condense.docc"), includingPropertiesForKeys: nil
    ).filter { $0.pathExtension == "md" }.sorted { $0.path < $1.path }

    @Test(arguments: articles + [here.appending(path: "../../README.md")])
    func codeIsCompiled(article: URL) throws {
        let sources = try FileManager.default.contentsOfDirectory(at: Self.here, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "swift" }
            .map { Self.lines(of: try String(contentsOf: $0, encoding: .utf8)) }
        for block in Self.swiftBlocks(of: try String(contentsOf: article, encoding: .utf8)) {
            let wanted = Self.lines(of: block)
            #expect(
                sources.contains { Self.contains($0, wanted) },
                "\(article.lastPathComponent): no test compiles the block that starts with '\(wanted.first ?? "")'")
        }
    }

    /// Lines without indentation; empty ones are left out.
    private static func lines(of text: String) -> [String] {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    private static func contains(_ source: [String], _ block: [String]) -> Bool {
        guard !block.isEmpty, source.count >= block.count else { return false }
        return (0...(source.count - block.count)).contains { Array(source[$0..<($0 + block.count)]) == block }
    }

    private static func swiftBlocks(of text: String) -> [String] {
        text.components(separatedBy: "```swift\n").dropFirst().compactMap { $0.components(separatedBy: "```").first }
    }
}
