internal import Experiments

extension HyperpriorExperiment {
    /// Verdicts and evidence.
    func findings(_ outcomes: [Outcome], jpeg: CodecComparison.Series?) throws -> Reproduction {
        var rows = [
            fewerBits(
                outcomes, .meanScaleHyperprior, than: .factorized, size: 0.05...0.6,
                claim: "At equal quality the mean and scale hyperprior needs fewer bits than the factorized prior (size: at least 5 %)"),
            fewerBits(outcomes, .scaleHyperprior, than: .factorized, claim: "The scale hyperprior needs fewer bits than the factorized prior"),
            fewerBits(outcomes, .meanScaleHyperprior, than: .scaleHyperprior, claim: "Means besides scales save bits again"),
            fewerBits(
                outcomes, .meanScaleHyperprior, than: .factorized, on: \.curveOfOthers,
                claim: "On other kinds of pictures, too, the mean and scale hyperprior needs fewer bits than the factorized prior"),
        ]
        if let jpeg { rows.append(against(jpeg, outcomes)) }
        rows.append(estimates(outcomes))
        return Reproduction(
            rows: rows, setting: description(jpeg),
            evidence: [.heading("Curves"), .figure(figure(outcomes, jpeg)), .table(table(outcomes)), .table(differences(outcomes, jpeg))])
    }

    // MARK: Claims

    private func of(_ kind: ImageCodecKind, _ outcomes: [Outcome]) -> [Outcome] { outcomes.filter { $0.kind == kind }.sorted { $0.seed < $1.seed } }

    /// Differences in rate at equal quality, seed by seed, of the seeds whose curves have qualities in common.
    private func rateDifferences(
        _ kind: ImageCodecKind, _ other: ImageCodecKind, _ outcomes: [Outcome], on curve: (Outcome) -> RateDistortionCurve = \.curve
    ) -> [Double] {
        zip(of(kind, outcomes), of(other, outcomes)).compactMap { curve($0).rateDifference(from: curve($1)) }
    }

    private func percent(_ values: [Double]) -> String {
        values.isEmpty ? "no qualities in common" : "\(Spread(values.map { $0 * 100 }).formatted()) % bits"
    }

    private func fewerBits(
        _ outcomes: [Outcome], _ kind: ImageCodecKind, than other: ImageCodecKind, on curve: (Outcome) -> RateDistortionCurve = \.curve,
        size: ClosedRange<Double>? = nil, claim: String
    ) -> Reproduction.Row {
        let measured = rateDifferences(kind, other, outcomes, on: curve)
        return .init(
            claim: claim, paperFigure: publishedDifference(kind.rawValue, other.rawValue), measured: percent(measured),
            verdict: verdict(measured.map { -$0 }, size: size))
    }

    private func verdict(_ differences: [Double], size: ClosedRange<Double>? = nil) -> Verdict {
        differences.isEmpty ? .inconclusive : Verdict.compare(difference: differences, size: size)
    }

    /// Computed from the published curves.
    private func publishedDifference(_ name: String, _ other: String) -> String {
        let curves = RateDistortionCurve.publishedOnKodak
        guard let curve = curves.first(where: { $0.name == name }), let reference = curves.first(where: { $0.name.hasPrefix(other) }),
            let difference = curve.rateDifference(from: reference)
        else { return "–" }
        return "\(CodecReport.percent(difference)) bits on Kodak, full size (from published curves)"
    }

    private func against(_ jpeg: CodecComparison.Series, _ outcomes: [Outcome]) -> Reproduction.Row {
        let measured = of(.meanScaleHyperprior, outcomes).compactMap { $0.curve.rateDifference(from: jpeg.curve) }
        return .init(
            claim: "It needs fewer bits than JPEG at equal PSNR on held-out photographs (size: at least 40 % fewer)",
            paperFigure: publishedDifference("mbt2018-mean", "JPEG"), measured: percent(measured),
            verdict: verdict(measured.map { -$0 }, size: 0.4...0.8))
    }

    private func estimates(_ outcomes: [Outcome]) -> Reproduction.Row {
        let surpluses = outcomes.map(\.surplus)
        return .init(
            claim: "Files are as long as the likelihoods say: at most 1 % longer, streams' ends included", paperFigure: "implied; not measured",
            measured: "\(Spread(surpluses.map { $0 * 100 }).formatted()) % longer", verdict: surpluses.allSatisfy { $0 <= 0.01 } ? .holds : .contradicted)
    }

    // MARK: Evidence

    private func figure(_ outcomes: [Outcome], _ jpeg: CodecComparison.Series?) -> Figure {
        let learned = Self.kinds.map { kind -> Trace in
            let own = of(kind, outcomes)
            let points = setting.lambdas.indices.map { index in
                (
                    rate: Spread(own.map { $0.evaluations[index].bitsPerPixel }).mean, quality: Spread(own.map { $0.evaluations[index].psnr ?? .nan })
                )
            }.sorted { $0.rate < $1.rate }
            return .line(
                kind.rawValue, x: points.map(\.rate), y: points.map(\.quality.mean), markers: true, spread: points.map(\.quality.standardDeviation))
        }
        let conventional = jpeg.map { jpeg -> [Trace] in
            let points = jpeg.curve.points
            return [.line("JPEG", x: points.map(\.bitsPerPixel), y: points.map(\.quality), markers: true)]
        }
        return Figure(
            title: "PSNR against rate on held-out photographs", xAxis: Axis("bits per pixel of whole files", scale: .logarithmic), yAxis: Axis("PSNR (dB)"),
            traces: learned + (conventional ?? []),
            caption: "Means over pictures and seeds; bars are standard deviations over seeds.", height: 420)
    }

    private func table(_ outcomes: [Outcome]) -> Table {
        Table(
            columns: [.text("Codec"), .number("λ"), .number("bpp"), .number("PSNR, dB"), .number("MS-SSIM"), .number("training, s (all λ)")],
            rows: Self.kinds.flatMap { kind in
                setting.lambdas.indices.map { index -> [String] in
                    let own = of(kind, outcomes), evaluations = own.map { $0.evaluations[index] }
                    return [
                        kind.rawValue, "\(setting.lambdas[index])", Spread(evaluations.map(\.bitsPerPixel)).formatted(),
                        Spread(evaluations.map { $0.psnr ?? .nan }).formatted(digits: 4), Spread(evaluations.map { $0.msSSIM ?? .nan }).formatted(digits: 4),
                        index == 0 ? Spread(own.map(\.trainingSeconds)).formatted() : "",
                    ]
                }
            })
    }

    private func differences(_ outcomes: [Outcome], _ jpeg: CodecComparison.Series?) -> Table {
        Table(
            columns: [.text("Codec"), .number("bits against factorized, %"), .number("against JPEG, %"), .number("bits that describe the distribution, %")],
            rows: Self.kinds.map { kind in
                let own = of(kind, outcomes)
                func cell(_ values: [Double]) -> String { values.isEmpty ? "–" : Spread(values.map { $0 * 100 }).formatted() }
                return [
                    kind.rawValue, kind == .factorized ? "–" : cell(rateDifferences(kind, .factorized, outcomes)),
                    cell(jpeg.map { jpeg in own.compactMap { $0.curve.rateDifference(from: jpeg.curve) } } ?? []), cell(own.map(\.sideInformation)),
                ]
            }, caption: "Bjøntegaard's difference in rate over PSNR, seed by seed; negative: fewer bits.")
    }

    private func description(_ jpeg: CodecComparison.Series?) -> String {
        let middle = setting.testSide.map { ", the middle \($0) × \($0) of each" } ?? ""
        return """
            The three codecs have the same transforms (\(setting.channels) channels, latents of \(setting.latentChannels)), see the same crops of \
            \(setting.cropSize) × \(setting.cropSize) of \(pictures.training.count) photographs (\(setting.trainingData), sides above \
            \(setting.largestSide) made smaller) in batches of \(setting.batchSize), and differ in the prior and the learning rate that suits it. \
            Each λ (\(setting.lambdas.map { "\($0)" }.joined(separator: ", "))) has a codec of its own; that of the first is trained for \
            \(formatCount(setting.steps)) steps at \(formatNumber(setting.learningRate, digits: 2)) (factorized: \
            \(formatNumber(setting.factorizedLearningRate, digits: 2))), begun with principal components of the first crops and, where there is a \
            hyperprior, their local means and sizes, the others for \(formatCount(setting.laterSteps)) more, begun with its weights. Rates were \
            chosen on held-back pictures of the training set. Measured on \(pictures.test.pictures.count) photographs of \
            \(setting.testData)\(middle): bits of whole files, PSNR of RGB in 8 bits, means over pictures. JPEG: \(jpeg?.program ?? "not at hand"). \
            The other kinds are \(pictures.others.pictures.count) pictures of \(setting.otherData): textures, pages, coins, microscopy, most of them \
            grey. Numbers are means ± standard deviations over \(context.seeds.count) seeds; a difference in rate is Bjøntegaard's, over the \
            qualities that both curves reach.
            """
    }
}
