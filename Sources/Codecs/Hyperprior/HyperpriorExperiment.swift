internal import EntropyCoding
package import Experiments
internal import Torch

/// The factorized prior, the scale hyperprior and the mean and scale hyperprior with the same transforms, trained on the same crops, measured
/// by the files of pictures that were held back; and JPEG on the same pictures.
package struct HyperpriorExperiment {
    let setting: HyperpriorSetting
    let pictures: HyperpriorPictures
    let context: ReproductionContext

    package init(_ setting: HyperpriorSetting, _ pictures: HyperpriorPictures, context: ReproductionContext) {
        (self.setting, self.pictures, self.context) = (setting, pictures, context)
    }

    static let kinds: [ImageCodecKind] = [.factorized, .scaleHyperprior, .meanScaleHyperprior]

    /// What was measured of one kind with one seed.
    struct Outcome: Sendable {
        let kind: ImageCodecKind
        let seed: UInt64
        /// In the order of the setting's λ: of the test pictures, and of the others.
        let evaluations: [CodecEvaluation], others: [CodecEvaluation]
        let trainingSeconds: Double
        /// Bits of files in excess of the estimate, as part of it, at the last λ.
        let surplus: Double
        /// The part of the estimate that describes the distribution, at the last λ.
        let sideInformation: Double

        var curve: RateDistortionCurve { RateDistortionCurve(kind.rawValue, evaluations.compactMap(\.point)) }
        var curveOfOthers: RateDistortionCurve { RateDistortionCurve(kind.rawValue, others.compactMap(\.point)) }
    }

    package func run() throws -> Reproduction {
        var outcomes: [Outcome] = []
        for seed in context.seeds {
            for kind in Self.kinds { outcomes.append(try outcome(kind, seed: seed)) }
        }
        return try findings(outcomes, jpeg: jpeg())
    }

    private func outcome(_ kind: ImageCodecKind, seed: UInt64) throws -> Outcome {
        let start = ContinuousClock.now
        let crops = InMemoryCrops(pictures.training, seed: seed)
        var codecs: [any ImageCodec] = []
        for lambda in setting.lambdas {
            let training = setting.training(kind, lambda: lambda, isLater: !codecs.isEmpty)
            codecs.append(
                try trainImageCodec(
                    training, on: crops, seed: seed, start: codecs.first, device: Device(parsing: context.settings.device),
                    task: "\(kind.rawValue) λ \(lambda), seed \(seed)", progress: context.progress,
                    cancellation: context.cancellation))
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        func evaluated(_ set: PictureSet) throws -> [CodecEvaluation] {
            try zip(codecs, setting.lambdas).map { codec, lambda in
                try set.evaluate(
                    LearnedCoder(codec), name: "\(kind.rawValue) λ \(lambda)", progress: context.progress, cancellation: context.cancellation)
            }
        }
        let evaluations = try evaluated(pictures.test)
        var values: [String: Double] = [:]
        for (evaluation, lambda) in zip(evaluations, setting.lambdas) {
            values["\(kind.rawValue)/\(lambda)/bpp"] = evaluation.bitsPerPixel
            values["\(kind.rawValue)/\(lambda)/psnr"] = evaluation.psnr ?? .nan
        }
        try context.run.log(values, step: Int(seed &- context.seeds[0]))
        let estimate = try estimate(codecs[codecs.count - 1])
        return Outcome(
            kind: kind, seed: seed, evaluations: evaluations, others: try evaluated(pictures.others), trainingSeconds: seconds,
            surplus: estimate.surplus, sideInformation: estimate.side)
    }

    /// What streams have in bits beyond what their likelihoods say, on whole blocks of the test pictures.
    private func estimate(_ codec: any ImageCodec) throws -> (surplus: Double, side: Double) {
        var estimated = 0.0, described = 0.0, written = 0.0
        for picture in pictures.test.pictures {
            let size = 64, rows = picture.height / size * size, columns = picture.width / size * size
            guard rows > 0, columns > 0 else { continue }
            let piece = picture.pixels.narrowed(axis: 1, from: 0, count: rows).narrowed(axis: 2, from: 0, count: columns).contiguous().unsqueezed(0)
            let output = withoutGradients { codec(piece) }
            estimated += output.bits.item()
            described += output.latents.dropFirst().reduce(0) { $0 + $1.bits.item() }
            written += try codec.compress(piece).reduce(0) { sum, coded in coded.streams.reduce(sum) { $0 + 8 * Double($1.count) } }
        }
        return (written / estimated - 1, described / estimated)
    }

    private func jpeg() throws -> CodecComparison.Series? {
        guard let encoder = try ConventionalEncoder(.jpeg) else { return nil }
        let settings = try encoder.format.curveQualities.map { quality in
            try pictures.test.evaluate(encoder.at(quality: quality), name: "JPEG quality \(quality)", progress: context.progress, cancellation: context.cancellation)
        }
        return .init(name: "JPEG", program: encoder.origin, settings: settings)
    }
}
