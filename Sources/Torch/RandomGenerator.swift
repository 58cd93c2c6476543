internal import CTorch

/// A source of random numbers with an explicit state; the same seed gives the same numbers.
///
/// Random operations take one; there is no hidden global generator in this library.
public final class RandomGenerator {
    let raw: OpaquePointer
    public let device: Device

    public init(seed: UInt64, device: Device = .cpu) {
        var raw: OpaquePointer?
        checked("RandomGenerator on \(device)") { ct_generator_new(device.packed, seed, &raw, $0) }
        guard let raw else { fatalError("no random generator for \(device)") }
        self.raw = raw
        self.device = device
    }

    deinit { ct_generator_release(raw) }

    /// The complete state as bytes, for checkpoints.
    public var state: Tensor {
        get {
            var state: OpaquePointer?
            checked("RandomGenerator.state") { ct_generator_state(raw, &state, $0) }
            return state.map { Tensor(owning: $0) } ?? .empty
        }
        set { checked("RandomGenerator.state") { ct_generator_set_state(raw, newValue.raw, $0) } }
    }
}

extension RandomGenerator: RandomNumberGenerator {
    /// 64 random bits drawn on the CPU, so that Swift's own shuffles and choices can use the same source.
    public func next() -> UInt64 {
        let bits = Operator.randomTo(Tensor.zeros([2], dtype: .int64, device: device), 0, 1 << 32, self).scalars(as: Int64.self)
        return UInt64(bits[0]) << 32 | UInt64(bits[1])
    }
}

extension Operator {
    static let randomTo = Operator("aten::random_", "from")
    static let rand = Operator("aten::rand", "generator")
    static let randn = Operator("aten::randn", "generator")
    static let randint = Operator("aten::randint", "low_generator")
    static let randperm = Operator("aten::randperm", "generator")
    static let bernoulli = Operator("aten::bernoulli")
    static let multinomial = Operator("aten::multinomial")
    static let uniformInPlace = Operator("aten::uniform_")
    static let normalInPlace = Operator("aten::normal_")
}

extension Tensor {
    /// Uniform on [0, 1).
    public static func uniform(_ shape: [Int], dtype: DType = .float32, generator: RandomGenerator) -> Tensor {
        Operator.rand(shape, generator, dtype, nil, generator.device)
    }

    /// Standard normal.
    public static func normal(_ shape: [Int], dtype: DType = .float32, generator: RandomGenerator) -> Tensor {
        Operator.randn(shape, generator, dtype, nil, generator.device)
    }

    /// Integers uniform on `range`.
    public static func integers(in range: Range<Int>, _ shape: [Int], generator: RandomGenerator) -> Tensor {
        Operator.randint(range.lowerBound, range.upperBound, shape, generator, DType.int64, nil, generator.device)
    }

    /// A random order of 0 ..< count, int64.
    public static func permutation(_ count: Int, generator: RandomGenerator) -> Tensor {
        Operator.randperm(count, generator, DType.int64, nil, generator.device)
    }

    /// 1 with the probability each element gives, otherwise 0.
    public func bernoulliSample(generator: RandomGenerator) -> Tensor { Operator.bernoulli(self, generator) }

    /// Indices drawn from each row with probability proportional to its (non-negative) entries.
    /// - Returns: int64, shape [count] for a vector or [rows, count] for a matrix.
    public func multinomialSample(_ count: Int, replacement: Bool = false, generator: RandomGenerator) -> Tensor {
        Operator.multinomial(self, count, replacement, generator)
    }

    /// Fills the tensor with numbers uniform on `[low, high)`.
    @discardableResult
    public func uniformInPlace(from low: Double = 0, to high: Double = 1, generator: RandomGenerator) -> Tensor {
        Operator.uniformInPlace(self, low, high, generator)
    }

    /// Fills the tensor with normal numbers.
    @discardableResult
    public func normalInPlace(mean: Double = 0, standardDeviation: Double = 1, generator: RandomGenerator) -> Tensor {
        Operator.normalInPlace(self, mean, standardDeviation, generator)
    }
}
