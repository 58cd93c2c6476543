import Codecs
import CondenseTesting
import Foundation
import Testing
import Torch

@Suite struct ImageQualityTests {
    @Test(arguments: ["grey", "colour"]) func equalsTheReference(_ name: String) throws {
        let url = try #require(Bundle.module.url(forResource: "quality", withExtension: "safetensors", subdirectory: "Fixtures"))
        let golden = try Goldens(url)
        let (a, b) = (try golden("\(name)/a").to(dtype: .float32) / 255, try golden("\(name)/b").to(dtype: .float32) / 255)
        #expect(mismatch(ImageQuality.psnr(a, b), try golden("\(name)/psnr"), relative: 1e-5) == nil)
        #expect(mismatch(ImageQuality.ssim(a, b), try golden("\(name)/ssim"), relative: 1e-5, absolute: 1e-5) == nil)
        if name == "grey" { #expect(mismatch(ImageQuality.msSSIM(a, b), try golden("\(name)/ms-ssim"), relative: 1e-5, absolute: 1e-5) == nil) }
    }

    @Test func equalImagesAreAsNearAsCanBe() {
        let image = Tensor.uniform([2, 3, 161, 161], generator: RandomGenerator(seed: 3))
        #expect(ImageQuality.psnr(image, image).isEqual(to: Tensor.full([2], .infinity)))
        #expect(mismatch(ImageQuality.ssim(image, image), Tensor.ones([2]), absolute: 1e-5) == nil)
        #expect(mismatch(ImageQuality.msSSIM(image, image), Tensor.ones([2]), absolute: 1e-5) == nil)
    }

    // MARK: Rates

    /// bpp and PSNR on Kodak as published with CompressAI.
    private static let published: [String: RateDistortionCurve] = Dictionary(
        uniqueKeysWithValues: [
            ("JPEG", ".221/23.78 .327/26.58 .423/28.04 .508/29.04 .588/29.78 .660/30.38 .729/30.90 .786/31.31 .850/31.70 .906/32.06 .964/32.40 1.037/32.79 1.127/33.23 1.240/33.79 1.369/34.39 1.572/35.24 1.859/36.33 2.350/37.91 3.401/40.56"),
            ("WebP", ".234/28.33 .353/29.82 .461/30.94 .567/31.94 .675/32.88 .771/33.61 .874/34.33 .998/35.10 1.216/36.37 1.520/37.78 2.010/39.56 2.928/41.76"),
            ("BPG", ".068/26.20 .161/28.68 .352/31.59 .685/34.86 1.200/38.26 1.930/41.48 3.058/44.70"),
            ("factorized", ".123/26.91 .189/28.22 .288/29.62 .440/31.28 .648/32.96 .967/35.38 1.351/37.40 1.833/39.62"),
            ("mean", ".124/27.70 .198/29.36 .307/31.13 .461/32.95 .662/34.97 .914/36.91 1.234/38.84 1.619/40.63"),
            ("anchor", ".120/28.58 .184/29.97 .271/31.34 .417/33.39 .595/35.12 .806/36.70"),
        ].map { name, text in
            (
                name,
                RateDistortionCurve(
                    name,
                    text.split(separator: " ").map { pair in
                        let numbers = pair.split(separator: "/").map { Double($0)! }
                        return .init(bitsPerPixel: numbers[0], quality: numbers[1])
                    })
            )
        })

    /// Computed with SciPy's PchipInterpolator from these numbers.
    @Test(arguments: [
        ("WebP", "JPEG", -36.2), ("factorized", "JPEG", -44.5), ("mean", "JPEG", -58.0), ("BPG", "JPEG", -58.8), ("anchor", "JPEG", -65.4),
        ("JPEG", "BPG", 142.8), ("factorized", "BPG", 32.4), ("mean", "BPG", -3.4), ("anchor", "BPG", -18.9),
    ])
    func rateDifferencesOfPublishedCurves(_ name: String, _ other: String, _ percent: Double) throws {
        let difference = try #require(Self.published[name]!.rateDifference(from: Self.published[other]!))
        #expect(abs(difference * 100 - percent) < 0.3, "\(difference)")
    }

    @Test func rateDifferencesOfSimpleCurves() throws {
        let curve = RateDistortionCurve("a", [.init(bitsPerPixel: 0.5, quality: 30), .init(bitsPerPixel: 1, quality: 33), .init(bitsPerPixel: 2, quality: 35)])
        #expect(curve.rateDifference(from: curve) == 0)
        var half = curve
        for index in half.points.indices { half.points[index].bitsPerPixel /= 2 }
        let (less, more) = (try #require(half.rateDifference(from: curve)), try #require(curve.rateDifference(from: half)))
        #expect(abs(less + 0.5) < 1e-12 && abs(more - 1) < 1e-12)
        let apart = RateDistortionCurve("b", [.init(bitsPerPixel: 1, quality: 40), .init(bitsPerPixel: 2, quality: 45)])
        #expect(curve.rateDifference(from: apart) == nil)
        #expect(curve.rateDifference(from: RateDistortionCurve("c", [curve.points[0]])) == nil)
    }
}
