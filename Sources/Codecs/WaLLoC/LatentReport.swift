internal import Experiments
internal import Foundation
internal import Media
internal import Torch

/// Pictures and figures about latents.
enum LatentReport {
    /// A picture, its latent's channels side by side, what is decoded of it, and how often levels are used.
    static func blocks(of coder: WaLLoCCoder, on pixels: Tensor) throws -> [ReportBlock] {
        let file = coder.encode(pixels), decoded = try coder.decodePicture(file)
        func picture(_ pixels: Tensor, _ description: String, _ caption: String) throws -> ReportBlock {
            .image(ReportImage(Data(try Image(pixels: pixels.clamped(minimum: 0, maximum: 1)).encoded(as: .png(.eight))), format: .png, description: description, caption: caption))
        }
        let levels: [Float] = file.latents.to(dtype: .float32).scalars()
        let places = stride(from: 0, to: levels.count, by: max(1, levels.count / 20_000))
        return [
            .heading("A latent"),
            .columns([
                [try picture(pixels, "The picture", "The picture, \(pixels.size(2)) × \(pixels.size(1))")],
                [try picture(decoded, "The decoded picture", "Decoded of its latent")],
                [try picture(file.picture.to(dtype: .float32) / 255, "The latent as a picture", "The latent as it is stored: its channels as tiles and planes")],
            ]),
            .figure(
                Figure(
                    title: "How often levels are used", xAxis: Axis("level"), yAxis: Axis("numbers of the latent"),
                    traces: [.histogram("latent", values: places.map { Double(levels[$0]) }, bins: 64)],
                    caption: "Flat would be the most that 8 bits can hold; what is not flat is what the lossless coder saves.", height: 300)),
        ]
    }
}
