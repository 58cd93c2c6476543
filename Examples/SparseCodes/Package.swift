// swift-tools-version: 6.1
// A package of its own that uses Condense as a library.
//
//   ../../Tools/bootstrap && swift run -c release
import PackageDescription

let package = Package(
    name: "sparse-codes",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "condense", path: "../..")],
    targets: [
        .executableTarget(name: "SparseCodes", dependencies: [.product(name: "Condense", package: "condense")])
    ]
)
