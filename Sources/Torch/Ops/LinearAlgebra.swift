extension Operator {
    static let matmul = Operator("aten::matmul")
    static let bmm = Operator("aten::bmm")
    static let addmm = Operator("aten::addmm")
    static let addmmInPlace = Operator("aten::addmm_")
    static let linear = Operator("aten::linear")
    static let dot = Operator("aten::dot")
    static let outer = Operator("aten::outer")
    static let einsum = Operator("aten::einsum")
    static let linalgSolve = Operator("aten::linalg_solve")
    static let linalgInverse = Operator("aten::linalg_inv")
    static let cholesky = Operator("aten::linalg_cholesky")
    static let svd = Operator("aten::linalg_svd")
    static let eigh = Operator("aten::linalg_eigh")
    static let qr = Operator("aten::linalg_qr")
    static let lstsqTriangular = Operator("aten::linalg_solve_triangular")
    static let cdist = Operator("aten::cdist")
}

extension Tensor {
    /// Matrix product, batched over leading axes with broadcasting.
    public func matmul(_ other: Tensor) -> Tensor { Operator.matmul(self, other) }
    /// self · weightᵀ + bias; weight is [out, in], as PyTorch's `linear`.
    public func linear(weight: Tensor, bias: Tensor? = nil) -> Tensor {
        // ATen multiplies an input of more than two axes as one matrix or as a batch of them, by whether the weight has gradients, and the two
        // round differently: a network would not compute in use what it computed in training.
        guard rank > 2, weight.rank == 2 else { return Operator.linear(self, weight, bias) }
        let rows = reshaped([shape.dropLast().reduce(1, *), size(-1)])
        return Operator.linear(rows, weight, bias).reshaped(shape.dropLast() + [weight.size(0)])
    }
    /// beta·self + alpha·(a · b) for matrices.
    public func addingMatmul(_ a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1) -> Tensor { Operator.addmm(self, a, b, beta, alpha) }
    /// Overwrites this matrix with beta·self + alpha·(a · b).
    @discardableResult
    public func addMatmulInPlace(_ a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1) -> Tensor { Operator.addmmInPlace(self, a, b, beta, alpha) }
    /// The scalar product of two vectors.
    public func dot(_ other: Tensor) -> Tensor { Operator.dot(self, other) }
    public func outer(_ other: Tensor) -> Tensor { Operator.outer(self, other) }
    /// Sums over the indices that the right side of `equation` lacks.
    public static func einsum(_ equation: String, _ tensors: Tensor...) -> Tensor { Operator.einsum(equation, tensors) }
    /// x with self · x = b.
    public func solve(_ b: Tensor) -> Tensor { Operator.linalgSolve(self, b) }
    public func inverse() -> Tensor { Operator.linalgInverse(self) }
    /// The lower triangular factor of a positive definite matrix.
    public func cholesky() -> Tensor { Operator.cholesky(self) }
    /// Singular value decomposition u · diag(s) · vTransposed, reduced.
    public func svd() -> (u: Tensor, s: Tensor, vTransposed: Tensor) { Operator.svd.triple(self, false) }
    /// Eigenvalues, rising, and eigenvectors (columns) of a symmetric matrix.
    public func symmetricEigen() -> (values: Tensor, vectors: Tensor) { Operator.eigh.pair(self) }
    /// How the rows of a matrix [n, D] vary, in double precision.
    public func principalAxes() -> PrincipalAxes {
        let rows = to(dtype: .float64), mean = rows.mean(axis: 0), centred = rows - mean
        let (variances, directions) = (centred.transposed().matmul(centred) / Double(rows.size(0))).symmetricEigen()
        return PrincipalAxes(mean: mean, variances: variances, directions: directions)
    }
    /// Reduced QR decomposition.
    public func qr() -> (q: Tensor, r: Tensor) { Operator.qr.pair(self) }
    /// x with self · x = b for a triangular matrix.
    public func solveTriangular(_ b: Tensor, upper: Bool) -> Tensor { Operator.lstsqTriangular(self, b, upper) }
    /// Euclidean distances between the rows of two matrices.
    public func distances(to other: Tensor) -> Tensor { Operator.cdist(self, other) }
}

/// The eigenvectors of a covariance.
public struct PrincipalAxes {
    /// Shape [D].
    public let mean: Tensor
    /// Along the directions, rising, shape [D].
    public let variances: Tensor
    /// Unit columns, shape [D, D].
    public let directions: Tensor
}
