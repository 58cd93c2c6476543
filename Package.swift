// swift-tools-version: 6.1
import Foundation
import PackageDescription

// libtorch is used where `LIBTORCH` points to (an unpacked distribution with `include/` and `lib/`),
// otherwise where `Tools/bootstrap` unpacks it: outside the package, so that a package that depends
// on this one finds it too.
let environment = Context.environment
let cacheHome = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "") + "/.cache"
let libtorch = environment["LIBTORCH"] ?? "\(cacheHome)/condense/libtorch/2.13.0"
let torchLibraries = "\(libtorch)/lib"

// A CPU build of libtorch has no `torch_cuda`; where there is one it must be linked by name, since nothing refers to its
// symbols and the linker would drop it.
let hasCUDA = FileManager.default.fileExists(atPath: "\(torchLibraries)/libtorch_cuda.so")
let cudaLinkerFlags = hasCUDA ? ["-Xlinker", "--no-as-needed", "-ltorch_cuda", "-lc10_cuda", "-Xlinker", "--as-needed"] : []

// SwiftPM refuses paths outside the package (unsafe flags) in packages that others depend on by version. Those who do let the
// compiler and the linker find libtorch by environment variables instead: `Tools/bootstrap --environment` prints them.
let takesPathsFromEnvironment = environment["CONDENSE_LIBTORCH_BY_ENVIRONMENT"] != nil
let libtorchIncludes: [CXXSetting] = takesPathsFromEnvironment ? [] : [
    .unsafeFlags(["-isystem", "\(libtorch)/include", "-isystem", "\(libtorch)/include/torch/csrc/api/include"])
]
let libtorchPaths: [LinkerSetting] = takesPathsFromEnvironment ? [] : [
    .unsafeFlags(["-L\(torchLibraries)", "-Xlinker", "-rpath", "-Xlinker", torchLibraries] + cudaLinkerFlags)
]

let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func library(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], resources: [Resource] = []
) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, resources: resources, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["CondenseTesting"], resources: [.copy("Fixtures")], swiftSettings: swiftSettings)
}

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

let package = Package(
    name: "condense",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "condense", targets: ["CondenseCLI"]),
        .library(name: "Condense", targets: ["Condense"]),
        .library(name: "CondenseTesting", targets: ["CondenseTesting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.0.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        .target(
            name: "CTorch",
            cxxSettings: libtorchIncludes,
            linkerSettings: libtorchPaths + [.linkedLibrary("torch_cpu"), .linkedLibrary("c10")]),
        .systemLibrary(
            name: "CFFmpeg", pkgConfig: "libavformat",
            providers: [
                .apt(["libavformat-dev", "libavcodec-dev", "libswscale-dev", "libswresample-dev", "libavutil-dev"]), .brew(["ffmpeg"]),
            ]),
        library("Torch", ["CTorch"]),
        library("TorchNN", ["Torch"]),
        library("EntropyCoding", ["Torch", "TorchNN", .product(name: "Crypto", package: "swift-crypto")]),
        library("Suggestions", []),
        library("Media", ["CFFmpeg", "Torch"]),
        library("Datasets", ["Suggestions", .product(name: "Crypto", package: "swift-crypto")]),
        library(
            "Experiments",
            ["Torch", "Suggestions", logging, .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Yams", package: "Yams")]),
        library("Networks", ["Torch", "TorchNN", "Suggestions", .product(name: "Collections", package: "swift-collections")]),
        library(
            "SparseAutoencoders", ["Torch", "TorchNN", "Networks", "Experiments", "Datasets"],
            exclude: [
                "AbsTopK/README.md",
                "Baselines/README.md",
                "FAST/README.md",
                "FeatureChoice/README.md",
                "Gradient/README.md",
                "MatchingPursuit/README.md",
                "Probing/README.md",
                "TopAFA/README.md",
                "Variational/README.md",
            ]),
        library(
            "Codecs", ["Torch", "TorchNN", "EntropyCoding", "Media", "Datasets", "Suggestions", "Experiments"],
            exclude: [
                "Hyperprior/README.md",
                "WaLLoC/README.md",
            ]),
        library("ModelCompression", ["Torch", "TorchNN", "Networks", "Experiments", "Datasets", "Media"], exclude: ["GradualPruning/README.md", "PruningByExplaining/README.md"]),
        library(
            "Condense",
            [
                "Torch", "TorchNN", "EntropyCoding", "Codecs", "Media", "Networks", "Experiments", "Datasets", "SparseAutoencoders", "ModelCompression",
                "Suggestions",
            ]),
        library("CondenseTesting", ["Torch", "TorchNN", "Experiments"]),
        .executableTarget(
            name: "CondenseCLI",
            dependencies: [
                "Condense", "Torch", "Media", "Networks", "Experiments", "Datasets", "EntropyCoding", "Codecs", "ModelCompression", "SparseAutoencoders", "Suggestions", argumentParser,
                logging,
            ],
            swiftSettings: swiftSettings),

        tests("TorchTests", ["Torch"]),
        tests("TorchNNTests", ["Torch", "TorchNN"]),
        tests("EntropyCodingTests", ["EntropyCoding", "Experiments", "Torch", "TorchNN"]),
        tests("CodecsTests", ["Codecs", "EntropyCoding", "Experiments", "Media", "Torch", "TorchNN"]),
        tests("ExperimentsTests", ["Experiments", "Torch", "Suggestions"]),
        tests("DatasetsTests", ["Datasets"]),
        tests("MediaTests", ["Media", "Torch"]),
        tests("NetworksTests", ["Torch", "Networks", "Datasets"]),
        tests("SparseAutoencodersTests", ["Torch", "TorchNN", "Experiments", "SparseAutoencoders"]),
        tests("ModelCompressionTests", ["ModelCompression", "Networks", "Media", "Experiments", "Torch", "TorchNN"]),
        tests("CondenseTests", ["Condense", "Experiments"]),
        .testTarget(
            name: "DocumentationTests", dependencies: ["Condense", "CondenseTesting", "SparseAutoencoders", "Experiments", "Torch", "TorchNN"], swiftSettings: swiftSettings),
        tests("FuzzTests", ["Torch", "EntropyCoding", "Media", "Networks", "Experiments", "SparseAutoencoders"]),
        .testTarget(name: "CommandLineTests", dependencies: ["CondenseCLI"], swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx20
)
