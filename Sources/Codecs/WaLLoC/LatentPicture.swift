public import Torch

/// How the channels of a latent lie side by side in an ordinary picture.
///
/// Of d = P·rows·columns channels, number p·rows·columns + r·columns + c is the tile in row r and column c of plane p. Latents of pictures have
/// three planes (RGB) where d/3 is a square number, as the authors' package has it, otherwise one plane (grey), as square as d allows.
/// A latent of sound is one plane with its channels as rows.
public struct LatentPicture: Sendable, Equatable {
    /// 1 or 3.
    public let planes: Int
    public let rows: Int
    public let columns: Int

    /// - Parameter channels: d.
    public init(channels: Int, of signal: WaLLoCConfiguration.Signal) {
        func side(_ count: Int) -> Int { Int(Double(count).squareRoot().rounded(.down)) }
        if signal == .audio {
            (planes, rows, columns) = (1, channels, 1)
        } else if channels % 3 == 0, case let third = channels / 3, side(third) * side(third) == third {
            (planes, rows, columns) = (3, side(third), side(third))
        } else {
            let rows = (1...side(channels)).last { channels % $0 == 0 } ?? 1
            (planes, self.rows, columns) = (1, rows, channels / rows)
        }
    }

    public var channels: Int { planes * rows * columns }

    /// - Parameters:
    ///   - latents: int8 [d, height, width], or [d, places] of sound.
    ///   - bits: of each number; 2^(bits − 1) is added.
    /// - Returns: uint8 [planes, height·rows, width·columns].
    public func tiled(_ latents: Tensor, bits: Int) -> Tensor {
        let shape = latents.rank == 2 ? [latents.size(0), 1, latents.size(1)] : latents.shape
        require(shape[0] == channels, "LatentPicture: a latent of shape \(latents.shape) for \(channels) channels")
        let bytes = (latents.to(dtype: .int16) + (1 << (bits - 1))).to(dtype: .uint8)
        return bytes.reshaped([planes, rows, columns, shape[1], shape[2]]).permuted([0, 1, 3, 2, 4]).reshaped([planes, rows * shape[1], columns * shape[2]])
    }

    /// The latent of a picture.
    /// - Parameter shape: of the latent without its channels.
    /// - Returns: int8 [d, shape…]; nil if the picture's size does not fit.
    public func untiled(_ picture: Tensor, shape: [Int], bits: Int) -> Tensor? {
        let (height, width) = shape.count == 1 ? (1, shape[0]) : (shape[0], shape[1])
        guard picture.shape == [planes, rows * height, columns * width] else { return nil }
        let apart = picture.reshaped([planes, rows, height, columns, width]).permuted([0, 1, 3, 2, 4])
        return (apart.to(dtype: .int16) - (1 << (bits - 1))).to(dtype: .int8).reshaped([channels] + shape)
    }
}
