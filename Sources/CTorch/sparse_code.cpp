// Operators on sparse codes: k features a row, as values [B, k] and indices [B, k] into F atoms [F, D].
//
// decode, dot and scatter are each other's gradients, so derivatives of any order work:
//   decode(v, i, A)[b]    = Σ_j v[b,j]·A[i[b,j]]
//   dot(x, i, A)[b,j]     = x[b]·A[i[b,j]]
//   scatter(v, i, x, F)[f] = Σ_{b,j: i[b,j]=f} v[b,j]·x[b]
// Cost O(B·k·D) each instead of the O(B·F·D) of a dense product.
#include "parallel.h"
#include "vector_loops.h"

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <numeric>
#include <utility>
#include <vector>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t rowChunk = 16;       // rows a worker takes at once
constexpr int64_t featureChunk = 64;   // features a worker takes at once when scattering
constexpr int64_t productFeatures = 2048;       // features whose pre-activations exist at the same time
constexpr int64_t selectionBytes = 64 << 20;    // bound on the memory of candidates
constexpr int64_t scanBlock = 64;      // pre-activations compared with the threshold at once

void checkCode(const Tensor &indices, const Tensor &values, int64_t features) {
  TORCH_CHECK(indices.dim() == 2 && indices.scalar_type() == at::kLong, "indices must be int64 [rows, k], got ", indices.sizes());
  TORCH_CHECK(!values.defined() || values.sizes() == indices.sizes(), "values ", values.sizes(), " and indices ", indices.sizes(), " differ");
  if (indices.numel() == 0 || !indices.device().is_cpu()) return;
  const int64_t *begin = indices.const_data_ptr<int64_t>();
  const auto bounds = std::minmax_element(begin, begin + indices.numel());
  TORCH_CHECK(*bounds.first >= 0 && *bounds.second < features, "index out of range: the dictionary has ", features, " features, the indices go from ", *bounds.first, " to ", *bounds.second);
}

// MARK: CPU kernels

Tensor decodeCPU(const Tensor &values_, const Tensor &indices_, const Tensor &atoms_) {
  const Tensor values = values_.contiguous(), indices = indices_.contiguous(), atoms = atoms_.contiguous();
  TORCH_CHECK(atoms.dim() == 2, "atoms must be [features, width], got ", atoms.sizes());
  checkCode(indices, values, atoms.size(0));
  const int64_t rows = indices.size(0), k = indices.size(1), width = atoms.size(1);
  Tensor result = at::empty({rows, width}, atoms.options());
  AT_DISPATCH_FLOATING_TYPES(atoms.scalar_type(), "condense::sparse_decode", [&] {
    const scalar_t *v = values.const_data_ptr<scalar_t>(), *a = atoms.const_data_ptr<scalar_t>();
    const int64_t *index = indices.const_data_ptr<int64_t>();
    scalar_t *out = result.mutable_data_ptr<scalar_t>();
    ct::parallelChunks(rows, rowChunk, [&](int64_t begin, int64_t end) {
      std::fill(out + begin * width, out + end * width, scalar_t(0));
      for (int64_t b = begin; b < end; ++b)
        for (int64_t j = b * k; j < (b + 1) * k; ++j)
          if (v[j] != 0) ct::addScaled(out + b * width, a + index[j] * width, v[j], width);
    });
  });
  return result;
}

Tensor dotCPU(const Tensor &input_, const Tensor &indices_, const Tensor &atoms_) {
  const Tensor input = input_.contiguous(), indices = indices_.contiguous(), atoms = atoms_.contiguous();
  TORCH_CHECK(input.dim() == 2 && atoms.dim() == 2 && input.size(1) == atoms.size(1), "input ", input.sizes(), " and atoms ", atoms.sizes(), " differ in width");
  checkCode(indices, Tensor(), atoms.size(0));
  const int64_t rows = indices.size(0), k = indices.size(1), width = atoms.size(1);
  TORCH_CHECK(input.size(0) == rows, "input ", input.sizes(), " and indices ", indices.sizes(), " differ in rows");
  Tensor result = at::empty({rows, k}, atoms.options());
  AT_DISPATCH_FLOATING_TYPES(atoms.scalar_type(), "condense::sparse_dot", [&] {
    const scalar_t *x = input.const_data_ptr<scalar_t>(), *a = atoms.const_data_ptr<scalar_t>();
    const int64_t *index = indices.const_data_ptr<int64_t>();
    scalar_t *out = result.mutable_data_ptr<scalar_t>();
    ct::parallelChunks(rows, rowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b)
        for (int64_t j = b * k; j < (b + 1) * k; ++j) out[j] = ct::dotProduct(x + b * width, a + index[j] * width, width);
    });
  });
  return result;
}

// Entries of a code ordered by feature: `order[start[f] ..< start[f + 1]]` are the positions that hold f, rising.
struct ByFeature {
  std::vector<int64_t> start, order;
  ByFeature(const int64_t *indices, int64_t count, int64_t features) : start(features + 1), order(count) {
    for (int64_t i = 0; i < count; ++i) ++start[indices[i] + 1];
    std::partial_sum(start.begin(), start.end(), start.begin());
    std::vector<int64_t> next(start.begin(), start.end() - 1);
    for (int64_t i = 0; i < count; ++i) order[next[indices[i]]++] = i;
  }
};

Tensor scatterCPU(const Tensor &values_, const Tensor &indices_, const Tensor &input_, int64_t features) {
  const Tensor values = values_.contiguous(), indices = indices_.contiguous(), input = input_.contiguous();
  checkCode(indices, values, features);
  TORCH_CHECK(input.dim() == 2 && input.size(0) == indices.size(0), "input ", input.sizes(), " and indices ", indices.sizes(), " differ in rows");
  const int64_t k = indices.size(1), width = input.size(1);
  Tensor result = at::empty({features, width}, input.options());
  const int64_t *index = indices.const_data_ptr<int64_t>();
  const ByFeature by(index, indices.numel(), features);
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::sparse_scatter", [&] {
    const scalar_t *v = values.const_data_ptr<scalar_t>(), *x = input.const_data_ptr<scalar_t>();
    scalar_t *out = result.mutable_data_ptr<scalar_t>();
    // Each feature is one worker's alone, and adds its rows in order: no atomics, the same bits always.
    ct::parallelChunks(features, featureChunk, [&](int64_t begin, int64_t end) {
      std::fill(out + begin * width, out + end * width, scalar_t(0));
      for (int64_t f = begin; f < end; ++f)
        for (int64_t i = by.start[f]; i < by.start[f + 1]; ++i) {
          const int64_t position = by.order[i];
          if (v[position] != 0) ct::addScaled(out + f * width, x + (position / k) * width, v[position], width);
        }
    });
  });
  return result;
}

// Keeps, for each of several rows, the k largest positive numbers seen so far; of equal ones the first.
template <typename T>
struct Selector {
  struct Entry {
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

  static bool before(const Entry &a, const Entry &b) { return a.value > b.value || (a.value == b.value && a.index < b.index); }

  // Looks at `count` numbers of a row, whose indices start at `first`.
  void scan(int64_t row, const T *numbers, const T *bias, int64_t first, int64_t count) {
    Entry *kept = entries.data() + row * capacity;
    for (int64_t start = 0; start < count; start += scanBlock) {
      const int64_t length = std::min(scanBlock, count - start);
      // Nearly every block ends here: after the first few the threshold is high.
      if (ct::countAbove(numbers + start, bias ? bias + start : nullptr, thresholds[row], length) == 0) continue;
      for (int64_t i = start; i < start + length; ++i) {
        const T value = bias ? numbers[i] + bias[i] : numbers[i];
        if (value > thresholds[row]) kept[counts[row]++] = {value, first + i};
      }
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
    thresholds[row] = kept[k - 1].value;
  }
};

void checkLinear(const Tensor &input, const Tensor &weight, const std::optional<Tensor> &bias, int64_t k) {
  TORCH_CHECK(input.dim() == 2 && weight.dim() == 2 && input.size(1) == weight.size(1), "input ", input.sizes(), " and weight ", weight.sizes(), " differ in width");
  TORCH_CHECK(!bias || (bias->dim() == 1 && bias->size(0) == weight.size(0)), "the bias must have one entry a row of the weight ", weight.sizes());
  TORCH_CHECK(k >= 1 && k <= weight.size(0), "k is ", k, " but there are ", weight.size(0), " features");
}

// The product is made for a block of features at a time, so that the weight is packed once and the
// block's pre-activations are still in the cache when they are looked at.
std::tuple<Tensor, Tensor> topkLinearCPU(const Tensor &input_, const Tensor &weight, const std::optional<Tensor> &bias_, int64_t k) {
  checkLinear(input_, weight, bias_, k);
  const Tensor input = input_.contiguous();
  const Tensor bias = bias_ ? bias_->contiguous() : Tensor();
  const int64_t rows = input.size(0), features = weight.size(0);
  const int64_t rowBlock = std::min(rows, std::max(rowChunk, selectionBytes / (32 * (k + scanBlock))));
  Tensor values = at::empty({rows, k}, input.options()), indices = at::empty({rows, k}, input.options().dtype(at::kLong));
  Tensor buffer = at::empty({rowBlock * std::min(features, productFeatures)}, input.options());
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::topk_linear", [&] {
    const scalar_t *b = bias.defined() ? bias.const_data_ptr<scalar_t>() : nullptr;
    scalar_t *v = values.mutable_data_ptr<scalar_t>();
    int64_t *index = indices.mutable_data_ptr<int64_t>();
    Selector<scalar_t> selector(rowBlock, k);
    for (int64_t row = 0; row < rows; row += rowBlock) {
      const int64_t height = std::min(rowBlock, rows - row);
      const Tensor slice = input.narrow(0, row, height);
      selector.reset();
      for (int64_t feature = 0; feature < features; feature += productFeatures) {
        const int64_t width = std::min(productFeatures, features - feature);
        Tensor product = buffer.narrow(0, 0, height * width).view({height, width});
        at::mm_out(product, slice, weight.narrow(0, feature, width).t());
        const scalar_t *pre = product.const_data_ptr<scalar_t>();
        ct::parallelChunks(height, rowChunk, [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) selector.scan(r, pre + r * width, b ? b + feature : nullptr, feature, width);
        });
      }
      ct::parallelChunks(height, rowChunk, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) selector.finish(r, v + (row + r) * k, index + (row + r) * k);
      });
    }
  });
  return {values, indices};
}

// MARK: Any other device, composed of libtorch's operators

Tensor decodeComposite(const Tensor &values, const Tensor &indices, const Tensor &atoms) {
  Tensor result = at::zeros({indices.size(0), atoms.size(1)}, atoms.options());
  for (int64_t j = 0; j < indices.size(1); ++j) result.addcmul_(atoms.index_select(0, indices.select(1, j)), values.narrow(1, j, 1));
  return result;
}

Tensor dotComposite(const Tensor &input, const Tensor &indices, const Tensor &atoms) {
  Tensor result = at::empty(indices.sizes(), atoms.options());
  for (int64_t j = 0; j < indices.size(1); ++j) result.select(1, j).copy_((input * atoms.index_select(0, indices.select(1, j))).sum(1));
  return result;
}

Tensor scatterComposite(const Tensor &values, const Tensor &indices, const Tensor &input, int64_t features) {
  Tensor result = at::zeros({features, input.size(1)}, input.options());
  for (int64_t j = 0; j < indices.size(1); ++j) result.index_add_(0, indices.select(1, j), values.narrow(1, j, 1) * input);
  return result;
}

std::tuple<Tensor, Tensor> topkLinearComposite(const Tensor &input, const Tensor &weight, const std::optional<Tensor> &bias, int64_t k) {
  checkLinear(input, weight, bias, k);
  const Tensor pre = bias ? at::addmm(*bias, input, weight.t()) : at::mm(input, weight.t());
  auto [values, indices] = pre.topk(k, 1);
  return {values.clamp_min(0), indices};
}

// MARK: Through the dispatcher, and gradients

template <typename Signature>
auto typed(const char *name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

Tensor decode(const Tensor &values, const Tensor &indices, const Tensor &atoms) {
  static auto op = typed<Tensor(const Tensor &, const Tensor &, const Tensor &)>("condense::sparse_decode");
  return op.call(values, indices, atoms);
}

Tensor dot(const Tensor &input, const Tensor &indices, const Tensor &atoms) {
  static auto op = typed<Tensor(const Tensor &, const Tensor &, const Tensor &)>("condense::sparse_dot");
  return op.call(input, indices, atoms);
}

Tensor scatter(const Tensor &values, const Tensor &indices, const Tensor &input, int64_t features) {
  static auto op = typed<Tensor(const Tensor &, const Tensor &, const Tensor &, int64_t)>("condense::sparse_scatter");
  return op.call(values, indices, input, features);
}

struct Decode : public torch::autograd::Function<Decode> {
  static Tensor forward(AutogradContext *context, const Tensor &values, const Tensor &indices, const Tensor &atoms) {
    context->save_for_backward({values, indices, atoms});
    at::AutoDispatchBelowADInplaceOrView below;
    return decode(values, indices, atoms);
  }
  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &values = saved[0], &indices = saved[1], &atoms = saved[2], &gradient = gradients[0];
    return {context->needs_input_grad(0) ? dot(gradient, indices, atoms) : Tensor(), Tensor(),
            context->needs_input_grad(2) ? scatter(values, indices, gradient, atoms.size(0)) : Tensor()};
  }
};

struct Dot : public torch::autograd::Function<Dot> {
  static Tensor forward(AutogradContext *context, const Tensor &input, const Tensor &indices, const Tensor &atoms) {
    context->save_for_backward({input, indices, atoms});
    at::AutoDispatchBelowADInplaceOrView below;
    return dot(input, indices, atoms);
  }
  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &input = saved[0], &indices = saved[1], &atoms = saved[2], &gradient = gradients[0];
    return {context->needs_input_grad(0) ? decode(gradient, indices, atoms) : Tensor(), Tensor(),
            context->needs_input_grad(2) ? scatter(gradient, indices, input, atoms.size(0)) : Tensor()};
  }
};

struct Scatter : public torch::autograd::Function<Scatter> {
  static Tensor forward(AutogradContext *context, const Tensor &values, const Tensor &indices, const Tensor &input, int64_t features) {
    context->save_for_backward({values, indices, input});
    at::AutoDispatchBelowADInplaceOrView below;
    return scatter(values, indices, input, features);
  }
  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &values = saved[0], &indices = saved[1], &input = saved[2], &gradient = gradients[0];
    return {context->needs_input_grad(0) ? dot(input, indices, gradient) : Tensor(), Tensor(),
            context->needs_input_grad(2) ? decode(values, indices, gradient) : Tensor(), Tensor()};
  }
};

struct TopkLinear : public torch::autograd::Function<TopkLinear> {
  static variable_list forward(AutogradContext *context, const Tensor &input, const Tensor &weight, const std::optional<Tensor> &bias, int64_t k) {
    at::AutoDispatchBelowADInplaceOrView below;
    static auto op = typed<std::tuple<Tensor, Tensor>(const Tensor &, const Tensor &, const std::optional<Tensor> &, int64_t)>("condense::topk_linear");
    auto [values, indices] = op.call(input, weight, bias, k);
    context->mark_non_differentiable({indices});
    context->save_for_backward({input, weight, values.gt(0), indices});
    context->saved_data["has_bias"] = bias.has_value();
    return {values, indices};
  }
  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &input = saved[0], &weight = saved[1], &positive = saved[2], &indices = saved[3];
    const Tensor gradient = gradients[0] * positive;  // ReLU: unused places carry no gradient
    const int64_t features = weight.size(0);
    return {context->needs_input_grad(0) ? decode(gradient, indices, weight) : Tensor(),
            context->needs_input_grad(1) ? scatter(gradient, indices, input, features) : Tensor(),
            // An absent bias is no input of the graph and has no number to ask by.
            context->saved_data["has_bias"].toBool() && context->needs_input_grad(2) ? at::zeros({features}, gradient.options()).scatter_add(0, indices.reshape(-1), gradient.reshape(-1)) : Tensor(),
            Tensor()};
  }
};

std::tuple<Tensor, Tensor> topkLinearAutograd(const Tensor &input, const Tensor &weight, const std::optional<Tensor> &bias, int64_t k) {
  auto results = TopkLinear::apply(input, weight, bias, k);
  return {results[0], results[1]};
}

}  // namespace

TORCH_LIBRARY(condense, library) {
  library.def("sparse_decode(Tensor values, Tensor indices, Tensor atoms) -> Tensor");
  library.def("sparse_dot(Tensor input, Tensor indices, Tensor atoms) -> Tensor");
  library.def("sparse_scatter(Tensor values, Tensor indices, Tensor input, int features) -> Tensor");
  library.def("topk_linear(Tensor input, Tensor weight, Tensor? bias, int k) -> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) {
  library.impl("sparse_decode", decodeCPU);
  library.impl("sparse_dot", dotCPU);
  library.impl("sparse_scatter", scatterCPU);
  library.impl("topk_linear", topkLinearCPU);
}

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) {
  library.impl("sparse_decode", decodeComposite);
  library.impl("sparse_dot", dotComposite);
  library.impl("sparse_scatter", scatterComposite);
  library.impl("topk_linear", topkLinearComposite);
}

TORCH_LIBRARY_IMPL(condense, Autograd, library) {
  library.impl("sparse_decode", [](const Tensor &v, const Tensor &i, const Tensor &a) { return Decode::apply(v, i, a); });
  library.impl("sparse_dot", [](const Tensor &x, const Tensor &i, const Tensor &a) { return Dot::apply(x, i, a); });
  library.impl("sparse_scatter", [](const Tensor &v, const Tensor &i, const Tensor &x, int64_t f) { return Scatter::apply(v, i, x, f); });
  library.impl("topk_linear", topkLinearAutograd);
}
