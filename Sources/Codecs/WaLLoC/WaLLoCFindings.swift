internal import Experiments
internal import Torch

/// Claims, and what was measured of them.
struct WaLLoCFindings {
    typealias Photo = WaLLoCExperiment.PhotoMeasurement
    typealias Learning = WaLLoCExperiment.LearningMeasurement

    let setting: WaLLoCSetting
    let pictures: WaLLoCPictures
    let cells: LabelledCells
    /// By seed and picture.
    let photos: [[Photo]]
    /// By seed.
    let learning: [MapClassification.Network: [Learning]]

    /// Mean over pictures, of each seed.
    private func means(_ value: (Photo) -> Double) -> [Double] { photos.map { $0.reduce(0) { $0 + value($1) } / Double($0.count) } }
    private func spread(_ value: (Photo) -> Double, digits: Int = 4) -> String { Spread(means(value)).formatted(digits: digits) }
    private var reduction: Double { setting.photo.codec.dimensionalityReduction }

    func reproduction(example: [ReportBlock]) -> Reproduction {
        Reproduction(
            rows: photoRows + learningRows, setting: description,
            evidence: [.heading("Photographs"), .table(photoTable)] + example + [.heading("Learning on latents"), .table(learningTable)])
    }

    // MARK: Rows

    private var photoRows: [Reproduction.Row] {
        let bicubic = means { $0.psnr - $0.bicubic4 }, principal = means { $0.psnr - $0.principal }, rounding = means { $0.unrounded - $0.psnr }
        let webP = means { $0.psnr - $0.webP }, ratio = means { $0.compression / reduction }, speed = means { $0.decodeSeconds / $0.encodeSeconds }
        let bits = spread({ 8 * Double(min($0.pngBytes, $0.latentWebPBytes)) / Double($0.pixelCount) }, digits: 3)
        return [
            .init(
                claim: "At equal dimension the latent holds more of the picture than fewer pixels: at least 1 dB above bicubic ÷ 4 and back",
                paperFigure: "by learning, not in dB: 16 × fewer numbers at 27.5 dB",
                measured: "\(spread(\.psnr)) dB against \(spread(\.bicubic4)) dB, \(Spread(bicubic).formatted()) dB more",
                verdict: Verdict.compare(difference: bicubic, size: 1...Double.infinity)),
            .init(
                claim: "The decoder is worth its weight: at least 0.3 dB above a linear decoder on principal components, rounded alike",
                paperFigure: "not measured",
                measured: "\(spread(\.psnr)) dB against \(spread(\.principal)) dB, \(Spread(principal).formatted()) dB more",
                verdict: Verdict.compare(difference: principal, size: 0.3...Double.infinity)),
            .init(
                claim: "Rounding to 8 bits costs at most 0.2 dB", paperFigure: "the latents are resilient to rounding",
                measured: "\(Spread(rounding).formatted()) dB", verdict: rounding.allSatisfy { $0 <= 0.2 } ? .holds : .contradicted),
            .init(
                claim: "A lossless coder makes the latent smaller than its bytes: CR/DR above 1.2", paperFigure: "35.2/16 = 2.2 on LSDIR",
                measured: "CR \(spread(\.compression, digits: 3)) at DR \(formatNumber(reduction)), ratio \(Spread(ratio).formatted()); \(bits) bits per pixel",
                verdict: Verdict.compare(difference: ratio.map { $0 - 1 }, size: 0.2...Double.infinity)),
            .init(
                claim: "In PSNR at equal bytes it stays near WebP (within 1.5 dB): the price of an encoder that is nearly free",
                paperFigure: "27.5 dB at CR 35.2; WebP 28.2 dB at CR 40.6",
                measured: "\(Spread(webP).formatted()) dB against WebP (\(spread(\.webP)) dB)",
                verdict: webP.allSatisfy { $0 >= -1.5 } ? .holds : .contradicted),
            .init(
                claim: "Encoding is at least 20 × faster than decoding", paperFigure: "22.1 against 0.466 megapixels a second, 47 ×",
                measured: "\(Spread(speed).formatted()) ×", verdict: speed.allSatisfy { $0 >= 20 } ? .holds : .contradicted,
                remark: speed.allSatisfy { $0 >= 20 } ? nil : "the decoder here has \(setting.photo.codec.decoderWidth) channels, the paper's 768"),
        ]
    }

    private var learningRows: [Reproduction.Row] {
        MapClassification.Network.allCases.compactMap { network in
            guard let measured = learning[network] else { return nil }
            let differences = measured.map { $0.latents.areaUnderCurve - $0.pixels.areaUnderCurve }
            func spread(_ value: (Learning) -> Double) -> String { Spread(measured.map(value)).formatted() }
            return .init(
                claim: "A \(network.rawValue) classifier learns better from latents than from as many pixels",
                paperFigure: "ImageNet at the cost of 64²: 50.3 % against 23.1 %; of 128²: 64.3 % against 55.8 %",
                measured: "defects of solar cells, area under the curve \(spread { $0.latents.areaUnderCurve }) against \(spread { $0.pixels.areaUnderCurve })",
                verdict: Verdict.compare(difference: differences))
        }
    }

    // MARK: Tables

    private var photoTable: Table {
        let count = photos.first?.count ?? 0
        func cell(_ picture: Int, _ value: (Photo) -> Double, _ digits: Int = 4) -> String {
            formatNumber(photos.reduce(0) { $0 + value($1[picture]) } / Double(photos.count), digits: digits)
        }
        let columns: [(String, (Photo) -> Double)] = [
            ("WaLLoC", \.psnr), ("not rounded", \.unrounded), ("linear", \.principal), ("bicubic ÷ 4", \.bicubic4), ("bicubic ÷ 16", \.bicubic16), ("WebP", \.webP),
        ]
        let others: [(String, (Photo) -> Double)] = [
            ("CR", \.compression), ("PNG bytes", { Double($0.pngBytes) }), ("WebP bytes", { Double($0.latentWebPBytes) }), ("MS-SSIM", \.msSSIM),
            ("encode, ms", { $0.encodeSeconds * 1000 }), ("decode, ms", { $0.decodeSeconds * 1000 }),
        ]
        var rows = (0..<count).map { picture in [pictures.names[picture]] + (columns + others).map { cell(picture, $0.1) } }
        rows.append(["mean"] + (columns + others).map { spread($0.1) })
        return Table(
            columns: [.text("Photograph")] + columns.map { .number("\($0.0), dB") } + others.map { .number($0.0) }, rows: rows,
            caption: "PSNR, means over \(photos.count) seeds; the WebP of the sixth column has the size of the latent's smaller file.")
    }

    private var learningTable: Table {
        let rows = MapClassification.Network.allCases.flatMap { network -> [[String]] in
            guard let measured = learning[network] else { return [] }
            let scores: [(String, (Learning) -> MapClassification.Score)] = [("latents", \.latents), ("pixels ÷ 4", \.pixels)]
            return scores.map { name, score in
                [network.rawValue, name, Spread(measured.map { score($0).areaUnderCurve }).formatted(), Spread(measured.map { 100 * score($0).accuracy }).formatted()]
            }
        }
        return Table(columns: [.text("Classifier"), .text("learns on"), .number("area under the curve"), .number("accuracy, %")], rows: rows)
    }

    private var description: String {
        let photo = setting.photo, cell = setting.cell, positives = cells.labels.reduce(0, +)
        return """
            Photographs: \(pictures.trainingCount) to train on (data item photos), \(pictures.test.count) others to measure on in their middle of \(setting.testSide) \
            pixels (photos-test). \(photo.codec.levels) levels, \(photo.codec.latentChannels) channels of \(photo.codec.bits) bits, a decoder of \
            \(photo.codec.decoderWidth) channels (the paper's has 768), crops of \(photo.cropSize), batches of \(photo.batchSize), \(photo.steps) steps of Adam at \
            \(formatNumber(photo.learningRate)) with a \(photo.schedule.rawValue) schedule; the encoder starts at principal components, which is ours. \
            Bicubic: made smaller with antialiasing, rounded to 8 bits, enlarged again; ÷ 4 has as many numbers as the latent. Learning: \(cells.labels.count) photographs \
            of solar cells (elpv), \(positives) with a defect more likely than not, parts drawn anew for each seed; the codec (1 channel, \(cell.codec.latentChannels) of \
            latent, \(cell.steps) steps) is trained on the pictures of the training part; both arms get \(LabelledCells.side / 8 * LabelledCells.side / 8 * cell.codec.latentChannels) \
            numbers of 8 bits a picture in maps of the same shape and the same network, and keep the epoch that is best on the validation part. \
            Numbers are means ± standard deviations over \(photos.count) seeds.
            """
    }
}
