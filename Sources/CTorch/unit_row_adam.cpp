// Adam on matrices whose rows keep norm 1, such as the atoms of a dictionary: each row's gradient loses its part along the row,
// which would only change the norm, and the row is normalised after the step. One pass through memory to measure the gradient
// and one for the step, where separate operators need three times as many.
#include "parallel.h"
#include "tensor_data.h"
#include "vector_loops.h"

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <torch/library.h>

#include <cmath>

namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

constexpr int64_t rowChunk = 64;  // rows a worker takes at once

void checkRows(const Tensor &rows, const Tensor &other, const char *name) {
  TORCH_CHECK(rows.dim() == 2 && other.sizes() == rows.sizes() && other.scalar_type() == rows.scalar_type() && rows.is_contiguous() && other.is_contiguous(), "rows ", rows.sizes(), " and their ", name, " ", other.sizes(), " must be contiguous matrices of one shape and type");
}

// MARK: CPU kernels

Tensor tangentNormsCPU(const Tensor &rows, const Tensor &gradient) {
  checkRows(rows, gradient, "gradient");
  const int64_t count = rows.size(0), width = rows.size(1);
  Tensor result = at::empty({count}, rows.options());
  AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), "condense::tangent_norms", [&] {
    const scalar_t *w = ct::constData<scalar_t>(rows), *g = ct::constData<scalar_t>(gradient);
    scalar_t *out = result.mutable_data_ptr<scalar_t>();
    ct::parallelChunks(count, rowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const scalar_t along = ct::dotProduct(w + r * width, g + r * width, width);
        out[r] = std::sqrt(ct::squaredDistanceToScaled(g + r * width, w + r * width, along, width));
      }
    });
  });
  return result;
}

void unitRowAdamCPU(
    Tensor &rows, const Tensor &gradient, Tensor &first, Tensor &second, const Tensor &step, const Tensor &divisor, double learningRate,
    double beta1, double beta2, double epsilon) {
  checkRows(rows, gradient, "gradient");
  checkRows(rows, first, "first moments");
  checkRows(rows, second, "second moments");
  const int64_t count = rows.size(0), width = rows.size(1);
  const double steps = step.item<double>(), scale = 1 / divisor.item<double>();
  const double correction1 = 1 - std::pow(beta1, steps), correction2 = std::sqrt(1 - std::pow(beta2, steps));
  AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), "condense::unit_row_adam_", [&] {
    scalar_t *w = rows.mutable_data_ptr<scalar_t>(), *m = first.mutable_data_ptr<scalar_t>(), *v = second.mutable_data_ptr<scalar_t>();
    const scalar_t *g = ct::constData<scalar_t>(gradient);
    ct::AdamFactors<scalar_t> factors{};
    factors.scale = static_cast<scalar_t>(scale);
    factors.keep1 = static_cast<scalar_t>(beta1);
    factors.take1 = static_cast<scalar_t>(1 - beta1);
    factors.keep2 = static_cast<scalar_t>(beta2);
    factors.take2 = static_cast<scalar_t>(1 - beta2);
    factors.rate = static_cast<scalar_t>(learningRate / correction1);
    factors.inverseCorrection2 = static_cast<scalar_t>(1 / correction2);
    factors.epsilon = static_cast<scalar_t>(epsilon);
    ct::parallelChunks(count, rowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t start = begin * width; start < end * width; start += width) {
        const scalar_t along = ct::dotProduct(w + start, g + start, width);
        ct::adamAcross(w + start, m + start, v + start, g + start, along, factors, width);
        const scalar_t norm = std::sqrt(ct::dotProduct(w + start, w + start, width));
        ct::divideBy(w + start, norm > 0 ? norm : scalar_t(1), width);
      }
    });
  });
}

// MARK: Any other device, composed of libtorch's operators

Tensor tangent(const Tensor &rows, const Tensor &gradient) { return gradient - (gradient * rows).sum(1, true) * rows; }

Tensor tangentNormsComposite(const Tensor &rows, const Tensor &gradient) {
  checkRows(rows, gradient, "gradient");
  return at::linalg_vector_norm(tangent(rows, gradient), 2, {1});
}

void unitRowAdamComposite(
    Tensor &rows, const Tensor &gradient, Tensor &first, Tensor &second, const Tensor &step, const Tensor &divisor, double learningRate,
    double beta1, double beta2, double epsilon) {
  checkRows(rows, gradient, "gradient");
  checkRows(rows, first, "first moments");
  checkRows(rows, second, "second moments");
  const Tensor g = tangent(rows, gradient) / divisor;
  first.mul_(beta1).add_(g, 1 - beta1);
  second.mul_(beta2).addcmul_(g, g, 1 - beta2);
  const Tensor correction1 = 1 - (step * std::log(beta1)).exp(), correction2 = (1 - (step * std::log(beta2)).exp()).sqrt();
  rows.sub_(learningRate * (first / correction1) / (second.sqrt() / correction2 + epsilon));
  const Tensor norms = at::linalg_vector_norm(rows, 2, {1}, true);
  rows.div_(norms.masked_fill(norms == 0, 1));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("tangent_norms(Tensor rows, Tensor gradient) -> Tensor");
  library.def(
      "unit_row_adam_(Tensor(a!) rows, Tensor gradient, Tensor(b!) first, Tensor(c!) second, Tensor step, Tensor divisor, "
      "float learning_rate, float beta1, float beta2, float epsilon) -> ()");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) {
  library.impl("tangent_norms", tangentNormsCPU);
  library.impl("unit_row_adam_", unitRowAdamCPU);
}

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) {
  library.impl("tangent_norms", tangentNormsComposite);
  library.impl("unit_row_adam_", unitRowAdamComposite);
}
