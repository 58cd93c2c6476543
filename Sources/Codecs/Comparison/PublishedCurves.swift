extension RateDistortionCurve {
    /// Bits per pixel and PSNR (dB) of the 24 Kodak photographs as CompressAI publishes them with its models (trained for the mean squared error) and as
    /// measured there with conventional encoders. Other pictures than anything measured here: for orientation only.
    public static let publishedOnKodak: [RateDistortionCurve] = [
        published("bmshj2018-factorized", ".123/26.91 .189/28.22 .288/29.62 .440/31.28 .648/32.96 .967/35.38 1.351/37.40 1.833/39.62"),
        published("bmshj2018-hyperprior", ".131/27.58 .209/29.20 .320/30.97 .478/32.84 .669/34.53 .939/36.74 1.259/38.58 1.660/40.56"),
        published("mbt2018-mean", ".124/27.70 .198/29.36 .307/31.13 .461/32.95 .662/34.97 .914/36.91 1.234/38.84 1.619/40.63"),
        published("mbt2018", ".111/28.09 .187/29.65 .288/31.36 .432/33.09 .639/35.09 .885/36.99 1.200/38.93 1.587/40.64"),
        published("cheng2020-anchor", ".120/28.58 .184/29.97 .271/31.34 .417/33.39 .595/35.12 .806/36.70"),
        published("cheng2020-attn", ".116/28.43 .175/29.77 .269/31.32 .427/33.36 .595/34.95 .806/36.62"),
        published(
            "JPEG (Pillow 7.1.2)",
            ".221/23.78 .327/26.58 .423/28.04 .508/29.04 .588/29.78 .660/30.38 .729/30.90 .786/31.31 .850/31.70 .906/32.06 .964/32.40 "
                + "1.037/32.79 1.127/33.23 1.240/33.79 1.369/34.39 1.572/35.24 1.859/36.33 2.350/37.91 3.401/40.56"),
        published(
            "WebP (Pillow 7.1.2)",
            ".234/28.33 .353/29.82 .461/30.94 .567/31.94 .675/32.88 .771/33.61 .874/34.33 .998/35.10 1.216/36.37 1.520/37.78 2.010/39.56 2.928/41.76"),
        published("BPG 0.9.8", ".068/26.20 .161/28.68 .352/31.59 .685/34.86 1.200/38.26 1.930/41.48 3.058/44.70"),
        published(
            "AV1", ".056/25.56 .110/27.56 .170/29.02 .246/30.44 .352/31.99 .499/33.65 .683/35.32 .909/36.99 1.167/38.56 1.415/39.81 1.805/41.43 2.608/43.97"),
        published("VTM", ".048/26.14 .112/28.49 .246/31.20 .491/34.26 .875/37.42 1.431/40.42 2.325/43.51"),
    ]

    private static func published(_ name: String, _ points: String) -> RateDistortionCurve {
        RateDistortionCurve(
            name,
            points.split(separator: " ").map { pair in
                let numbers = pair.split(separator: "/").compactMap { Double($0) }
                return Point(bitsPerPixel: numbers[0], quality: numbers[1])
            })
    }
}
