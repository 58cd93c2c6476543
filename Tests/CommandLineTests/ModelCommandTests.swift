import Foundation
import Testing

/// The commands about networks, on the catalogue's EfficientNet-Lite0.
@Suite(.serialized) struct ModelCommandTests {
    private static func picture() -> Data {
        var bytes = Array("P6\n80 64\n255\n".utf8)
        for y in 0..<64 { for x in 0..<80 { for channel in 0..<3 { bytes.append(UInt8((x * (channel + 1) + y * 2) % 256)) } } }
        return Data(bytes)
    }

    private static func expectSuccess(_ outcome: CondenseProgram.Outcome, _ location: SourceLocation = #_sourceLocation) {
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: location)
    }

    @Test func inspectExportAndExplain() throws {
        let program = try CondenseProgram()
        let inspected = try program.run("model", "inspect", "efficientnet-lite0", "--image-size", "32", "--quiet")
        Self.expectSuccess(inspected)
        #expect(inspected.output.contains("_blocks.3._depthwise_conv") && inspected.output.contains("4,652,008 weights, "), "\(inspected.output)")

        let exported = try program.run("model", "export", "efficientnet-lite0", "--image-size", "32", "--out", "lite0", "--onnx", "--json", "--quiet")
        Self.expectSuccess(exported)
        #expect(exported.output.contains("\"parityError\" : 0") && program.exists("lite0/model.onnx") && program.exists("lite0/modeling_condense.py"))
        let again = try program.run("model", "inspect", "lite0", "--batch", "0", "--json", "--quiet")
        Self.expectSuccess(again)
        #expect(again.output.contains("\"weights\" : 4652008") && !again.output.contains("seconds"))
        // What is there is not written over.
        let refused = try program.run("model", "export", "lite0", "--out", "lite0")
        #expect(refused.status == 1 && refused.errors.contains("choose a new folder"), "\(refused.errors)")

        try Self.picture().write(to: program.url("stripes.ppm"))
        let explained = try program.run("explain", "lite0", "stripes.ppm", "--class", "7", "--out", "maps", "--quiet", "--json")
        Self.expectSuccess(explained)
        #expect(explained.output.contains("\"label\" : 7"))
        #expect(try program.files(below: "maps").keys.sorted() == ["1-stripes-relevance.png", "1-stripes.png", "report.html"])
        let outside = try program.run("explain", "lite0", "stripes.ppm", "--class", "1000", "--out", "none")
        #expect(outside.status == 1 && outside.errors.contains("one of the network's 1000 classes") && !program.exists("none"), "\(outside.errors)")
    }
}
