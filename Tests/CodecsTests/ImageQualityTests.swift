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

    private static func published(_ name: String) throws -> RateDistortionCurve {
        try #require(RateDistortionCurve.publishedOnKodak.first { $0.name.hasPrefix(name) })
    }

    /// Computed with SciPy's PchipInterpolator from these numbers.
    @Test(arguments: [
        ("WebP", "JPEG", -36.2), ("bmshj2018-factorized", "JPEG", -44.5), ("mbt2018-mean", "JPEG", -58.0), ("BPG", "JPEG", -58.8), ("cheng2020-anchor", "JPEG", -65.4), ("cheng2020-attn", "JPEG", -65.0), ("VTM", "BPG", -19.6),
        ("JPEG", "BPG", 142.8), ("bmshj2018-factorized", "BPG", 32.4), ("mbt2018-mean", "BPG", -3.4), ("cheng2020-anchor", "BPG", -18.9), ("AV1", "BPG", -6.3),
    ])
    func rateDifferencesOfPublishedCurves(_ name: String, _ other: String, _ percent: Double) throws {
        let difference = try #require(Self.published(name).rateDifference(from: Self.published(other)))
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
