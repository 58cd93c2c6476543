internal import Torch

/// How a linear layer hands the relevance of its outputs on to its inputs (Bach et al. 2015; Montavon et al. 2019).
///
/// With inputs a, weights w, bias b and z = Σ a·w + b; ⁺ and ⁻ are the positive and negative parts. Denominators are kept off 0 by 1e-6 in
/// the direction of their sign.
public enum RelevanceRule: Codable, Sendable, Equatable {
    /// R = a·Σ w·R/(z + ε·sign z).
    case epsilon(Double = 1e-6)
    /// By positive contributions alone, a⁺w⁺ and a⁻w⁻, without the bias.
    case zPlus
    /// By positive weights alone, a·w⁺, without the bias; the same where no input is negative. What Yeom et al. call z⁺ is this in their code.
    case positiveWeights
    /// α times the share of positive contributions minus β times that of negative ones, α − β = 1; the bias takes its share.
    case alphaBeta(Double, Double)
    /// Positive outputs by contributions whose positive ones count 1 + γ times, negative outputs likewise by negative ones.
    case gamma(Double = 0.25)
    /// For a first layer whose inputs lie between two bounds, of each channel or of all.
    case box(low: [Double], high: [Double])
    /// By squared weights, whatever the inputs are.
    case squaredWeights
    /// Equally to all that a layer sees.
    case flat
}

/// A layer that is linear in its input.
struct LinearMap {
    let weight: Tensor
    let bias: Tensor?
    /// Of input, weight and bias.
    let apply: (Tensor, Tensor, Tensor?) -> Tensor

    /// The transposed map of a weight, to the input's shape.
    private func pulled(_ relevance: Tensor, by weight: Tensor, shape: [Int]) -> Tensor {
        let input = Tensor.zeros(shape, dtype: relevance.dtype, device: relevance.device).requiringGrad()
        return gradients(of: withGradients { apply(input, weight.detached(), nil) }, withRespectTo: [input], gradient: relevance)[0]
    }

    /// - Parameters:
    ///   - input: what the layer saw.
    ///   - relevance: of its output.
    /// - Returns: of its input.
    func relevance(_ relevance: Tensor, of input: Tensor, _ rule: RelevanceRule) -> Tensor {
        let (w, b) = (weight.detached(), bias?.detached()), a = input.detached()
        func part(_ tensor: Tensor, _ isPositive: Bool) -> Tensor { isPositive ? tensor.clamped(minimum: 0) : tensor.clamped(maximum: 0) }
        func share(_ input: Tensor, _ weight: Tensor, _ scaled: Tensor) -> Tensor { input * pulled(scaled, by: weight, shape: input.shape) }
        /// Relevance by the contributions of one sign, of weights in which those of that sign are enlarged.
        func signed(_ relevance: Tensor, _ isPositive: Bool, _ weights: (Bool) -> Tensor, _ bias: Tensor?) -> Tensor {
            let (up, down) = (part(a, true), part(a, false)), own = weights(isPositive), other = weights(!isPositive)
            let scaled = relevance / stabilized(apply(up, own, bias) + apply(down, other, nil))
            return share(up, own, scaled) + share(down, other, scaled)
        }
        switch rule {
        case .epsilon(let epsilon): return share(a, w, relevance / stabilized(apply(a, w, b), epsilon))
        case .zPlus: return signed(relevance, true, { part(w, $0) }, nil)
        case .positiveWeights:
            let positive = part(w, true)
            return share(a, positive, relevance / stabilized(apply(a, positive, nil)))
        case .alphaBeta(let alpha, let beta):
            let positive = signed(relevance, true, { part(w, $0) }, b.map { part($0, true) }) * alpha
            return beta == 0 ? positive : positive - signed(relevance, false, { part(w, $0) }, b.map { part($0, false) }) * beta
        case .gamma(let gamma):
            let z = apply(a, w, b)
            func enlarged(_ isPositive: Bool) -> Tensor { w + part(w, isPositive) * gamma }
            return [true, false].map { isPositive in
                let own = relevance * (isPositive ? z .> 0 : z .< 0).to(dtype: relevance.dtype)
                return signed(own, isPositive, enlarged, b.map { $0 + part($0, isPositive) * gamma })
            }.reduce(Tensor(scalar: Float(0)).to(dtype: relevance.dtype), +)
        case .box(let low, let high):
            func bounds(_ values: [Double]) -> Tensor {
                let shape = [1, values.count] + Array(repeating: 1, count: a.rank - 2)
                return Tensor(values).to(dtype: a.dtype).to(device: a.device).reshaped(shape).expanded(to: a.shape)
            }
            let (l, h) = (bounds(low), bounds(high)), (up, down) = (part(w, true), part(w, false))
            let scaled = relevance / stabilized(apply(a, w, b) - apply(l, up, b.map { part($0, true) }) - apply(h, down, b.map { part($0, false) }))
            return share(a, w, scaled) - share(l, up, scaled) - share(h, down, scaled)
        case .squaredWeights:
            let squares = w.squared()
            let scaled = relevance / stabilized(apply(Tensor.ones(like: a), squares, b?.squared()))
            return pulled(scaled, by: squares, shape: a.shape)
        case .flat:
            let ones = Tensor.ones(like: w)
            return pulled(relevance / stabilized(apply(Tensor.ones(like: a), ones, nil)), by: ones, shape: a.shape)
        }
    }
}

/// Moved away from 0 in the direction of the sign; 0 itself upwards.
func stabilized(_ z: Tensor, _ epsilon: Double = 1e-6) -> Tensor {
    z + ((z .>= 0).to(dtype: z.dtype) * 2 - 1) * epsilon
}
