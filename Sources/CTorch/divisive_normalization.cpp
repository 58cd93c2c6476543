// Generalised divisive normalisation of images (Ballé et al., arXiv:1511.06281), and its approximate inverse:
//
//   n_i = β_i + Σ_j γ_ij x_j²,   y_i = x_i / √n_i   or   x_i · √n_i
//
// in one pass through memory, with channels side by side: squares, norms and their roots of a few positions stay in the caches, where
// separate operators write and read each of them in full.
#include "panel_product.h"
#include "parallel.h"
#include "tensor_data.h"

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/square.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cstring>
#include <memory>
#include <tuple>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t positionChunk = 64;  // positions a worker takes at once
constexpr int64_t panelWidth = ct::panelWidth;

int64_t panelCount(int64_t channels) { return (channels + panelWidth - 1) / panelWidth; }

// A square matrix [inputs, outputs] in panels, and a vector filled up to their width.
template <typename T>
std::unique_ptr<T[]> panels(const T *matrix, int64_t inputStep, int64_t outputStep, int64_t size) {
  std::unique_ptr<T[]> packed(new T[panelCount(size) * size * panelWidth]());
  for (int64_t input = 0; input < size; ++input)
    for (int64_t output = 0; output < size; ++output)
      packed[(output / panelWidth * size + input) * panelWidth + output % panelWidth] = matrix[input * inputStep + output * outputStep];
  return packed;
}

template <typename T>
__attribute__((always_inline)) inline void squareOf(const T *x, T *squares, int64_t count) {
  for (int64_t i = 0; i < count; ++i) squares[i] = x[i] * x[i];
}

template <typename T>
__attribute__((always_inline)) inline void normalizeOf(const T *x, const T *norms, T *y, bool multiplying, int64_t count) {
  if (multiplying)
    for (int64_t i = 0; i < count; ++i) y[i] = x[i] * __builtin_elementwise_sqrt(norms[i]);
  else
    for (int64_t i = 0; i < count; ++i) y[i] = x[i] / __builtin_elementwise_sqrt(norms[i]);
}

// g ← what goes to x directly, normGradient ← the gradient of the norms.
template <typename T>
__attribute__((always_inline)) inline void differentiateOf(const T *x, const T *norms, const T *gradient, T *direct, T *normGradient, bool multiplying, int64_t count) {
  if (multiplying)
    for (int64_t i = 0; i < count; ++i) {
      const T root = __builtin_elementwise_sqrt(norms[i]), passed = gradient[i] * x[i] * T(0.5) / root;
      direct[i] = gradient[i] * root;
      normGradient[i] = passed;
    }
  else
    for (int64_t i = 0; i < count; ++i) {
      const T inverse = 1 / __builtin_elementwise_sqrt(norms[i]), own = gradient[i] * inverse;
      direct[i] = own;
      normGradient[i] = own * x[i] * T(-0.5) * inverse * inverse;
    }
}

template <typename T>
__attribute__((always_inline)) inline void addThroughSquaresOf(T *direct, const T *x, const T *squares, int64_t count) {
  for (int64_t i = 0; i < count; ++i) direct[i] += 2 * x[i] * squares[i];
}

#define CT_NORMALIZATION_LOOPS(T)                                                                                                        \
  CT_VECTORIZED void square(const T *x, T *squares, int64_t count) { squareOf(x, squares, count); }                                      \
  CT_VECTORIZED void normalize(const T *x, const T *norms, T *y, bool multiplying, int64_t count) { normalizeOf(x, norms, y, multiplying, count); } \
  CT_VECTORIZED void differentiate(const T *x, const T *norms, const T *gradient, T *direct, T *normGradient, bool multiplying, int64_t count) { \
    differentiateOf(x, norms, gradient, direct, normGradient, multiplying, count);                                                       \
  }                                                                                                                                      \
  CT_VECTORIZED void addThroughSquares(T *direct, const T *x, const T *squares, int64_t count) { addThroughSquaresOf(direct, x, squares, count); }
CT_NORMALIZATION_LOOPS(float)
CT_NORMALIZATION_LOOPS(double)

// Rows of x times a packed matrix of their width.
template <typename T>
void multiplyRows(const T *x, const T *packed, const T *start, int64_t rows, int64_t size, T *y) {
  for (int64_t column = 0; column < size; column += panelWidth)
    ct::multiplyByPanel(x, size, packed + column * size, start ? start + column : nullptr, rows, size, y + column, size, std::min(panelWidth, size - column));
}

void check(const Tensor &input, const Tensor &gamma, const Tensor &beta) {
  TORCH_CHECK(input.dim() == 4, "the input ", input.sizes(), " must be [batch, channels, height, width]");
  const int64_t channels = input.size(1);
  TORCH_CHECK(gamma.dim() == 2 && gamma.size(0) == channels && gamma.size(1) == channels && beta.dim() == 1 && beta.size(0) == channels, "gamma ", gamma.sizes(), " and beta ", beta.sizes(), " do not fit ", channels, " channels");
}

// The norms are written where `norms` is defined.
Tensor normalized(const Tensor &input, const Tensor &gamma, const Tensor &beta, bool multiplying, Tensor norms) {
  check(input, gamma, beta);
  const Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast), matrix = gamma.contiguous(), bias = beta.contiguous();
  Tensor output = at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast);
  const int64_t channels = x.size(1), positions = channels > 0 ? x.numel() / channels : 0;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "condense::divisive_normalization", [&] {
    const auto packed = panels(ct::constData<scalar_t>(matrix), 1, channels, channels);
    std::unique_ptr<scalar_t[]> start(new scalar_t[panelCount(channels) * panelWidth]());
    std::memcpy(start.get(), ct::constData<scalar_t>(bias), static_cast<size_t>(channels) * sizeof(scalar_t));
    const scalar_t *from = ct::constData<scalar_t>(x);
    scalar_t *to = output.mutable_data_ptr<scalar_t>(), *kept = norms.defined() ? norms.mutable_data_ptr<scalar_t>() : nullptr;
    ct::parallelChunks(positions, positionChunk, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * channels, count = (end - begin) * channels;
      const std::unique_ptr<scalar_t[]> squares(new scalar_t[count]), own(kept ? nullptr : new scalar_t[count]);
      scalar_t *sums = kept ? kept + first : own.get();
      square(from + first, squares.get(), count);
      multiplyRows(squares.get(), packed.get(), start.get(), end - begin, channels, sums);
      normalize(from + first, sums, to + first, multiplying, count);
    });
  });
  return output;
}

Tensor normalizedCPU(const Tensor &input, const Tensor &gamma, const Tensor &beta, bool multiplying) {
  return normalized(input, gamma, beta, multiplying, Tensor());
}

Tensor composite(const Tensor &input, const Tensor &gamma, const Tensor &beta, bool multiplying) {
  check(input, gamma, beta);
  const Tensor norms = at::conv2d(input.square(), gamma.unsqueeze(2).unsqueeze(3), beta);
  return multiplying ? input * norms.sqrt() : input * norms.rsqrt();
}

// Gradients of the input and of the norms; both with channels side by side.
std::tuple<Tensor, Tensor> differentiated(const Tensor &input, const Tensor &norms, const Tensor &gamma, const Tensor &gradient, bool multiplying) {
  const Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast), g = gradient.contiguous(at::MemoryFormat::ChannelsLast), matrix = gamma.contiguous();
  Tensor ofInput = at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast), ofNorms = at::empty_like(ofInput);
  const int64_t channels = x.size(1), positions = channels > 0 ? x.numel() / channels : 0;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "condense::divisive_normalization_backward", [&] {
    const auto packed = panels(ct::constData<scalar_t>(matrix), channels, 1, channels);
    const scalar_t *from = ct::constData<scalar_t>(x), *sums = ct::constData<scalar_t>(norms), *outer = ct::constData<scalar_t>(g);
    scalar_t *direct = ofInput.mutable_data_ptr<scalar_t>(), *through = ofNorms.mutable_data_ptr<scalar_t>();
    ct::parallelChunks(positions, positionChunk, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * channels, count = (end - begin) * channels;
      const std::unique_ptr<scalar_t[]> squares(new scalar_t[count]);
      differentiate(from + first, sums + first, outer + first, direct + first, through + first, multiplying, count);
      multiplyRows<scalar_t>(through + first, packed.get(), nullptr, end - begin, channels, squares.get());
      addThroughSquares(direct + first, from + first, squares.get(), count);
    });
  });
  return {ofInput, ofNorms};
}

// Images as a matrix [positions, channels].
Tensor rows(const Tensor &images) { return images.permute({0, 2, 3, 1}).reshape({-1, images.size(1)}); }

struct DivisiveNormalization : public torch::autograd::Function<DivisiveNormalization> {
  static Tensor forward(AutogradContext *context, const Tensor &input, const Tensor &gamma, const Tensor &beta, bool multiplying) {
    at::AutoDispatchBelowADInplaceOrView below;
    Tensor norms = at::empty(input.sizes(), input.options(), at::MemoryFormat::ChannelsLast);
    const Tensor output = normalized(input, gamma, beta, multiplying, norms);
    context->save_for_backward({input, gamma, norms});
    context->saved_data["multiplying"] = multiplying;
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto [ofInput, ofNorms] = differentiated(saved[0], saved[2], saved[1], gradients[0], context->saved_data["multiplying"].toBool());
    const Tensor sums = rows(ofNorms);
    return {ofInput, at::mm(sums.t(), rows(saved[0].contiguous(at::MemoryFormat::ChannelsLast)).square()), sums.sum(0), Tensor()};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("divisive_normalization(Tensor input, Tensor gamma, Tensor beta, bool multiplying) -> Tensor");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) { library.impl("divisive_normalization", normalizedCPU); }

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) { library.impl("divisive_normalization", composite); }

TORCH_LIBRARY_IMPL(condense, AutogradCPU, library) {
  library.impl("divisive_normalization", [](const Tensor &input, const Tensor &gamma, const Tensor &beta, bool multiplying) {
    return DivisiveNormalization::apply(input, gamma, beta, multiplying);
  });
}
