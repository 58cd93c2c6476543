// What the selections of an encoder's product share: the search for the largest numbers, the form of the result, gradients.
#pragma once

#include "parallel.h"
#include "sparse_code.h"
#include "tensor_data.h"
#include "vector_loops.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>
#include <vector>

namespace ct {

using RaggedSelected = std::tuple<at::Tensor, at::Tensor, at::Tensor>;  // values, indices [entries], offsets [rows + 1]

inline constexpr int64_t rowChunk = 16;           // rows a worker takes at once
inline constexpr int64_t productFeatures = 2048;  // features whose pre-activations exist at the same time
inline constexpr int64_t scanBlock = 64;          // pre-activations compared with the threshold at once

inline void checkLinear(const at::Tensor &input, const at::Tensor &weight, const OptionalTensor &bias) {
  TORCH_CHECK(input.dim() == 2 && weight.dim() == 2 && input.size(1) == weight.size(1), "input ", input.sizes(), " and weight ", weight.sizes(), " differ in width");
  TORCH_CHECK(!bias || (bias->dim() == 1 && bias->size(0) == weight.size(0)), "the bias must have one entry a row of the weight ", weight.sizes());
}

// What numbers are compared by.
template <bool Signed, typename T>
T sizeOf(T value) { return Signed ? std::abs(value) : value; }

// Keeps, for each of several rows, the k largest numbers (or magnitudes) above 0 seen so far; of equal ones the first.
template <typename T, bool Signed>
struct Selector {
  struct Entry {
    T size;   // what entries are compared by
    T value;
    int64_t index;
  };
  const int64_t k, capacity;
  std::vector<Entry> entries;  // [rows, capacity]
  std::vector<int64_t> counts;
  std::vector<T> thresholds;   // what a number must exceed to be among the k largest

  Selector(int64_t rows, int64_t k) : k(k), capacity(2 * k + scanBlock), entries(rows * capacity), counts(rows), thresholds(rows) {}

  void reset() {
    std::fill(counts.begin(), counts.end(), 0);
    std::fill(thresholds.begin(), thresholds.end(), T(0));
  }

  static T size(T value) { return sizeOf<Signed>(value); }
  static bool before(const Entry &a, const Entry &b) {
    return a.size > b.size || (a.size == b.size && a.index < b.index);
  }

  // Looks at `count` numbers of a row, whose indices start at `first`.
  void scan(int64_t row, const T *numbers, const T *bias, int64_t first, int64_t count) {
    Entry *kept = entries.data() + row * capacity;
    for (int64_t start = 0; start < count; start += scanBlock) {
      const int64_t length = std::min(scanBlock, count - start);
      const T *x = numbers + start, *b = bias ? bias + start : nullptr;
      // Nearly every block ends here: after the first few the threshold is high.
      const int32_t found = Signed ? countMagnitudeAbove(x, b, thresholds[row], length) : countAbove(x, b, thresholds[row], length);
      if (found == 0) continue;
      for (int64_t i = 0; i < length; ++i) {
        const T value = b ? x[i] + b[i] : x[i];
        if (size(value) > thresholds[row]) kept[counts[row]++] = {size(value), value, first + start + i};
      }
      if (counts[row] >= 2 * k) shrink(row);
    }
  }

  // Likewise for numbers that are compared by scores of their own.
  void scanScored(int64_t row, const T *scores, const T *numbers, const T *bias, int64_t first, int64_t count) {
    Entry *kept = entries.data() + row * capacity;
    for (int64_t start = 0; start < count; start += scanBlock) {
      const int64_t length = std::min(scanBlock, count - start);
      if (countAbove(scores + start, nullptr, thresholds[row], length) == 0) continue;
      for (int64_t i = start; i < start + length; ++i)
        if (scores[i] > thresholds[row]) kept[counts[row]++] = {scores[i], bias ? numbers[i] + bias[i] : numbers[i], first + i};
      if (counts[row] >= 2 * k) shrink(row);
    }
  }

  // Writes a row's result in falling order; places without an active feature hold 0.
  void finish(int64_t row, T *values, int64_t *indices) {
    if (counts[row] > k) shrink(row);
    Entry *kept = entries.data() + row * capacity;
    std::sort(kept, kept + counts[row], before);
    for (int64_t j = 0; j < k; ++j) {
      const bool exists = j < counts[row];
      values[j] = exists ? kept[j].value : T(0);
      indices[j] = exists ? kept[j].index : 0;
    }
  }

 private:
  void shrink(int64_t row) {
    Entry *kept = entries.data() + row * capacity;
    std::nth_element(kept, kept + (k - 1), kept + counts[row], before);
    counts[row] = k;
    thresholds[row] = kept[k - 1].size;
  }
};

// Entries of one row, features rising.
template <typename T>
struct RowEntries {
  std::vector<T> values;
  std::vector<int64_t> indices;

  template <bool Signed>
  void scan(const T *numbers, const T *bias, const T *thresholds, T threshold, int64_t first, int64_t count) {
    for (int64_t start = 0; start < count; start += scanBlock) {
      const int64_t length = std::min(scanBlock, count - start);
      const T *x = numbers + start, *b = bias ? bias + start : nullptr, *t = thresholds ? thresholds + start : nullptr;
      if (!anyAbove<Signed>(x, b, t, threshold, length)) continue;
      for (int64_t i = 0; i < length; ++i) {
        const T value = b ? x[i] + b[i] : x[i];
        if (sizeOf<Signed>(value) > (t ? t[i] : threshold)) {
          values.push_back(value);
          indices.push_back(first + start + i);
        }
      }
    }
  }

  template <bool Signed>
  static bool anyAbove(const T *x, const T *b, const T *t, T threshold, int64_t length) {
    if (t == nullptr) return (Signed ? countMagnitudeAbove(x, b, threshold, length) : countAbove(x, b, threshold, length)) > 0;
    return Signed || countAboveEach(x, b, t, length) > 0;
  }

  // Keeps the entries for which `keeps(value)`.
  template <typename Keeps>
  void filter(const Keeps &keeps) {
    size_t kept = 0;
    for (size_t i = 0; i < values.size(); ++i)
      if (keeps(values[i])) {
        values[kept] = values[i];
        indices[kept++] = indices[i];
      }
    values.resize(kept);
    indices.resize(kept);
  }
};

inline at::Tensor preActivations(const at::Tensor &input, const at::Tensor &weight, const OptionalTensor &bias) {
  checkLinear(input, weight, bias);
  return bias ? at::addmm(*bias, input, weight.t()) : at::mm(input, weight.t());
}

inline RaggedSelected entriesWhere(const at::Tensor &mask, const at::Tensor &pre) {
  const at::Tensor counts = mask.sum(1), places = mask.nonzero();
  return {pre.masked_select(mask), places.select(1, 1).contiguous(), at::cat({at::zeros({1}, counts.options()), counts.cumsum(0)})};
}

// Every selection has the same: that of the kept pre-activations.
struct SelectedLinear : public torch::autograd::Function<SelectedLinear> {
  using Context = torch::autograd::AutogradContext;
  using Tensors = torch::autograd::variable_list;
  using Select = std::function<RaggedSelected()>;

  // Offsets are undefined for k entries a row.
  static Tensors forward(Context *context, const at::Tensor &input, const at::Tensor &weight, const OptionalTensor &bias, const Select &select) {
    at::AutoDispatchBelowADInplaceOrView below;
    auto [values, indices, offsets] = select();
    context->save_for_backward({input, weight, offsets.defined() ? at::Tensor() : values.ne(0), indices, offsets});
    context->saved_data["has_bias"] = bias.has_value();
    if (!offsets.defined()) {
      context->mark_non_differentiable({indices});
      return {values, indices};
    }
    context->mark_non_differentiable({indices, offsets});
    return {values, indices, offsets};
  }

  static Tensors backward(Context *context, Tensors gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &weight = saved[1], &isUsed = saved[2], &indices = saved[3];
    const OptionalTensor offsets = optional(saved[4]);
    // Places that no feature took carry no gradient.
    const at::Tensor gradient = isUsed.defined() ? gradients[0] * isUsed : gradients[0];
    const int64_t features = weight.size(0);
    // An absent bias is no input of the graph and has no number to ask by.
    const bool wantsBias = context->saved_data["has_bias"].toBool() && context->needs_input_grad(2);
    return {context->needs_input_grad(0) ? sparseDecode(gradient, indices, offsets, weight) : at::Tensor(),
            context->needs_input_grad(1) ? sparseScatter(gradient, indices, offsets, input, features) : at::Tensor(),
            wantsBias ? at::zeros({features}, gradient.options()).scatter_add(0, indices.reshape(-1), gradient.reshape(-1)) : at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace ct
