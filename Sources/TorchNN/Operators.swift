internal import Torch

// Operators that only this room needs; those of general use are methods of `Tensor`.
extension Operator {
    static let mseLoss = Operator("aten::mse_loss")
    static let l1Loss = Operator("aten::l1_loss")
    static let smoothL1Loss = Operator("aten::smooth_l1_loss")
    static let huberLoss = Operator("aten::huber_loss")
    static let klDivergence = Operator("aten::kl_div")
    static let cosineEmbeddingLoss = Operator("aten::cosine_embedding_loss")

    static let divisiveNormalization = Operator("condense::divisive_normalization")
    static let composedNormalization = Operator(composite: "condense::divisive_normalization")

    static let fusedAdam = Operator("aten::_fused_adam_")
    static let fusedAdamW = Operator("aten::_fused_adamw_")
    static let tangentNorms = Operator("condense::tangent_norms")
    static let unitRowAdam = Operator("condense::unit_row_adam_")
    static let fusedSGD = Operator("aten::_fused_sgd_")
    static let norms = Operator("aten::_foreach_norm", "Scalar")
    static let multiplyAllInPlace = Operator("aten::_foreach_mul_", "Tensor")
    static let addToAllInPlace = Operator("aten::_foreach_add_", "Scalar")
    static let interpolateAllInPlace = Operator("aten::_foreach_lerp_", "Scalar")
}
