extension Operator {
    static let add = Operator("aten::add", "Tensor")
    static let addScalar = Operator("aten::add", "Scalar")
    static let sub = Operator("aten::sub", "Tensor")
    static let subScalar = Operator("aten::sub", "Scalar")
    static let rsubScalar = Operator("aten::rsub", "Scalar")
    static let mul = Operator("aten::mul", "Tensor")
    static let mulScalar = Operator("aten::mul", "Scalar")
    static let div = Operator("aten::div", "Tensor")
    static let divScalar = Operator("aten::div", "Scalar")
    static let divMode = Operator("aten::div", "Tensor_mode")
    static let divScalarMode = Operator("aten::div", "Scalar_mode")
    static let remainder = Operator("aten::remainder", "Tensor")
    static let remainderScalar = Operator("aten::remainder", "Scalar")
    static let pow = Operator("aten::pow", "Tensor_Tensor")
    static let powScalar = Operator("aten::pow", "Tensor_Scalar")
    static let neg = Operator("aten::neg")
    static let addInPlace = Operator("aten::add_", "Tensor")
    static let addScalarInPlace = Operator("aten::add_", "Scalar")
    static let subInPlace = Operator("aten::sub_", "Tensor")
    static let mulInPlace = Operator("aten::mul_", "Tensor")
    static let mulScalarInPlace = Operator("aten::mul_", "Scalar")
    static let divInPlace = Operator("aten::div_", "Tensor")
    static let divScalarInPlace = Operator("aten::div_", "Scalar")
    static let lerpInPlace = Operator("aten::lerp_", "Scalar")
    static let lerp = Operator("aten::lerp", "Scalar")
    static let addcmulInPlace = Operator("aten::addcmul_")
    static let clampInPlace = Operator("aten::clamp_")
    static let exp = Operator("aten::exp")
    static let expm1 = Operator("aten::expm1")
    static let log = Operator("aten::log")
    static let log2 = Operator("aten::log2")
    static let log10 = Operator("aten::log10")
    static let log1p = Operator("aten::log1p")
    static let sqrt = Operator("aten::sqrt")
    static let rsqrt = Operator("aten::rsqrt")
    static let reciprocal = Operator("aten::reciprocal")
    static let abs = Operator("aten::abs")
    static let sign = Operator("aten::sign")
    static let floor = Operator("aten::floor")
    static let ceil = Operator("aten::ceil")
    static let round = Operator("aten::round")
    static let trunc = Operator("aten::trunc")
    static let sin = Operator("aten::sin")
    static let cos = Operator("aten::cos")
    static let tan = Operator("aten::tan")
    static let atan = Operator("aten::atan")
    static let atan2 = Operator("aten::atan2")
    static let sinh = Operator("aten::sinh")
    static let cosh = Operator("aten::cosh")
    static let erf = Operator("aten::erf")
    static let erfc = Operator("aten::erfc")
    static let erfinv = Operator("aten::erfinv")
    static let lgamma = Operator("aten::lgamma")
    static let digamma = Operator("aten::digamma")
    static let clamp = Operator("aten::clamp")
    static let maximum = Operator("aten::maximum")
    static let minimum = Operator("aten::minimum")
    static let lowerBound = Operator("condense::lower_bound")
    static let nanToNum = Operator("aten::nan_to_num")
}

// MARK: - Operators with broadcasting

extension Tensor {
    public static func + (a: Tensor, b: Tensor) -> Tensor { Operator.add(a, b) }
    public static func + (a: Tensor, b: Double) -> Tensor { Operator.addScalar(a, b) }
    public static func + (a: Tensor, b: Int) -> Tensor { Operator.addScalar(a, b) }
    public static func + (a: Double, b: Tensor) -> Tensor { Operator.addScalar(b, a) }
    public static func + (a: Int, b: Tensor) -> Tensor { Operator.addScalar(b, a) }
    public static func - (a: Tensor, b: Tensor) -> Tensor { Operator.sub(a, b) }
    public static func - (a: Tensor, b: Double) -> Tensor { Operator.subScalar(a, b) }
    public static func - (a: Tensor, b: Int) -> Tensor { Operator.subScalar(a, b) }
    public static func - (a: Double, b: Tensor) -> Tensor { Operator.rsubScalar(b, a) }
    public static func - (a: Int, b: Tensor) -> Tensor { Operator.rsubScalar(b, a) }
    public static func * (a: Tensor, b: Tensor) -> Tensor { Operator.mul(a, b) }
    public static func * (a: Tensor, b: Double) -> Tensor { Operator.mulScalar(a, b) }
    public static func * (a: Tensor, b: Int) -> Tensor { Operator.mulScalar(a, b) }
    public static func * (a: Double, b: Tensor) -> Tensor { Operator.mulScalar(b, a) }
    public static func * (a: Int, b: Tensor) -> Tensor { Operator.mulScalar(b, a) }
    /// True division; integers give floating point.
    public static func / (a: Tensor, b: Tensor) -> Tensor { Operator.div(a, b) }
    public static func / (a: Tensor, b: Double) -> Tensor { Operator.divScalar(a, b) }
    public static func / (a: Tensor, b: Int) -> Tensor { Operator.divScalar(a, b) }
    public static func / (a: Double, b: Tensor) -> Tensor { Operator.mulScalar(Operator.reciprocal(b), a) }
    public static func / (a: Int, b: Tensor) -> Tensor { Operator.mulScalar(Operator.reciprocal(b), a) }
    public static prefix func - (a: Tensor) -> Tensor { Operator.neg(a) }

    /// The quotient rounded towards negative infinity.
    public func floorDivided(by other: Int) -> Tensor { Operator.divScalarMode(self, other, "floor") }
    /// The quotient rounded towards negative infinity.
    public func floorDivided(by other: Tensor) -> Tensor { Operator.divMode(self, other, "floor") }
    /// The remainder with the divisor's sign.
    public func remainder(dividingBy other: Int) -> Tensor { Operator.remainderScalar(self, other) }
    /// The remainder with the divisor's sign.
    public func remainder(dividingBy other: Tensor) -> Tensor { Operator.remainder(self, other) }
    public func power(_ exponent: Double) -> Tensor { Operator.powScalar(self, exponent) }
    public func power(_ exponent: Tensor) -> Tensor { Operator.pow(self, exponent) }
}

// MARK: - In place

extension Tensor {
    /// Adds `scale * other`.
    @discardableResult
    public func addInPlace(_ other: Tensor, scale: Double = 1) -> Tensor { Operator.addInPlace(self, other, scale) }
    @discardableResult
    public func addInPlace(_ other: Double) -> Tensor { Operator.addScalarInPlace(self, other) }
    @discardableResult
    public func addInPlace(_ other: Int) -> Tensor { Operator.addScalarInPlace(self, other) }
    @discardableResult
    public func subtractInPlace(_ other: Tensor) -> Tensor { Operator.subInPlace(self, other) }
    @discardableResult
    public func multiplyInPlace(by other: Tensor) -> Tensor { Operator.mulInPlace(self, other) }
    @discardableResult
    public func multiplyInPlace(by other: Double) -> Tensor { Operator.mulScalarInPlace(self, other) }
    @discardableResult
    public func divideInPlace(by other: Tensor) -> Tensor { Operator.divInPlace(self, other) }
    @discardableResult
    public func divideInPlace(by other: Double) -> Tensor { Operator.divScalarInPlace(self, other) }
    /// Moves the elements towards `end` by the fraction `weight`.
    @discardableResult
    public func interpolateInPlace(towards end: Tensor, weight: Double) -> Tensor { Operator.lerpInPlace(self, end, weight) }
    /// Adds `scale * a * b`.
    @discardableResult
    public func addProductInPlace(_ a: Tensor, _ b: Tensor, scale: Double = 1) -> Tensor { Operator.addcmulInPlace(self, a, b, scale) }
    @discardableResult
    public func clampInPlace(minimum: Double? = nil, maximum: Double? = nil) -> Tensor { Operator.clampInPlace(self, minimum, maximum) }
}

// MARK: - Functions of one element

extension Tensor {
    public func exp() -> Tensor { Operator.exp(self) }
    /// exp(x) − 1, exact near 0.
    public func expm1() -> Tensor { Operator.expm1(self) }
    public func log() -> Tensor { Operator.log(self) }
    public func log2() -> Tensor { Operator.log2(self) }
    public func log10() -> Tensor { Operator.log10(self) }
    /// log(1 + x), exact near 0.
    public func log1p() -> Tensor { Operator.log1p(self) }
    public func sqrt() -> Tensor { Operator.sqrt(self) }
    public func rsqrt() -> Tensor { Operator.rsqrt(self) }
    public func reciprocal() -> Tensor { Operator.reciprocal(self) }
    public func squared() -> Tensor { Operator.mul(self, self) }
    public func abs() -> Tensor { Operator.abs(self) }
    public func sign() -> Tensor { Operator.sign(self) }
    public func floor() -> Tensor { Operator.floor(self) }
    public func ceil() -> Tensor { Operator.ceil(self) }
    /// To the nearest integer, halves to the even one.
    public func rounded() -> Tensor { Operator.round(self) }
    public func truncated() -> Tensor { Operator.trunc(self) }
    public func sin() -> Tensor { Operator.sin(self) }
    public func cos() -> Tensor { Operator.cos(self) }
    public func tan() -> Tensor { Operator.tan(self) }
    public func atan() -> Tensor { Operator.atan(self) }
    /// The angle of the point (x: `x`, y: self).
    public func atan2(_ x: Tensor) -> Tensor { Operator.atan2(self, x) }
    public func sinh() -> Tensor { Operator.sinh(self) }
    public func cosh() -> Tensor { Operator.cosh(self) }
    public func erf() -> Tensor { Operator.erf(self) }
    public func erfc() -> Tensor { Operator.erfc(self) }
    public func erfinv() -> Tensor { Operator.erfinv(self) }
    public func lgamma() -> Tensor { Operator.lgamma(self) }
    public func digamma() -> Tensor { Operator.digamma(self) }
    /// Limits each element; nil leaves that side open.
    public func clamped(minimum: Double? = nil, maximum: Double? = nil) -> Tensor { Operator.clamp(self, minimum, maximum) }
    /// The larger of each pair of elements.
    public func maximum(_ other: Tensor) -> Tensor { Operator.maximum(self, other) }
    /// The smaller of each pair of elements.
    public func minimum(_ other: Tensor) -> Tensor { Operator.minimum(self, other) }
    /// max(self, bound) for one number as a tensor. Unlike the maximum's, the gradient passes below the bound too where a step
    /// against it makes the element larger (it is negative there): an element that fell below can come back.
    public func lowerBounded(by bound: Tensor) -> Tensor { Operator.lowerBound(self, bound) }
    /// Moved towards `end` by the fraction `weight`.
    public func interpolated(towards end: Tensor, weight: Double) -> Tensor { Operator.lerp(self, end, weight) }
    /// Replaces what is not a number.
    public func replacingNaN(with value: Double = 0) -> Tensor { Operator.nanToNum(self, value) }
}
