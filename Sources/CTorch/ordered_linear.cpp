// Products with a matrix whose sums are made in one order:
//
//   ordered_linear  y_o = bias_o, then y_o ← fma(x_k, w_ok, y_o) for k = 0, 1, …
//
// The bits of the result follow from the numbers alone, not from threads, vector widths or the number of rows. A decoder that computes
// the distributions of what it decodes needs that: where its sums differ in the last bit from the encoder's, all that follows is noise.
#include "panel_product.h"
#include "parallel.h"
#include "tensor_data.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cstring>
#include <vector>

namespace {

using at::Tensor;

constexpr int64_t panelWidth = ct::panelWidth;
constexpr int64_t rowChunk = 64;  // rows a worker takes at once

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
    ct::multiplyByPanel(
        from + row * depth, depth, weights + panel * depth * panelWidth, biases.data() + column, std::min(rowChunk, rows - row), depth, to + row * width + column,
        width, std::min(panelWidth, width - column));
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
