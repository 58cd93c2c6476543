import Torch

extension Benchmark {
    /// What passing the boxed gate costs on the smallest of operations.
    static let engine = Benchmark(name: "engine", summary: "overhead of the operator gate on a 16-element addition") { _, progress in
        let a = Tensor.ones([16]), b = Tensor.ones([16])
        let count = 100_000
        progress("\(count) additions of 16 elements, in C++ and through the gate")
        let direct = Timing(seconds: (0..<7).map { _ in Engine.measureDirectAddition(a, b, count: count) / Double(count) })
        let gate = withoutGradients {
            Timing.measure(operations: count) { for _ in 0..<count { _ = a + b } }
        }
        let baseline = BenchmarkRow("addition called in C++", direct, remark: "\(Int(direct.median * 1e9)) ns")
        return [baseline, BenchmarkRow("addition through the gate", gate, remark: "\(Int(gate.median * 1e9)) ns").compared(with: baseline)]
    }
}
