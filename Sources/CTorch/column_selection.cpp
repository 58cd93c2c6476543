// Selection along the other side of an encoder's product: each feature chooses its inputs.
//
//   column_topk_linear  for each feature its own number of rows, those of its largest positive u = x·Wᵀ + b; or by magnitude
//
// No choice of one feature depends on another's, so a block of features is done with when its product has been looked at; but a
// feature must see all rows before it can choose, so that blocks get narrower as batches get larger.
#include "code_selection.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sort.h>
#include <torch/library.h>

namespace {

using namespace ct;
using at::Tensor;

constexpr int64_t columnBytes = 16 << 20;  // bound on the memory of a product

void checkBudgets(const Tensor &weight, const Tensor &budgets) {
  TORCH_CHECK(budgets.dim() == 1 && budgets.size(0) == weight.size(0) && budgets.scalar_type() == at::kLong, "the budgets must be int64 with one entry a row of the weight ", weight.sizes());
}

// Sorts what was kept feature by feature into rows; features rise in each.
template <typename T>
RaggedSelected transposed(const std::vector<RowEntries<T>> &columns, int64_t rows, const at::TensorOptions &options) {
  Tensor offsets = at::zeros({rows + 1}, options.dtype(at::kLong));
  int64_t *offset = offsets.mutable_data_ptr<int64_t>();
  for (const auto &column : columns)
    for (int64_t row : column.indices) ++offset[row + 1];
  for (int64_t r = 0; r < rows; ++r) offset[r + 1] += offset[r];
  Tensor values = at::empty({offset[rows]}, options), indices = at::empty({offset[rows]}, options.dtype(at::kLong));
  T *v = values.mutable_data_ptr<T>();
  int64_t *index = indices.mutable_data_ptr<int64_t>();
  std::vector<int64_t> next(offset, offset + rows);
  for (size_t feature = 0; feature < columns.size(); ++feature)
    for (size_t j = 0; j < columns[feature].values.size(); ++j) {
      const int64_t place = next[columns[feature].indices[j]]++;
      v[place] = columns[feature].values[j];
      index[place] = static_cast<int64_t>(feature);
    }
  return {values, indices, offsets};
}

// Products are [features, rows], so that each feature's pre-activations lie side by side and are selected from like a row of k
// entries.
template <typename T, bool Signed>
RaggedSelected selectColumns(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, const int64_t *budgets) {
  const int64_t rows = input.size(0), features = weight.size(0);
  const int64_t block = std::max<int64_t>(1, std::min(productFeatures, columnBytes / std::max<int64_t>(1, rows * input.element_size())));
  Tensor buffer = at::empty({std::min(block, features), rows}, input.options());
  std::vector<RowEntries<T>> columns(features);
  for (int64_t feature = 0; feature < features; feature += block) {
    const int64_t width = std::min(block, features - feature);
    Tensor product = buffer.narrow(0, 0, width);
    if (bias) at::addmm_out(product, bias->narrow(0, feature, width).unsqueeze(1), weight.narrow(0, feature, width), input.t());
    else at::mm_out(product, weight.narrow(0, feature, width), input.t());
    const T *pre = constData<T>(product);
    parallelChunks(width, rowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t f = begin; f < end; ++f) {
        const int64_t budget = std::min(budgets[feature + f], rows);
        if (budget <= 0) continue;
        Selector<T, Signed> selector(1, budget);
        selector.scan(0, pre + f * rows, nullptr, 0, rows);
        RowEntries<T> &column = columns[feature + f];
        column.values.resize(budget);
        column.indices.resize(budget);
        selector.finish(0, column.values.data(), column.indices.data());
        column.filter([](T value) { return value != T(0); });
      }
    });
  }
  return transposed(columns, rows, input.options());
}

RaggedSelected columnTopkLinearCPU(const Tensor &input_, const Tensor &weight, const OptionalTensor &bias, const Tensor &budgets_, bool isSigned) {
  checkLinear(input_, weight, bias);
  checkBudgets(weight, budgets_);
  const Tensor input = input_.contiguous(), budgets = budgets_.contiguous();
  const int64_t *counts = constData<int64_t>(budgets);
  RaggedSelected result;
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::column_topk_linear", [&] {
    result = isSigned ? selectColumns<scalar_t, true>(input, weight, bias, counts) : selectColumns<scalar_t, false>(input, weight, bias, counts);
  });
  return result;
}

RaggedSelected columnTopkLinearComposite(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, const Tensor &budgets, bool isSigned) {
  const Tensor pre = preActivations(input, weight, bias), size = isSigned ? pre.abs() : pre;
  checkBudgets(weight, budgets);
  const int64_t largest = std::clamp<int64_t>(budgets.numel() > 0 ? budgets.max().item<int64_t>() : 0, 0, pre.size(0));
  const Tensor order = std::get<1>(size.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true)).narrow(0, 0, largest);
  const Tensor isWithin = at::arange(largest, budgets.options()).unsqueeze(1).lt(budgets.unsqueeze(0));
  const Tensor mask = at::zeros(pre.sizes(), pre.options().dtype(at::kBool)).scatter_(0, order, isWithin);
  return entriesWhere(mask.logical_and(size.gt(0)), pre);
}

RaggedSelected columnTopkLinearAutograd(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, const Tensor &budgets, bool isSigned) {
  static auto op = operatorNamed<RaggedSelected(const Tensor &, const Tensor &, const OptionalTensor &, const Tensor &, bool)>("condense::column_topk_linear");
  const SelectedLinear::Select select = [&] { return op.call(input, weight, bias, budgets, isSigned); };
  auto results = SelectedLinear::apply(input, weight, bias, select);
  return {results[0], results[1], results[2]};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("column_topk_linear(Tensor input, Tensor weight, Tensor? bias, Tensor budgets, bool signed) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) { library.impl("column_topk_linear", columnTopkLinearCPU); }

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) { library.impl("column_topk_linear", columnTopkLinearComposite); }

TORCH_LIBRARY_IMPL(condense, Autograd, library) { library.impl("column_topk_linear", columnTopkLinearAutograd); }
