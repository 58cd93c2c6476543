import Foundation
import Testing
import Torch

@Suite struct OperatorTests {
    /// Every operator that Swift names exists in this libtorch.
    @Test func everyOperatorNamedInSwiftResolves() throws {
        let sources = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Sources")
        let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        let pattern = /Operator\("((?:aten|condense)::[a-z0-9_A-Z]+)"(?:, "([A-Za-z0-9_]*)")?\)/
        var count = 0
        for case let file as URL in files where file.pathExtension == "swift" {
            for match in try String(contentsOf: file, encoding: .utf8).matches(of: pattern) {
                count += 1
                #expect(throws: Never.self, "\(match.output.0) in \(file.lastPathComponent)") {
                    try withTorchErrors { _ = Operator(String(match.output.1), String(match.output.2 ?? "")) }
                }
            }
        }
        #expect(count > 200)
    }

    @Test func missingArgumentsTakeDefaultsAndNilIsNone() {
        let x = Tensor([1.0, -2.0, 3.0] as [Float])
        #expect(Operator("aten::clamp")(x, nil, 2.0).scalars(as: Float.self) == [1, -2, 2])
        #expect(Operator("aten::sum")(x).item() == 2)
        #expect(Operator("aten::split", "Tensor").list(x, 2).map(\.shape) == [[2], [1]])
    }

    @Test func unknownOperatorThrowsInScope() {
        #expect(throws: TorchError.self) { try withTorchErrors { _ = Operator("aten::no_such_operator") } }
    }

    @Test func errorsNameOperatorAndShapes() throws {
        let error = #expect(throws: TorchError.self) {
            try withTorchErrors { Tensor.zeros([2, 3]).matmul(Tensor.zeros([4, 5])) }
        }
        let message = try #require(error?.message)
        #expect(message.contains("aten::matmul(float32[2, 3], float32[4, 5])"))
        #expect(!message.contains("Exception raised from"), "the C++ back trace is trimmed")
        #expect(error?.kind == .invalidArgument)
    }

    @Test func firstErrorOfAScopeWinsAndTheRestIsSkipped() throws {
        let error = #expect(throws: TorchError.self) {
            try withTorchErrors {
                let broken = Tensor.zeros([2]) + Tensor.zeros([3])
                _ = broken.matmul(Tensor.zeros([7, 7]))
            }
        }
        #expect(error?.message.contains("aten::add") == true)
        // The scope is over: operations work again.
        #expect((Tensor.ones([2]) + 1).scalars(as: Float.self) == [2, 2])
    }

    @Test func hugeAllocationIsOutOfMemory() {
        let error = #expect(throws: TorchError.self) { try withTorchErrors { Tensor.uninitialized([1 << 30, 1 << 20]) } }
        #expect(error?.kind == .outOfMemory)
    }

    /// A million operations leave no tensor behind. In a process of its own: other tests' memory comes and goes.
    @Test func noLeakOverAMillionOperations() async {
        await #expect(processExitsWith: .success) {
            func residentBytes() throws -> Int {
                let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
                return Int(fields[1])! * 4096
            }
            guard FileManager.default.fileExists(atPath: "/proc/self/statm") else { return }
            let a = Tensor.ones([1024])
            let weight = Tensor.ones([1024]).requiringGrad()
            func work(_ count: Int) {
                for _ in 0..<count / 10 {
                    var x = a
                    withoutGradients { for _ in 0..<5 { x = x + a } }
                    (x * weight).sum().backward()
                    weight.grad = nil
                    _ = a[0..<8]
                    _ = Tensor.concatenated([a, a])
                }
            }
            work(50_000)
            let before = try residentBytes()
            work(1_000_000)
            let growth = try residentBytes() - before
            try #require(growth < 20_000_000, "grew by \(growth) bytes, 20 a operation")
        }
    }
}
