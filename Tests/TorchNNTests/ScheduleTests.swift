import CondenseTesting
import Foundation
import Testing
import Torch
import TorchNN

@Suite("Learning-rate schedules and weight averages")
struct ScheduleTests {
    /// The base rate of the goldens is 0.5.
    static let schedules: [(String, LearningRateSchedule)] = [
        ("constant", .constant),
        ("linear", .linear(from: 0.25, to: 1, steps: 20)),
        ("linear_decay", .linear(from: 1, to: 0.1, steps: 40)),
        ("cosine", .cosine(from: 1, to: 0.1, steps: 59)),
        ("step", .step(interval: 15, decay: 0.3)),
        ("multi_step", .milestones([10, 35], decay: 0.2)),
        ("exponential", .exponential(decay: 0.95)),
        ("polynomial", .polynomial(power: 2, steps: 50)),
        ("one_cycle", .oneCycle(steps: 60, rise: 0.3, initial: 1.0 / 25, final: 1.0 / 25 / 1e4)),
        (
            "warmup_then_cosine",
            .sequence([.init(.linear(from: 0.1, to: 1, steps: 10), steps: 10), .init(.cosine(from: 1, to: 0, steps: 50), steps: 50)])
        ),
    ]

    @Test(arguments: schedules.indices) func schedule(_ index: Int) throws {
        let (name, schedule) = Self.schedules[index]
        let expected = try goldens("schedules")(name)
        let rates = Tensor((0..<expected.elementCount).map { 0.5 * schedule.factor(at: $0) })
        expectClose(rates, expected, relative: 1e-9, absolute: 1e-12, name)
        #expect(try JSONDecoder().decode(LearningRateSchedule.self, from: JSONEncoder().encode(schedule)) == schedule)
    }

    @Test func refusesImpossibleSchedules() throws {
        for (_, schedule) in Self.schedules { try schedule.validate() }
        let impossible: [LearningRateSchedule] = [
            .cosine(from: 1, to: 0, steps: 0), .linear(from: .nan, to: 0, steps: 3), .step(interval: 0, decay: 0.1), .sequence([]),
            .warmup(steps: -1, then: .constant), .warmup(steps: 1, then: .exponential(decay: -1)),
            .oneCycle(steps: 10, rise: 2, initial: 0, final: 0), .product([.polynomial(power: -1, steps: 3)]),
        ]
        for schedule in impossible { #expect(throws: InvalidSetting.self, "\(schedule)") { try schedule.validate() } }
    }

    @Test func warmupNeverStandsStill() {
        let schedule = LearningRateSchedule.warmup(steps: 4, then: .linear(from: 1, to: 0, steps: 2))
        #expect((0..<8).map { schedule.factor(at: $0) } == [0.25, 0.5, 0.75, 1, 1, 0.5, 0, 0])
        #expect(LearningRateSchedule.product([schedule, .exponential(decay: 0.5)]).factor(at: 2) == 0.75 / 4)
    }

    /// A layer without bias that takes the goldens' steps.
    private func averaged(_ kind: WeightAverage.Kind, steps: Range<Int>, resuming: WeightAverage? = nil) throws -> (Linear, WeightAverage) {
        let golden = try goldens("optimizers")
        let layer = Linear(weight: try golden("start/a")[0..<2].cloned())
        let average = WeightAverage(of: layer, kind)
        if let resuming { try average.load(resuming.stateDictionary) }
        for step in 0..<steps.upperBound {
            layer.weight.addInPlace(try golden("gradients/a")[step][0..<2], scale: -0.1)
            if steps.contains(step) { average.update() }
        }
        return (layer, average)
    }

    @Test func averages() throws {
        let golden = try goldens("optimizers")
        for (name, kind) in [("ema", WeightAverage.Kind.exponential(decay: 0.9)), ("swa", .equal)] {
            let (layer, average) = try averaged(kind, steps: 0..<20)
            let own = layer.weight.cloned()
            try average.applied { expectClose(layer.weight, try golden("\(name)/weight"), name) }
            #expect(layer.weight.isEqual(to: own))
            average.commit()
            expectClose(layer.weight, try golden("\(name)/weight"), name)
        }
    }

    /// The update rule without a bias equals the textbook's: average from zero, divided by 1 − decayᵗ.
    @Test func debiasedAverage() throws {
        let golden = try goldens("optimizers")
        let weight = try golden("start/a")[0..<2].to(dtype: .float64)
        let sum = Tensor.zeros([2, 3], dtype: .float64)
        for step in 0..<20 {
            weight.addInPlace(try golden("gradients/a")[step][0..<2].to(dtype: .float64), scale: -0.1)
            sum.interpolateInPlace(towards: weight, weight: 0.1)
        }
        let (_, average) = try averaged(.debiasedExponential(decay: 0.9), steps: 0..<20)
        expectClose(average.stateDictionary["weight"]!, sum / (1 - pow(0.9, 20)))
    }

    @Test func averageResumesExactly() throws {
        let whole = try averaged(.debiasedExponential(decay: 0.9), steps: 0..<20).1
        let half = try averaged(.debiasedExponential(decay: 0.9), steps: 0..<8).1
        let resumed = try averaged(.debiasedExponential(decay: 0.9), steps: 8..<20, resuming: half).1
        #expect(resumed.count == 20)
        #expect(resumed.stateDictionary["weight"]!.isEqual(to: whole.stateDictionary["weight"]!))
        #expect(throws: StateMismatch.self) { try resumed.load(["weight": Tensor.zeros([2, 3])]) }
    }
}
