internal import CTorch

/// Where a tensor lives and its operations run.
public struct Device: Hashable, Sendable, CustomStringConvertible {
    /// Raw values are libtorch's `DeviceType` numbers.
    public enum Kind: Int32, Sendable { case cpu = 0, cuda = 1, mps = 13 }

    public var kind: Kind
    /// Which of several devices of this kind; nil means the current one.
    public var index: Int?

    public init(_ kind: Kind, index: Int? = nil) {
        self.kind = kind
        self.index = index
    }

    public static let cpu = Device(.cpu)
    public static let mps = Device(.mps)
    public static func cuda(_ index: Int? = nil) -> Device { Device(.cuda, index: index) }

    /// Reads "cpu", "cuda", "cuda:1" or "mps".
    public init(parsing text: String) throws(TorchError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let kinds: [String: Kind] = ["cpu": .cpu, "cuda": .cuda, "mps": .mps]
        guard let kind = kinds[String(parts[0])], parts.count <= 2, parts.count == 1 || Int(parts[1]) ?? -1 >= 0 else {
            throw TorchError(kind: .invalidArgument, message: "'\(text)' is no device: use cpu, cuda, cuda:0 or mps")
        }
        self.init(kind, index: parts.count == 2 ? Int(parts[1]) : nil)
        guard Device.available.contains(where: { $0.kind == kind && (index == nil || $0.index ?? 0 == index) }) else {
            let names = Device.available.map(\.description).joined(separator: ", ")
            throw TorchError(kind: .invalidArgument, message: "the device '\(text)' is not available here: use one of \(names)")
        }
    }

    /// The devices of this machine that this build of libtorch can use.
    public static var available: [Device] {
        var devices = [Device.cpu]
        if ct_has_mps() { devices.append(.mps) }
        return devices + (0..<Int(ct_cuda_device_count())).map { .cuda($0) }
    }

    public var description: String {
        let name = switch kind {
        case .cpu: "cpu"
        case .cuda: "cuda"
        case .mps: "mps"
        }
        return index.map { "\(name):\($0)" } ?? name
    }

    /// Type and index in one number, as the C side takes it.
    var packed: Int32 { kind.rawValue * 256 + Int32(index ?? 255) }

    init(packed: Int32) {
        guard let kind = Kind(rawValue: packed >> 8) else { fatalError("a device of type \(packed >> 8) is not supported") }
        let index = packed & 255
        self.init(kind, index: index == 255 || kind == .cpu ? nil : Int(index))
    }
}

/// What the engine is and how it runs.
public enum Engine {
    /// Version of libtorch, e.g. "2.13.0+cpu".
    public static var version: String { String(cString: ct_version()) }

    /// How libtorch was built (BLAS, oneDNN, CPU capability), several lines.
    public static var buildDescription: String { takeString(ct_build_description()) ?? "" }

    /// The instruction set our own kernels use on this machine, e.g. "avx512".
    public static var vectorInstructions: String { String(cString: ct_vector_instructions()) }

    /// Seconds that `count` additions a + b take when called directly in C++: the baseline for the gate's cost.
    public static func measureDirectAddition(_ a: Tensor, _ b: Tensor, count: Int) -> Double {
        ct_measure_direct_add(a.raw, b.raw, Int64(count))
    }

    /// Threads used inside one operation. Set it once, before the first operation.
    public static var threadCount: Int {
        get { Int(ct_thread_count()) }
        set { ct_set_thread_count(Int32(newValue)) }
    }

    /// Lets up to so many bytes of freed tensors stay with the process, for those to come. A program that computes all the time calls it once, at its
    /// beginning: otherwise the C library hands large tensors back when they are freed, and each new one costs a page fault for every 4 kB, a
    /// tenth to a fifth of a training step. It concerns the whole process, and Linux alone (glibc; tensors of up to 32 MB).
    public static func keepFreedMemory(upTo bytes: Int) {
        ct_keep_freed_memory(Int32(clamping: bytes))
    }
}

/// Copies and frees a text made by the C side.
func takeString(_ text: UnsafeMutablePointer<CChar>?) -> String? {
    guard let text else { return nil }
    defer { ct_free(text) }
    return String(cString: text)
}
