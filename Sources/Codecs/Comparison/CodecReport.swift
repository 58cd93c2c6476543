public import Experiments
internal import Foundation

/// Tables and figures about codecs.
public enum CodecReport {
    // MARK: Training

    static func training(
        _ codec: TrainedCodec, _ configuration: PictureTrainingConfiguration, _ evaluation: CodecEvaluation, pictureCount: Int, skipped: [String],
        examples: [PictureComparison], metrics: [MetricRecord]
    ) throws -> Report {
        var blocks: [ReportBlock] = [.keyNumbers(keyNumbers(evaluation))]
        if !skipped.isEmpty { blocks.append(.note("\(skipped.count) files could not be read and were left out: \(skipped.joined(separator: " "))")) }
        if !examples.isEmpty {
            blocks += [.heading("Pictures that were not trained on")] + examples.map { .comparison($0) }
        }
        if !evaluation.pictures.isEmpty { blocks += [.heading("Figures"), .table(pictureTable(evaluation))] }
        blocks += [.heading("Training")] + trainingCurves(metrics)
        return Report(
            title: "Image codec \(codec.label)",
            subtitle: "\(codec.codec.configuration.description), trained on \(pictureCount) pictures of \(configuration.data); figures are of "
                + "\(evaluation.pictures.count) others, whole files counted",
            blocks: blocks)
    }

    static func keyNumbers(_ evaluation: CodecEvaluation) -> [KeyNumber] {
        guard !evaluation.pictures.isEmpty else { return [] }
        var numbers = [KeyNumber(label: "Rate", value: "\(formatNumber(evaluation.bitsPerPixel, digits: 3)) bpp", note: "bits per pixel of whole files")]
        if let psnr = evaluation.psnr { numbers.append(KeyNumber(label: "PSNR", value: "\(formatNumber(psnr, digits: 4)) dB")) }
        if let similarity = evaluation.msSSIM { numbers.append(KeyNumber(label: "MS-SSIM", value: formatNumber(similarity, digits: 4))) }
        return numbers
    }

    static func trainingCurves(_ metrics: [MetricRecord]) -> [ReportBlock] {
        metrics.curves([
            MetricCurve("train/loss", "Loss", Axis("λ · distortion + bits per pixel", scale: .logarithmic)),
            MetricCurve("train/bpp", "Estimated rate", Axis("bits per pixel")),
        ])
    }

    // MARK: Evaluation

    private static func cell(_ value: Double?, digits: Int = 4) -> String { value.map { formatNumber($0, digits: digits) } ?? "–" }

    /// Columns of qualities, and a picture's or a mean's; that of looks where it was measured.
    private static func qualityColumns(_ evaluations: [CodecEvaluation]) -> [String] {
        ["bpp", "PSNR, dB", "SSIM", "MS-SSIM"] + (evaluations.contains { $0.lpips != nil } ? [PerceptualDistance.name] : [])
    }

    private static func qualityCells(_ values: [Double?], _ columns: [String]) -> [String] { values.prefix(columns.count).map { cell($0) } }

    /// A row for each picture, and their means.
    public static func pictureTable(_ evaluation: CodecEvaluation) -> Table {
        let columns = qualityColumns([evaluation])
        let rows = evaluation.pictures.map { picture in
            [picture.picture, "\(picture.width) × \(picture.height)", formatCount(picture.bytes)]
                + qualityCells([picture.bitsPerPixel, picture.psnr, picture.ssim, picture.msSSIM, picture.lpips], columns)
                + [picture.encodeSeconds, picture.decodeSeconds].map { cell($0, digits: 3) }
        }
        let means = ["mean", "", ""] + qualityCells(evaluation.qualities, columns) + [evaluation.encodeSeconds, evaluation.decodeSeconds].map { cell($0, digits: 3) }
        return Table(
            columns: [.text("Picture"), .number("size")] + (["bytes"] + columns + ["encode, s", "decode, s"]).map { .number($0) }, rows: rows + [means])
    }

    /// A row for each setting of each codec: means over pictures.
    public static func settingTable(_ evaluations: [CodecEvaluation]) -> Table {
        let columns = qualityColumns(evaluations)
        return Table(
            columns: [.text("Codec")] + (columns + ["encode, s", "decode, s"]).map { .number($0) },
            rows: evaluations.map { evaluation in
                [evaluation.name] + qualityCells(evaluation.qualities, columns) + [evaluation.encodeSeconds, evaluation.decodeSeconds].map { cell($0, digits: 3) }
            })
    }

    // MARK: Comparison

    /// The page about a comparison.
    public static func comparison(
        _ comparison: CodecComparison, _ configuration: CodecComparisonConfiguration, pictureCount: Int, shown: [PictureComparison]
    ) -> Report {
        let figures = [rateFigure(comparison.series), similarityFigure(comparison.series)] + (lookFigure(comparison.series).map { [$0] } ?? [])
        var blocks = figures.map { ReportBlock.figure($0) }
        if let table = rateDifferenceTable(comparison) { blocks += [.heading("Rate at equal quality"), .table(table)] }
        blocks += shown.isEmpty ? [] : [.heading("Pictures"), .paragraph(pictureSentence)] + shown.map { .comparison($0) }
        blocks += [.heading("Measured"), .table(settingTable(comparison.series.flatMap(\.settings)))]
        blocks += comparison.series.compactMap { series in series.program.map { .paragraph("\(series.name): \($0).") } }
        if !comparison.missing.isEmpty {
            blocks.append(.note("Not measured, because no encoder was found here: \(comparison.missing.map(\.rawValue).joined(separator: ", "))."))
        }
        blocks += [.heading("Published, on other pictures"), .figure(publishedFigure), .table(publishedTable)]
        return Report(
            title: "Learned codecs against conventional ones",
            subtitle: "\(pictureCount) pictures of \(configuration.data)\(configuration.middle.map { ", the middle \($0) × \($0) of each" } ?? ""); bits of "
                + "whole files, PSNR of RGB in 8 bits, means over pictures",
            blocks: blocks)
    }

    private static let pictureSentence =
        "Choose two versions and move the boundary with the slider, the arrow keys or the pointer. Conventional codecs are shown at the quality whose file "
        + "is nearest in size to that of the first learned codec; pictures are embedded without loss."

    static func rateFigure(_ series: [CodecComparison.Series]) -> Figure {
        figure("PSNR against rate", "PSNR (dB)", series, \.psnr)
    }

    static func similarityFigure(_ series: [CodecComparison.Series]) -> Figure {
        figure("MS-SSIM against rate", "MS-SSIM (dB, −10 log₁₀(1 − x))", series) { evaluation in
            evaluation.msSSIM.flatMap { $0 < 1 ? -10 * log10(1 - $0) : nil }
        }
    }

    /// nil where it was not measured.
    static func lookFigure(_ series: [CodecComparison.Series]) -> Figure? {
        guard series.contains(where: { $0.settings.contains { $0.lpips != nil } }) else { return nil }
        return figure("\(PerceptualDistance.name) against rate; less is better", PerceptualDistance.name, series, \.lpips)
    }

    private static func figure(
        _ title: String, _ quality: String, _ series: [CodecComparison.Series], _ value: (CodecEvaluation) -> Double?
    ) -> Figure {
        Figure(
            title: title, xAxis: Axis("bits per pixel", scale: .logarithmic), yAxis: Axis(quality),
            traces: series.map { series in
                let points = series.settings.compactMap { evaluation in value(evaluation).map { (evaluation.bitsPerPixel, $0) } }
                return .line(series.name, x: points.map(\.0), y: points.map(\.1), markers: true)
            }, height: 420)
    }

    /// How many bits more or fewer than a conventional codec; nil where no two have curves.
    public static func rateDifferenceTable(_ comparison: CodecComparison) -> Table? {
        let references = comparison.series.filter { $0.program != nil }.map(\.name)
        let differences = references.map { comparison.rateDifferences(from: $0) }
        let names = comparison.series.map(\.name).filter { name in differences.contains { $0.contains { $0.name == name } } }
        guard !names.isEmpty else { return nil }
        return Table(
            columns: [.text("Codec")] + references.map { .number("against \($0)") },
            rows: names.map { name in
                [name] + differences.map { row in row.first { $0.name == name }.map { percent($0.difference) } ?? "–" }
            },
            caption: "Bjøntegaard's difference in rate over PSNR; negative: fewer bits. A curve needs two settings with qualities in common.")
    }

    static func percent(_ part: Double) -> String { (part > 0 ? "+" : part < 0 ? "−" : "") + formatNumber(Swift.abs(part) * 100, digits: 3) + " %" }

    private static var publishedFigure: Figure {
        Figure(
            title: "PSNR against rate on Kodak, as published", xAxis: Axis("bits per pixel", scale: .logarithmic), yAxis: Axis("PSNR (dB)"),
            traces: RateDistortionCurve.publishedOnKodak.map { curve in
                .line("\(curve.name), published", x: curve.points.map(\.bitsPerPixel), y: curve.points.map(\.quality), markers: true)
            },
            caption: "The 24 Kodak photographs, figures of CompressAI's repository: full-size models, other pictures. Not measured here and not to be "
                + "compared point by point with the figures above.", height: 420)
    }

    private static var publishedTable: Table {
        let curves = RateDistortionCurve.publishedOnKodak, reference = curves.first { $0.name.hasPrefix("JPEG") }
        return Table(
            columns: [.text("Published on Kodak"), .number("against JPEG there")],
            rows: curves.map { curve in [curve.name, reference.flatMap { curve.rateDifference(from: $0) }.map(percent) ?? "–"] })
    }
}

extension CodecEvaluation {
    /// In the order of the tables' columns.
    fileprivate var qualities: [Double?] { [bitsPerPixel, psnr, ssim, msSSIM, lpips] }
}
