internal import CFFmpeg
internal import Torch

/// Turns frames of any pixel format into RGB planes and back.
final class FrameConverter {
    /// What scaler there is, for as long as frames stay alike.
    private var scaler: OpaquePointer?

    deinit { sws_freeContext(scaler) }

    /// `[3, H, W]`, float32 in [0, 1]: 8 bits for sources of 8, else 16.
    func rgb(_ frame: Frame) throws(FFmpegFailure) -> Tensor {
        guard let descriptor = av_pix_fmt_desc_get(frame.pixelFormat)?.pointee else { throw .damaged("its decoder gave no picture") }
        let layout = PixelLayout(descriptor)
        if layout.isRGB, layout.components.count >= 3, layout.components.allSatisfy({ $0.depth >= 8 && $0.depth <= 16 }) {
            return componentPlanes(frame, layout, [0, 1, 2])
        }
        let target = layout.components.contains { $0.depth > 8 } ? AV_PIX_FMT_RGB48LE : AV_PIX_FMT_RGB24
        let converted = try Frame(width: frame.width, height: frame.height, format: target)
        var matrix = Int32(bitPattern: frame.pointer.pointee.colorspace.rawValue)
        if frame.pointer.pointee.colorspace == AVCOL_SPC_UNSPECIFIED {
            matrix = frame.height >= 720 ? SWS_CS_ITU709 : SWS_CS_ITU601
        }
        try convert(frame, to: converted, matrix: matrix, sourceIsFull: frame.isFullRange, targetIsFull: true)
        guard let result = av_pix_fmt_desc_get(target)?.pointee else { throw .damaged("its decoder gave no picture") }
        return componentPlanes(converted, PixelLayout(result), [0, 1, 2])
    }

    /// Between formats of one size; `matrix` is that of whichever of the two has luma and chroma.
    func convert(_ source: Frame, to target: Frame, matrix: Int32, sourceIsFull: Bool, targetIsFull: Bool) throws(FFmpegFailure) {
        let flags = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP
        scaler = sws_getCachedContext(
            scaler, Int32(source.width), Int32(source.height), source.pixelFormat, Int32(target.width), Int32(target.height), target.pixelFormat, flags,
            nil, nil, nil)
        guard let scaler else { throw .damaged("its pixel format cannot be converted to RGB") }
        let coefficients = sws_getCoefficients(matrix)
        sws_setColorspaceDetails(scaler, coefficients, sourceIsFull ? 1 : 0, coefficients, targetIsFull ? 1 : 0, 0, 1 << 16, 1 << 16)
        // The frames' data are arrays within structures, which C takes by their first element.
        try checked {
            withUnsafeBytes(of: &source.pointer.pointee.data) { sourceData in
                withUnsafeBytes(of: &target.pointer.pointee.data) { targetData in
                    withUnsafeBytes(of: &source.pointer.pointee.linesize) { sourceRows in
                        withUnsafeBytes(of: &target.pointer.pointee.linesize) { targetRows in
                            sws_scale(
                                scaler, sourceData.bindMemory(to: UnsafePointer<UInt8>?.self).baseAddress, sourceRows.bindMemory(to: Int32.self).baseAddress, 0,
                                Int32(source.height), targetData.bindMemory(to: UnsafeMutablePointer<UInt8>?.self).baseAddress,
                                targetRows.bindMemory(to: Int32.self).baseAddress)
                        }
                    }
                }
            }
        }
    }
}

extension Frame {
    /// Whether luma reaches from 0 to the greatest value.
    fileprivate var isFullRange: Bool {
        let full = [AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUVJ411P]
        return pointer.pointee.color_range == AVCOL_RANGE_JPEG || full.contains(pixelFormat)
    }
}
