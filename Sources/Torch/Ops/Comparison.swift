extension Operator {
    static let eq = Operator("aten::eq", "Tensor")
    static let eqScalar = Operator("aten::eq", "Scalar")
    static let ne = Operator("aten::ne", "Tensor")
    static let neScalar = Operator("aten::ne", "Scalar")
    static let lt = Operator("aten::lt", "Tensor")
    static let ltScalar = Operator("aten::lt", "Scalar")
    static let le = Operator("aten::le", "Tensor")
    static let leScalar = Operator("aten::le", "Scalar")
    static let gt = Operator("aten::gt", "Tensor")
    static let gtScalar = Operator("aten::gt", "Scalar")
    static let ge = Operator("aten::ge", "Tensor")
    static let geScalar = Operator("aten::ge", "Scalar")
    static let logicalAnd = Operator("aten::logical_and")
    static let logicalOr = Operator("aten::logical_or")
    static let logicalNot = Operator("aten::logical_not")
    static let whereSelf = Operator("aten::where", "self")
    static let maskedFill = Operator("aten::masked_fill", "Scalar")
    static let maskedSelect = Operator("aten::masked_select")
    static let nonzero = Operator("aten::nonzero")
    static let isnan = Operator("aten::isnan")
    static let isfinite = Operator("aten::isfinite")
    static let equal = Operator("aten::equal")
    static let allclose = Operator("aten::allclose")
}

// Element-wise comparisons give tensors of `bool`. `==` is left to Swift's meaning; use `equals`.
extension Tensor {
    public func equals(_ other: Tensor) -> Tensor { Operator.eq(self, other) }
    public func equals(_ other: Double) -> Tensor { Operator.eqScalar(self, other) }
    public func notEquals(_ other: Tensor) -> Tensor { Operator.ne(self, other) }
    public func notEquals(_ other: Double) -> Tensor { Operator.neScalar(self, other) }
    public static func .< (a: Tensor, b: Tensor) -> Tensor { Operator.lt(a, b) }
    public static func .< (a: Tensor, b: Double) -> Tensor { Operator.ltScalar(a, b) }
    public static func .<= (a: Tensor, b: Tensor) -> Tensor { Operator.le(a, b) }
    public static func .<= (a: Tensor, b: Double) -> Tensor { Operator.leScalar(a, b) }
    public static func .> (a: Tensor, b: Tensor) -> Tensor { Operator.gt(a, b) }
    public static func .> (a: Tensor, b: Double) -> Tensor { Operator.gtScalar(a, b) }
    public static func .>= (a: Tensor, b: Tensor) -> Tensor { Operator.ge(a, b) }
    public static func .>= (a: Tensor, b: Double) -> Tensor { Operator.geScalar(a, b) }
    public func logicalAnd(_ other: Tensor) -> Tensor { Operator.logicalAnd(self, other) }
    public func logicalOr(_ other: Tensor) -> Tensor { Operator.logicalOr(self, other) }
    public func logicalNot() -> Tensor { Operator.logicalNot(self) }

    /// `a` where the condition holds, otherwise `b`; all three broadcast.
    public static func select(where condition: Tensor, _ a: Tensor, else b: Tensor) -> Tensor { Operator.whereSelf(condition, a, b) }

    /// `value` where `mask` holds.
    public func filled(where mask: Tensor, with value: Double) -> Tensor { Operator.maskedFill(self, mask, value) }

    /// The elements where `mask` holds, in row-major order.
    public func selected(where mask: Tensor) -> Tensor {
        // libtorch's own operator makes two int64 of every element; this one of every element that is taken.
        mask.shape == shape && rank > 0
            ? flattened().gathered(indices: mask.flattened().nonzeroIndices().squeezed(1)) : Operator.maskedSelect(self, mask)
    }

    /// Indices of the elements that are not 0: int64, shape [count, rank].
    public func nonzeroIndices() -> Tensor { Operator.nonzero(self) }

    public func isNaN() -> Tensor { Operator.isnan(self) }
    public func isFinite() -> Tensor { Operator.isfinite(self) }

    /// Whether shapes and all elements agree exactly.
    public func isEqual(to other: Tensor) -> Bool { shape == other.shape && Operator.equal.number(self, other) != 0 }

    /// Whether |a − b| ≤ absolute + relative·|b| for all elements.
    public func isClose(to other: Tensor, relative: Double = 1e-5, absolute: Double = 1e-8) -> Bool {
        shape == other.shape && Operator.allclose.number(self, other, relative, absolute, false) != 0
    }
}
