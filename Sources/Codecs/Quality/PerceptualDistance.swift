internal import Datasets
internal import Foundation
public import Torch

/// How different pictures look: LPIPS (Zhang et al., arXiv:1801.03924, version 0.1) on the features of a VGG-16. 0 for equal pictures; more is
/// worse.
///
/// Features of five layers are scaled to length 1 at each place; the squares of their differences, weighted by the published heads, are added
/// over channels, averaged over places and added over layers. The network is the one that packages hold: VGG-16 as it was retrained from
/// ImageNet for finding edges (HED, Xie & Tu, arXiv:1504.06375), not the one that the heads were fitted on. Numbers put codecs in order, and are
/// not to be compared with published ones.
public final class PerceptualDistance {
    /// With the network that it looks with.
    public static let name = "LPIPS (VGG-16 of HED)"
    /// Height and width that pictures need at least: four times they are halved.
    public static let smallestSide = 16
    /// Pictures with more places are not measured: the features of a megapixel take about a gigabyte.
    public static let mostPixels = 4 << 20

    /// Of the catalogue: the network, and the heads.
    public static let items = ["hed-vgg16", "lpips-heads"]

    private struct Stage {
        /// Weights [out, in, 3, 3] and biases.
        var convolutions: [(weight: Tensor, bias: Tensor)]
        /// [1, channels, 1, 1].
        var head: Tensor
    }

    private let stages: [Stage]
    /// Blue, green and red of ImageNet, 0…255.
    private static let means: [Float] = [103.9, 116.8, 123.7]

    /// Fetches the network and the heads (``items``).
    /// - Throws: `DataError`, `FileFormatError`.
    public convenience init() throws {
        let network = try DataStore().fetch(Self.items[0]).mainFile, heads = try DataStore().fetch(Self.items[1])
        guard let head = heads.files.first(where: { $0.lastPathComponent == "vgg.pth" }) else {
            throw FileFormatError(path: heads.folder.path, format: "LPIPS heads", problem: "there is no vgg.pth")
        }
        try self.init(network: network.path, heads: head.path)
    }

    /// - Parameters:
    ///   - network: HDF5 file of Keras with `block1/layers/conv2d/vars/0` and so on.
    ///   - heads: PyTorch file with `lin0.model.1.weight` to `lin4.model.1.weight`.
    /// - Throws: `FileAccessError`, `FileFormatError`.
    public init(network: String, heads: String) throws {
        let file = try HDF5File(path: network), dictionary = try PyTorchFile(path: heads).dictionary()
        stages = try [2, 2, 3, 3, 3].enumerated().map { stage, count in
            let convolutions = try (0..<count).map { place in
                let name = "block\(stage + 1)/layers/conv2d\(place == 0 ? "" : "_\(place)")/vars"
                let weight = try file.tensor(named: "\(name)/0"), bias = try file.tensor(named: "\(name)/1")
                guard weight.rank == 4, bias.shape == [weight.size(3)] else { throw FileFormatError(path: network, format: "VGG-16", problem: "'\(name)' is no convolution") }
                // From [height, width, in, out].
                return (weight: weight.permuted([3, 2, 0, 1]).contiguous(), bias: bias)
            }
            let name = "lin\(stage).model.1.weight"
            guard let head = dictionary[name]?.tensorEntry, head.shape == [1, convolutions[count - 1].bias.elementCount, 1, 1] else {
                throw FileFormatError(path: heads, format: "LPIPS heads", problem: "there is no '\(name)' that fits the network")
            }
            return Stage(convolutions: convolutions, head: head.tensor())
        }
    }

    /// - Parameters:
    ///   - images: [batch, 3, height, width], 0…1, red first.
    ///   - references: in their shape.
    /// - Returns: shape [batch], differentiable.
    public func callAsFunction(_ images: Tensor, _ references: Tensor) -> Tensor {
        require(
            images.rank == 4 && images.size(1) == 3 && images.shape == references.shape && min(images.size(2), images.size(3)) >= Self.smallestSide,
            "PerceptualDistance: two of [batch, 3, height, width] with sides of at least \(Self.smallestSide) are needed, found \(images.shape) and \(references.shape).")
        var (a, b) = (prepared(images), prepared(references)), distance = Tensor.zeros([images.size(0)], device: images.device)
        for (place, stage) in stages.enumerated() {
            (a, b) = (features(a, stage, isFirst: place == 0), features(b, stage, isFirst: place == 0))
            let difference = (unit(a) - unit(b)).squared() * stage.head.to(device: images.device)
            distance = distance + difference.sum(axes: [1]).mean(axes: [1, 2])
        }
        return distance
    }

    private func prepared(_ images: Tensor) -> Tensor {
        images.flipped(axes: [1]) * 255 - Tensor(Self.means).reshaped([1, 3, 1, 1]).to(device: images.device)
    }

    private func features(_ input: Tensor, _ stage: Stage, isFirst: Bool) -> Tensor {
        let input = isFirst ? input : input.maxPooled(kernel: [2, 2], stride: [2, 2])
        return stage.convolutions.reduce(input) { input, layer in
            input.convolved(
                weight: layer.weight.to(device: input.device), bias: layer.bias.to(device: input.device), stride: [1, 1], padding: [1, 1], dilation: [1, 1]
            ).relu()
        }
    }

    private func unit(_ features: Tensor) -> Tensor { features / (features.norm(axes: [1], keepingDimensions: true) + 1e-10) }
}
