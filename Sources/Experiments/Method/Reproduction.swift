import Foundation
internal import Torch

/// The size at which a paper's claim is put to the test.
public enum ReproductionScale: String, Codable, Sendable, CaseIterable {
    /// At most ten minutes on two CPU cores.
    case small
    /// The paper's own size, on GPUs.
    case full
}

/// What a reproduction gets from its caller.
public struct ReproductionContext {
    /// The run that keeps metrics and checkpoints.
    public let run: Run
    /// Threads, device and the first seed.
    public let settings: RunSettings
    /// Seeds to repeat random experiments with; at least three unless the user asked for fewer.
    public let seeds: [UInt64]
    /// Where progress is told.
    public let progress: any ProgressReporter
    /// Asked between steps whether to stop.
    public let cancellation: Cancellation

    /// - Parameters:
    ///   - repetitions: number of seeds, counted up from `settings.seed`.
    public init(
        run: Run, settings: RunSettings, repetitions: Int = 3, progress: any ProgressReporter = SilentProgress(),
        cancellation: Cancellation = Cancellation()
    ) {
        require(repetitions > 0, "ReproductionContext needs at least one repetition, found \(repetitions)")
        self.run = run
        self.settings = settings
        seeds = (0..<UInt64(repetitions)).map { settings.seed &+ $0 }
        self.progress = progress
        self.cancellation = cancellation
    }
}

/// Whether what the paper says was seen here.
public enum Verdict: String, Codable, Sendable, CaseIterable {
    /// Direction and size agree.
    case holds
    /// The direction agrees, the size does not.
    case directionOnly
    /// The differences are within the spread over seeds.
    case inconclusive
    /// The measurement goes against the claim.
    case contradicted

    /// Words for tables.
    public var title: String {
        switch self {
        case .holds: "holds"
        case .directionOnly: "direction holds, size differs"
        case .inconclusive: "inconclusive"
        case .contradicted: "does not hold here"
        }
    }

    /// The verdict on a claim that one quantity is larger than another.
    ///
    /// - Parameters:
    ///   - difference: measured differences, one per seed, positive in the claimed direction.
    ///   - size: the range the mean difference must lie in for the size to agree; nil if the claim has no size.
    /// - Returns: ``inconclusive`` if the mean is within two standard errors of zero (or there is one seed only).
    public static func compare(difference: [Double], size: ClosedRange<Double>? = nil) -> Verdict {
        let spread = Spread(difference)
        guard difference.count > 1, abs(spread.mean) > 2 * spread.standardError else { return .inconclusive }
        guard spread.mean > 0 else { return .contradicted }
        return size?.contains(spread.mean) ?? true ? .holds : .directionOnly
    }
}

/// Mean and spread of repeated measurements.
public struct Spread: Codable, Sendable, Equatable {
    public let count: Int
    public let mean: Double
    /// Sample standard deviation (divided by n − 1); 0 for one value.
    public let standardDeviation: Double

    /// - Parameter values: at least one measurement.
    public init(_ values: [Double]) {
        require(!values.isEmpty, "Spread of no values")
        count = values.count
        let mean = values.reduce(0, +) / Double(values.count)
        self.mean = mean
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        standardDeviation = values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : 0
    }

    /// Standard error of the mean.
    public var standardError: Double { standardDeviation / Double(count).squareRoot() }

    /// `mean ± standard deviation`, e.g. `0.213 ± 0.004`.
    public func formatted(digits: Int = 3) -> String {
        let mean = formatNumber(mean, digits: digits)
        return count > 1 ? "\(mean) ± \(formatNumber(standardDeviation, digits: max(1, digits - 1)))" : mean
    }
}

/// The outcome of a method's experiment.
public struct Reproduction: Codable, Sendable, Equatable {
    /// One claim of the paper, and what was found.
    public struct Row: Codable, Sendable, Equatable {
        /// What the paper says, in one clause.
        public var claim: String
        /// The paper's figure at the paper's scale, with its setting.
        public var paperFigure: String
        /// What was measured here, with its spread over seeds.
        public var measured: String
        public var verdict: Verdict
        /// Why it differs, if it does.
        public var remark: String?

        public init(claim: String, paperFigure: String, measured: String, verdict: Verdict, remark: String? = nil) {
            self.claim = claim
            self.paperFigure = paperFigure
            self.measured = measured
            self.verdict = verdict
            self.remark = remark
        }
    }

    /// Claims in the order of their weight.
    public var rows: [Row]
    /// What was done, on which data, against which baselines, and how it differs from the paper.
    public var setting: String
    /// Tables, figures and text that support the rows.
    public var evidence: [ReportBlock]

    public init(rows: [Row], setting: String, evidence: [ReportBlock] = []) {
        self.rows = rows
        self.setting = setting
        self.evidence = evidence
    }

    /// The report of the experiment.
    public func report(of method: any Method.Type, scale: ReproductionScale) -> Report {
        let counts = Verdict.allCases.map { verdict in (verdict, rows.count { $0.verdict == verdict }) }
        let numbers = counts.filter { $0.1 > 0 }.map { verdict, count in
            KeyNumber(label: verdict.title, value: "\(count) of \(rows.count)")
        }
        let hasRemarks = rows.contains { $0.remark != nil }
        let table = Table(
            columns: [.text("Claim"), .text("In the paper"), .text("Measured here"), .text("Verdict")]
                + (hasRemarks ? [.text("Remark")] : []),
            rows: rows.map { row in
                [row.claim, row.paperFigure, row.measured, row.verdict.title] + (hasRemarks ? [row.remark ?? ""] : [])
            })
        return Report(
            title: "Reproduction: \(method.title)",
            subtitle: "\(method.paper.title). \(method.paper.reference). Scale: \(scale.rawValue).",
            blocks: [
                .paragraph(method.summary), .keyNumbers(numbers), .heading("Claims"), .table(table),
                .heading("Setting"), .paragraph(setting),
            ] + evidence)
    }
}
