public import Media
public import Networks
public import Torch
internal import TorchNN

/// How pictures become the input of a network.
public struct ImagePreparation: Codable, Sendable, Equatable {
    /// Of each channel, or of all; pixels are 0…1.
    public var mean: [Double]
    public var deviation: [Double]
    /// The part of the shorter side that is used, from the middle.
    public var middle = 1.0

    public init(mean: [Double], deviation: [Double], middle: Double = 1) {
        self.mean = mean
        self.deviation = deviation
        self.middle = middle
    }

    /// As ResNet and VGG with torchvision's weights were trained: pixels less ImageNet's mean, the middle 224 of 256.
    public static let imageNet = ImagePreparation(mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225], middle: 0.875)
    /// As EfficientNet-Lite was trained: (value − 127) / 128, the middle as its authors cut it.
    public static let efficientNetLite = ImagePreparation(mean: [127.0 / 255], deviation: [128.0 / 255], middle: 0.875)
    /// Pixels as they are.
    public static let none = ImagePreparation(mean: [0], deviation: [1])

    /// What fits a known network; pixels as they are for networks of one channel.
    public init(for graph: NetworkGraph) {
        guard case .input(let shape)? = graph.nodes.first?.operation, shape.count == 3, shape[0] == 3 else { self = .none; return }
        self = graph.nodes.contains { $0.name == "_conv_stem" } ? .efficientNetLite : .imageNet
    }

    /// The bounds of prepared pixels, of each channel or of all.
    public var bounds: (low: [Double], high: [Double]) { (zip(mean, deviation).map { -$0 / $1 }, zip(mean, deviation).map { (1 - $0) / $1 }) }

    /// The middle of a picture in the size of a network's input, 0…1: [channels, height, width].
    public func cropped(_ image: Image, to shape: [Int]) -> Tensor {
        require(shape.count == 3 && (shape[0] == 1 || shape[0] == 3), "ImagePreparation: a network of \(shape) does not take pictures.")
        let opaque = image.blended(over: 1), pixels = shape[0] == 3 ? opaque.rgb.pixels : opaque.pixels.mean(axes: [0], keepingDimensions: true)
        let side = max(1, Int((Double(min(image.height, image.width)) * middle).rounded()))
        let (top, left) = ((image.height - side) / 2, (image.width - side) / 2)
        let square = pixels[.all, top..<top + side, left..<left + side].unsqueezed(0)
        return square.resizedBicubic(height: shape[1], width: shape[2], antialiased: true).clamped(minimum: 0, maximum: 1).squeezed(0)
    }

    /// What the network takes of cropped pictures [batch, channels, height, width].
    public func normalized(_ pixels: Tensor) -> Tensor {
        func channels(_ values: [Double]) -> Tensor { Tensor(values.map { Float($0) }).reshaped([1, values.count, 1, 1]) }
        return (pixels - channels(mean)) / channels(deviation)
    }
}
