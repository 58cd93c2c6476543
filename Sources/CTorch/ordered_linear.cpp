// Products with a matrix whose sums are made in one order:
//
//   ordered_linear  y_o = bias_o, then y_o ← fma(x_k, w_ok, y_o) for k = 0, 1, …
//
// The bits of the result follow from the numbers alone, not from threads, vector widths or the number of rows. A decoder that computes
// the distributions of what it decodes needs that: where its sums differ in the last bit from the encoder's, all that follows is noise.
#include "parallel.h"
#include "tensor_data.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cstring>
#include <vector>

namespace {

using at::Tensor;

constexpr int64_t panelWidth = 32;  // outputs that are summed side by side: two vectors of AVX-512
constexpr int rowsAtOnce = 4;       // their sums stay in registers
constexpr int64_t rowChunk = 64;    // rows a worker takes at once

typedef float Panel __attribute__((ext_vector_type(panelWidth)));

// One panel of outputs of a few rows of x. Sums begin with the bias; `columns` of them are wanted.
template <int rows>
__attribute__((always_inline)) inline void multiply(
    const float *x, const float *panel, const float *bias, int64_t depth, float *y, int64_t width, int64_t columns) {
  Panel sums[rows], weights;
  for (int r = 0; r < rows; ++r) std::memcpy(&sums[r], bias, sizeof(Panel));
  for (int64_t k = 0; k < depth; ++k) {
    std::memcpy(&weights, panel + k * panelWidth, sizeof(Panel));
    for (int r = 0; r < rows; ++r) sums[r] = __builtin_elementwise_fma(Panel(x[r * depth + k]), weights, sums[r]);
  }
  for (int r = 0; r < rows; ++r) std::memcpy(y + r * width, &sums[r], static_cast<size_t>(columns) * sizeof(float));
}

CT_VECTORIZED void multiplyRows(
    const float *x, const float *panel, const float *bias, int64_t rows, int64_t depth, float *y, int64_t width, int64_t columns) {
  int64_t row = 0;
  for (; row + rowsAtOnce <= rows; row += rowsAtOnce) multiply<rowsAtOnce>(x + row * depth, panel, bias, depth, y + row * width, width, columns);
  for (; row < rows; ++row) multiply<1>(x + row * depth, panel, bias, depth, y + row * width, width, columns);
}

void check(const Tensor &input, const Tensor &panels, const Tensor &bias) {
  TORCH_CHECK(input.dim() == 2 && panels.dim() == 3 && panels.size(2) == panelWidth, "input ", input.sizes(), " must be a matrix and panels ", panels.sizes(), " [panels, inputs, ", panelWidth, "]");
  TORCH_CHECK(input.size(1) == panels.size(1), "input ", input.sizes(), " and panels ", panels.sizes(), " differ in width");
  TORCH_CHECK(
      bias.dim() == 1 && bias.size(0) <= panels.size(0) * panelWidth && bias.size(0) > (panels.size(0) - 1) * panelWidth, "a bias of ", bias.sizes(), " does not fit panels ",
      panels.sizes());
}

Tensor orderedLinear(const Tensor &input, const Tensor &panels, const Tensor &bias) {
  check(input, panels, bias);
  const Tensor x = input.contiguous(), w = panels.contiguous();
  const int64_t rows = x.size(0), depth = x.size(1), width = bias.size(0), panelCount = w.size(0);
  Tensor output = at::empty({rows, width}, x.options());
  std::vector<float> biases(static_cast<size_t>(panelCount * panelWidth), 0);
  const Tensor b = bias.contiguous();
  std::memcpy(biases.data(), ct::constData<float>(b), static_cast<size_t>(width) * sizeof(float));
  const float *from = ct::constData<float>(x), *weights = ct::constData<float>(w);
  float *to = output.mutable_data_ptr<float>();
  const int64_t rowChunks = (rows + rowChunk - 1) / rowChunk;
  // Workers stay with a panel for as long as there are rows.
  ct::parallelChunks(panelCount * rowChunks, 1, [&](int64_t place, int64_t) {
    const int64_t panel = place / rowChunks, row = place % rowChunks * rowChunk, column = panel * panelWidth;
    multiplyRows(
        from + row * depth, weights + panel * depth * panelWidth, biases.data() + column, std::min(rowChunk, rows - row), depth, to + row * width + column, width,
        std::min(panelWidth, width - column));
  });
  return output;
}

// No other device promises an order: the product is made here.
Tensor elsewhere(const Tensor &input, const Tensor &panels, const Tensor &bias) {
  return orderedLinear(input.cpu(), panels.cpu(), bias.cpu()).to(input.device());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) { library.def("ordered_linear(Tensor input, Tensor panels, Tensor bias) -> Tensor"); }

TORCH_LIBRARY_IMPL(condense, CPU, library) { library.impl("ordered_linear", orderedLinear); }

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) { library.impl("ordered_linear", elsewhere); }
