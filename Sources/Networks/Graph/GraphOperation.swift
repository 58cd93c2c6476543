public import TorchNN

/// What a node of a ``NetworkGraph`` computes. Widths are part of it, so that a network that was cut describes itself.
public enum GraphOperation: Codable, Sendable, Equatable {
    /// What is given to the network: images [channels, height, width], vectors [size], or the ids of a text [length]; without the batch.
    case input(shape: [Int])
    case convolution(Convolution)
    /// Of the last axis.
    case linear(inputSize: Int, outputSize: Int, bias: Bool)
    /// Of ids.
    case embedding(count: Int, size: Int)
    /// One direction over [length, inputSize], weights named as PyTorch names them.
    case lstm(inputSize: Int, hiddenSize: Int)
    /// Over channels, with running statistics.
    case batchNorm(channels: Int, epsilon: Double)
    case layerNorm(size: Int, epsilon: Double)
    case activation(Activation)
    /// The sum of all inputs.
    case add
    /// The product of all inputs; a gate [channels, 1, 1] weighs whole channels.
    case multiply
    /// All inputs side by side along the channels.
    case concatenate
    case maxPool(Window)
    case averagePool(Window)
    /// The mean of each channel: [channels, 1, 1].
    case globalAveragePool
    /// All axes as one, channels outermost.
    case flatten
    case dropout(Double)

    /// A convolution of images.
    public struct Convolution: Codable, Sendable, Equatable {
        public var inputChannels: Int, outputChannels: Int
        public var kernel: [Int]
        public var stride = [1, 1]
        /// Zeros above, below, to the left and to the right.
        public var padding = [0, 0, 0, 0]
        public var dilation = [1, 1]
        public var groups = 1
        public var bias = true

        /// - Parameter padding: on all four sides; half of the kernel if nil.
        public init(
            _ inputChannels: Int, _ outputChannels: Int, kernel: Int, stride: Int = 1, padding: Int? = nil, groups: Int = 1, bias: Bool = true
        ) {
            (self.inputChannels, self.outputChannels, self.groups, self.bias) = (inputChannels, outputChannels, groups, bias)
            self.kernel = [kernel, kernel]
            self.stride = [stride, stride]
            self.padding = Array(repeating: padding ?? kernel / 2, count: 4)
        }

        /// Height and width of the output; 0 or less where the kernel does not fit.
        func outputSize(_ input: [Int]) -> [Int] {
            (0..<2).map { axis in
                let border = padding[2 * axis] + padding[2 * axis + 1], reach = dilation[axis] * (kernel[axis] - 1) + 1
                return input[axis] + border < reach ? 0 : (input[axis] + border - reach) / stride[axis] + 1
            }
        }

        /// Each output channel sees one input channel, and there are equally many.
        public var isDepthwise: Bool { groups == inputChannels && groups == outputChannels }
    }

    /// Of pooling.
    public struct Window: Codable, Sendable, Equatable {
        public var kernel: [Int]
        public var stride: [Int]
        /// On both sides of each axis.
        public var padding = [0, 0]

        public init(_ kernel: Int, stride: Int? = nil, padding: Int = 0) {
            self.kernel = [kernel, kernel]
            self.stride = [stride ?? kernel, stride ?? kernel]
            self.padding = [padding, padding]
        }

        /// Height and width of the output; 0 where the window does not fit.
        func outputSize(_ input: [Int]) -> [Int] {
            (0..<2).map { axis in
                let length = input[axis] + 2 * padding[axis]
                return length < kernel[axis] ? 0 : (length - kernel[axis]) / stride[axis] + 1
            }
        }
    }
}

extension GraphOperation {
    /// A parameter or buffer of a node: its name after the node's, and its shape.
    package struct Parameter {
        package let name: String
        package let shape: [Int]
        package var isBuffer = false
    }

    /// In the order of the state dictionary.
    package var parameters: [Parameter] {
        func pair(_ weight: [Int], bias: Bool) -> [Parameter] {
            [Parameter(name: "weight", shape: weight)] + (bias ? [Parameter(name: "bias", shape: [weight[0]])] : [])
        }
        return switch self {
        case .convolution(let c): pair([c.outputChannels, c.inputChannels / max(1, c.groups)] + c.kernel, bias: c.bias)
        case .linear(let inputs, let outputs, let bias): pair([outputs, inputs], bias: bias)
        case .embedding(let count, let size): [Parameter(name: "weight", shape: [count, size])]
        case .lstm(let inputs, let hidden):
            [
                Parameter(name: "weight_ih_l0", shape: [4 * hidden, inputs]), Parameter(name: "weight_hh_l0", shape: [4 * hidden, hidden]),
                Parameter(name: "bias_ih_l0", shape: [4 * hidden]), Parameter(name: "bias_hh_l0", shape: [4 * hidden]),
            ]
        case .batchNorm(let channels, _):
            pair([channels], bias: true) + [
                Parameter(name: "running_mean", shape: [channels], isBuffer: true), Parameter(name: "running_var", shape: [channels], isBuffer: true),
            ]
        case .layerNorm(let size, _): pair([size], bias: true)
        default: []
        }
    }

    /// The shape of the output without the batch.
    /// - Returns: nil with the reason if the inputs do not fit.
    func outputShape(_ inputs: [[Int]]) -> Result<[Int], GraphProblem> {
        func fail(_ text: String) -> Result<[Int], GraphProblem> { .failure(GraphProblem(text)) }
        let first = inputs.first ?? []
        switch self {
        case .input(let shape): return .success(shape)
        case .convolution(let c):
            guard first.count == 3, first[0] == c.inputChannels else { return fail("takes images of \(c.inputChannels) channels, found \(first)") }
            let size = c.outputSize([first[1], first[2]])
            return size.allSatisfy { $0 > 0 } ? .success([c.outputChannels] + size) : fail("has a kernel larger than its input \(first)")
        case .linear(let inputSize, let outputSize, _):
            return first.last == inputSize ? .success(first.dropLast() + [outputSize]) : fail("takes \(inputSize) numbers, found \(first)")
        case .embedding(_, let size): return first.count == 1 ? .success(first + [size]) : fail("takes ids, found \(first)")
        case .lstm(let inputSize, let hiddenSize):
            return first.count == 2 && first[1] == inputSize ? .success([first[0], hiddenSize]) : fail("takes [length, \(inputSize)], found \(first)")
        case .batchNorm(let channels, _):
            return (first.count == 3 ? first[0] : first.last) == channels ? .success(first) : fail("has \(channels) channels, found \(first)")
        case .layerNorm(let size, _): return first.last == size ? .success(first) : fail("has \(size) channels, found \(first)")
        case .activation, .dropout: return .success(first)
        case .add: return inputs.allSatisfy { $0 == first } ? .success(first) : fail("adds different shapes: \(inputs)")
        case .multiply:
            let whole = inputs.max { $0.reduce(1, *) < $1.reduce(1, *) } ?? []
            let fit = inputs.allSatisfy { $0.count == whole.count && $0.first == whole.first && zip($0, whole).allSatisfy { $0 == $1 || $0 == 1 } }
            return fit ? .success(whole) : fail("multiplies shapes that do not fit: \(inputs)")
        case .concatenate:
            guard first.count == 1 || first.count == 3, inputs.allSatisfy({ $0.dropFirst() == first.dropFirst() }) else {
                return fail("joins shapes that do not fit: \(inputs)")
            }
            return .success([inputs.reduce(0) { $0 + $1[0] }] + first.dropFirst())
        case .maxPool(let window), .averagePool(let window):
            guard first.count == 3 else { return fail("pools images, found \(first)") }
            let size = window.outputSize([first[1], first[2]])
            return size.allSatisfy { $0 > 0 } ? .success([first[0]] + size) : fail("has windows larger than its input \(first)")
        case .globalAveragePool: return first.count == 3 ? .success([first[0], 1, 1]) : fail("pools images, found \(first)")
        case .flatten: return .success([first.reduce(1, *)])
        }
    }

    /// Settings no layer can have; nil if there are none.
    var problem: String? {
        func positive(_ numbers: [Int]) -> Bool { numbers.allSatisfy { (1...1 << 24).contains($0) } }
        let isFine =
            switch self {
            case .input(let shape): (1...3).contains(shape.count) && positive(shape)
            case .convolution(let c):
                c.kernel.count == 2 && c.stride.count == 2 && c.dilation.count == 2 && c.padding.count == 4
                    && positive(c.kernel + c.stride + c.dilation + [c.inputChannels, c.outputChannels, c.groups])
                    && c.padding.allSatisfy { (0...1 << 16).contains($0) } && c.inputChannels % c.groups == 0 && c.outputChannels % c.groups == 0
            case .linear(let inputs, let outputs, _), .embedding(let inputs, let outputs), .lstm(let inputs, let outputs): positive([inputs, outputs])
            case .batchNorm(let size, let epsilon), .layerNorm(let size, let epsilon): positive([size]) && epsilon >= 0
            case .maxPool(let window), .averagePool(let window):
                window.kernel.count == 2 && window.stride.count == 2 && window.padding.count == 2 && positive(window.kernel + window.stride)
                    && zip(window.padding, window.kernel).allSatisfy { $0 >= 0 && 2 * $0 <= $1 }
            case .dropout(let part): part >= 0 && part < 1
            default: true
            }
        return isFine ? nil : "has impossible settings: \(self)"
    }

    /// Inputs a node must have.
    var inputCount: ClosedRange<Int> {
        switch self {
        case .input: 0...0
        case .add, .multiply, .concatenate: 1...1 << 10
        default: 1...1
        }
    }

    /// Multiplications with additions for one example.
    func multiplyAdds(_ inputs: [[Int]], _ output: [Int]) -> Int {
        let count = output.reduce(1, *)
        return switch self {
        case .convolution(let c): count * (c.inputChannels / c.groups) * c.kernel[0] * c.kernel[1]
        case .linear(let inputSize, _, _): count * inputSize
        case .lstm(let inputSize, let hiddenSize): count * 4 * (inputSize + hiddenSize)
        default: 0
        }
    }
}

/// Why a graph cannot be.
public struct GraphProblem: Error, CustomStringConvertible, Equatable, Sendable {
    public let description: String

    public init(_ description: String) { self.description = description }
}
