// Operators on sparse codes (laid out as in sparse_code.h) of F atoms [F, D].
//
// decode, dot and scatter are each other's gradients, so derivatives of any order work. They cost O(entries·D) each instead of
// the O(rows·F·D) of a dense product. Where a code is so full that the dense product is faster they make it, by what the code
// holds alone, so that equal codes give equal bits.
#include "sparse_code.h"

#include "parallel.h"
#include "tensor_data.h"
#include "vector_loops.h"

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <numeric>
#include <vector>

namespace {

using at::Tensor;
using ct::OptionalTensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t rowChunk = 16;       // rows a worker takes at once
constexpr int64_t featureChunk = 64;   // features a worker takes at once when scattering
constexpr int64_t denseShare = 16;     // a code with more than one entry in so many places is decoded as a matrix
constexpr int64_t denseWidth = 16;     // atoms narrower than this gain nothing by it
constexpr int64_t entryBlock = 1 << 16;  // entries whose atoms are gathered at once where there is no kernel of our own

// MARK: Layout

// A code in contiguous memory, checked.
struct Code {
  Tensor values, indices, offsets;
  int64_t rows, k, entries;
  const int64_t *index, *offset;

  // `values` may be undefined.
  Code(const Tensor &values_, const Tensor &indices_, const OptionalTensor &offsets_, int64_t features)
      : values(values_.defined() ? values_.contiguous() : values_), indices(indices_.contiguous()), offsets(offsets_ ? offsets_->contiguous() : Tensor()) {
    checkShapes(values, indices, offsets);
    rows = offsets.defined() ? offsets.size(0) - 1 : indices.size(0);
    k = offsets.defined() ? 0 : indices.size(1);
    entries = indices.numel();
    index = ct::constData<int64_t>(indices);
    offset = offsets.defined() ? ct::constData<int64_t>(offsets) : nullptr;
    if (offset) {
      ct::checkOffsets(offset, rows, entries);
    }
    if (entries == 0) return;
    const auto bounds = std::minmax_element(index, index + entries);
    TORCH_CHECK(*bounds.first >= 0 && *bounds.second < features, "index out of range: the dictionary has ", features, " features, the indices go from ", *bounds.first, " to ", *bounds.second);
  }

  static void checkShapes(const Tensor &values, const Tensor &indices, const Tensor &offsets) {
    TORCH_CHECK(indices.scalar_type() == at::kLong && indices.dim() == (offsets.defined() ? 1 : 2), "indices must be int64, [rows, k] or with offsets [entries], got ", indices.sizes());
    TORCH_CHECK(!values.defined() || values.sizes() == indices.sizes(), "values ", values.sizes(), " and indices ", indices.sizes(), " differ");
    TORCH_CHECK(!offsets.defined() || (offsets.scalar_type() == at::kLong && offsets.dim() == 1 && offsets.size(0) > 0), "offsets must be int64 [rows + 1]");
  }

  int64_t begin(int64_t row) const { return offset ? offset[row] : row * k; }
  int64_t end(int64_t row) const { return begin(row + 1); }

  bool isFull(int64_t features, int64_t width) const { return width >= denseWidth && entries * denseShare > rows * features; }

  // The code with its zeros, [rows, features].
  template <typename T>
  Tensor dense(int64_t features) const {
    Tensor result = at::zeros({rows, features}, values.options());
    const T *v = ct::constData<T>(values);
    T *out = result.mutable_data_ptr<T>();
    ct::parallelChunks(rows, rowChunk, [&](int64_t first, int64_t last) {
      for (int64_t b = first; b < last; ++b)
        for (int64_t j = begin(b); j < end(b); ++j) out[b * features + index[j]] += v[j];
    });
    return result;
  }
};

// The entries of a code by feature: those of f are at start[f] ..< start[f + 1], rows rising.
struct ByFeature {
  std::vector<int64_t> start, entry, row;

  ByFeature(const Code &code, int64_t features) : start(features + 1), entry(code.entries), row(code.entries) {
    for (int64_t i = 0; i < code.entries; ++i) ++start[code.index[i] + 1];
    std::partial_sum(start.begin(), start.end(), start.begin());
    std::vector<int64_t> next(start.begin(), start.end() - 1);
    for (int64_t b = 0; b < code.rows; ++b)
      for (int64_t i = code.begin(b); i < code.end(b); ++i) {
        const int64_t place = next[code.index[i]]++;
        entry[place] = i;
        row[place] = b;
      }
  }
};

// MARK: CPU kernels

Tensor decodeCPU(const Tensor &values, const Tensor &indices, const OptionalTensor &offsets, const Tensor &atoms_) {
  const Tensor atoms = atoms_.contiguous();
  TORCH_CHECK(atoms.dim() == 2, "atoms must be [features, width], got ", atoms.sizes());
  const int64_t features = atoms.size(0), width = atoms.size(1);
  const Code code(values, indices, offsets, features);
  Tensor result;
  AT_DISPATCH_FLOATING_TYPES(atoms.scalar_type(), "condense::sparse_decode", [&] {
    if (code.isFull(features, width)) {
      result = at::mm(code.dense<scalar_t>(features), atoms);
      return;
    }
    result = at::empty({code.rows, width}, atoms.options());
    const scalar_t *v = ct::constData<scalar_t>(code.values), *a = ct::constData<scalar_t>(atoms);
    scalar_t *out = result.mutable_data_ptr<scalar_t>();
    ct::parallelChunks(code.rows, rowChunk, [&](int64_t begin, int64_t end) {
      std::fill(out + begin * width, out + end * width, scalar_t(0));
      for (int64_t b = begin; b < end; ++b)
        for (int64_t j = code.begin(b); j < code.end(b); ++j)
          if (v[j] != 0) ct::addScaled(out + b * width, a + code.index[j] * width, v[j], width);
    });
  });
  return result;
}

Tensor dotCPU(const Tensor &input_, const Tensor &indices, const OptionalTensor &offsets, const Tensor &atoms_) {
  const Tensor input = input_.contiguous(), atoms = atoms_.contiguous();
  TORCH_CHECK(input.dim() == 2 && atoms.dim() == 2 && input.size(1) == atoms.size(1), "input ", input.sizes(), " and atoms ", atoms.sizes(), " differ in width");
  const int64_t features = atoms.size(0), width = atoms.size(1);
  const Code code(Tensor(), indices, offsets, features);
  TORCH_CHECK(input.size(0) == code.rows, "input ", input.sizes(), " and a code of ", code.rows, " rows differ");
  Tensor result = at::empty(code.indices.sizes(), atoms.options());
  AT_DISPATCH_FLOATING_TYPES(atoms.scalar_type(), "condense::sparse_dot", [&] {
    const bool isFull = code.isFull(features, width);
    const Tensor products = isFull ? at::mm(input, atoms.t()) : Tensor();
    const scalar_t *p = isFull ? ct::constData<scalar_t>(products) : nullptr;
    const scalar_t *x = ct::constData<scalar_t>(input), *a = ct::constData<scalar_t>(atoms);
    scalar_t *out = result.mutable_data_ptr<scalar_t>();
    ct::parallelChunks(code.rows, rowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b)
        for (int64_t j = code.begin(b); j < code.end(b); ++j)
          out[j] = p ? p[b * features + code.index[j]] : ct::dotProduct(x + b * width, a + code.index[j] * width, width);
    });
  });
  return result;
}

Tensor scatterCPU(const Tensor &values, const Tensor &indices, const OptionalTensor &offsets, const Tensor &input_, int64_t features) {
  const Tensor input = input_.contiguous();
  const Code code(values, indices, offsets, features);
  TORCH_CHECK(input.dim() == 2 && input.size(0) == code.rows, "input ", input.sizes(), " and a code of ", code.rows, " rows differ");
  const int64_t width = input.size(1);
  Tensor result;
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::sparse_scatter", [&] {
    if (code.isFull(features, width)) {
      result = at::mm(code.dense<scalar_t>(features).t(), input);
      return;
    }
    result = at::empty({features, width}, input.options());
    const ByFeature by(code, features);
    const scalar_t *v = ct::constData<scalar_t>(code.values), *x = ct::constData<scalar_t>(input);
    scalar_t *out = result.mutable_data_ptr<scalar_t>();
    // Each feature is one worker's alone, and adds its rows in order: no atomics, the same bits always.
    ct::parallelChunks(features, featureChunk, [&](int64_t begin, int64_t end) {
      std::fill(out + begin * width, out + end * width, scalar_t(0));
      for (int64_t f = begin; f < end; ++f)
        for (int64_t i = by.start[f]; i < by.start[f + 1]; ++i)
          if (const scalar_t value = v[by.entry[i]]; value != 0) ct::addScaled(out + f * width, x + by.row[i] * width, value, width);
    });
  });
  return result;
}

// MARK: Any other device, composed of libtorch's operators

// Calls `body(start, length, rows)` for blocks of a code's entries; `rows` is the int64 tensor of the rows they belong to.
template <typename Body>
void forEachBlock(const Tensor &indices, const OptionalTensor &offsets, const Body &body) {
  const int64_t entries = indices.numel();
  const Tensor counts = offsets ? offsets->diff() : Tensor();
  const Tensor rows = offsets ? at::repeat_interleave(counts) : at::arange(indices.size(0), indices.options()).repeat_interleave(indices.size(1));
  for (int64_t start = 0; start < entries; start += entryBlock) {
    const int64_t length = std::min(entryBlock, entries - start);
    body(start, length, rows.narrow(0, start, length));
  }
}

Tensor decodeComposite(const Tensor &values, const Tensor &indices, const OptionalTensor &offsets, const Tensor &atoms) {
  Code::checkShapes(values, indices, offsets.value_or(Tensor()));
  const Tensor v = values.reshape(-1), index = indices.reshape(-1);
  Tensor result = at::zeros({offsets ? offsets->size(0) - 1 : indices.size(0), atoms.size(1)}, atoms.options());
  forEachBlock(indices, offsets, [&](int64_t start, int64_t length, const Tensor &rows) {
    result.index_add_(0, rows, atoms.index_select(0, index.narrow(0, start, length)) * v.narrow(0, start, length).unsqueeze(1));
  });
  return result;
}

Tensor dotComposite(const Tensor &input, const Tensor &indices, const OptionalTensor &offsets, const Tensor &atoms) {
  Code::checkShapes(Tensor(), indices, offsets.value_or(Tensor()));
  const Tensor index = indices.reshape(-1);
  Tensor result = at::empty({indices.numel()}, atoms.options());
  forEachBlock(indices, offsets, [&](int64_t start, int64_t length, const Tensor &rows) {
    result.narrow(0, start, length).copy_((input.index_select(0, rows) * atoms.index_select(0, index.narrow(0, start, length))).sum(1));
  });
  return result.view(indices.sizes());
}

Tensor scatterComposite(const Tensor &values, const Tensor &indices, const OptionalTensor &offsets, const Tensor &input, int64_t features) {
  Code::checkShapes(values, indices, offsets.value_or(Tensor()));
  const Tensor v = values.reshape(-1), index = indices.reshape(-1);
  Tensor result = at::zeros({features, input.size(1)}, input.options());
  forEachBlock(indices, offsets, [&](int64_t start, int64_t length, const Tensor &rows) {
    result.index_add_(0, index.narrow(0, start, length), input.index_select(0, rows) * v.narrow(0, start, length).unsqueeze(1));
  });
  return result;
}

// MARK: Gradients

// Offsets come last: an absent tensor is no input of the graph, and would shift the numbers of those behind it.

struct Decode : public torch::autograd::Function<Decode> {
  static Tensor forward(AutogradContext *context, const Tensor &values, const Tensor &indices, const Tensor &atoms, const OptionalTensor &offsets) {
    context->save_for_backward({values, indices, atoms, offsets.value_or(Tensor())});
    at::AutoDispatchBelowADInplaceOrView below;
    return ct::sparseDecode(values, indices, offsets, atoms);
  }
  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &values = saved[0], &indices = saved[1], &atoms = saved[2], &gradient = gradients[0];
    const OptionalTensor offsets = ct::optional(saved[3]);
    return {context->needs_input_grad(0) ? ct::sparseDot(gradient, indices, offsets, atoms) : Tensor(), Tensor(),
            context->needs_input_grad(2) ? ct::sparseScatter(values, indices, offsets, gradient, atoms.size(0)) : Tensor(), Tensor()};
  }
};

struct Dot : public torch::autograd::Function<Dot> {
  static Tensor forward(AutogradContext *context, const Tensor &input, const Tensor &indices, const Tensor &atoms, const OptionalTensor &offsets) {
    context->save_for_backward({input, indices, atoms, offsets.value_or(Tensor())});
    at::AutoDispatchBelowADInplaceOrView below;
    return ct::sparseDot(input, indices, offsets, atoms);
  }
  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &input = saved[0], &indices = saved[1], &atoms = saved[2], &gradient = gradients[0];
    const OptionalTensor offsets = ct::optional(saved[3]);
    return {context->needs_input_grad(0) ? ct::sparseDecode(gradient, indices, offsets, atoms) : Tensor(), Tensor(),
            context->needs_input_grad(2) ? ct::sparseScatter(gradient, indices, offsets, input, atoms.size(0)) : Tensor(), Tensor()};
  }
};

struct Scatter : public torch::autograd::Function<Scatter> {
  static Tensor forward(AutogradContext *context, const Tensor &values, const Tensor &indices, const Tensor &input, const OptionalTensor &offsets, int64_t features) {
    context->save_for_backward({values, indices, input, offsets.value_or(Tensor())});
    at::AutoDispatchBelowADInplaceOrView below;
    return ct::sparseScatter(values, indices, offsets, input, features);
  }
  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &values = saved[0], &indices = saved[1], &input = saved[2], &gradient = gradients[0];
    const OptionalTensor offsets = ct::optional(saved[3]);
    return {context->needs_input_grad(0) ? ct::sparseDot(input, indices, offsets, gradient) : Tensor(), Tensor(),
            context->needs_input_grad(2) ? ct::sparseDecode(values, indices, offsets, gradient) : Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

// MARK: Through the dispatcher

at::Tensor ct::sparseDecode(const Tensor &values, const Tensor &indices, const OptionalTensor &offsets, const Tensor &atoms) {
  static auto op = operatorNamed<Tensor(const Tensor &, const Tensor &, const OptionalTensor &, const Tensor &)>("condense::sparse_decode");
  return op.call(values, indices, offsets, atoms);
}

at::Tensor ct::sparseDot(const Tensor &input, const Tensor &indices, const OptionalTensor &offsets, const Tensor &atoms) {
  static auto op = operatorNamed<Tensor(const Tensor &, const Tensor &, const OptionalTensor &, const Tensor &)>("condense::sparse_dot");
  return op.call(input, indices, offsets, atoms);
}

at::Tensor ct::sparseScatter(const Tensor &values, const Tensor &indices, const OptionalTensor &offsets, const Tensor &input, int64_t features) {
  static auto op = operatorNamed<Tensor(const Tensor &, const Tensor &, const OptionalTensor &, const Tensor &, int64_t)>("condense::sparse_scatter");
  return op.call(values, indices, offsets, input, features);
}

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("sparse_decode(Tensor values, Tensor indices, Tensor? offsets, Tensor atoms) -> Tensor");
  library.def("sparse_dot(Tensor input, Tensor indices, Tensor? offsets, Tensor atoms) -> Tensor");
  library.def("sparse_scatter(Tensor values, Tensor indices, Tensor? offsets, Tensor input, int features) -> Tensor");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) {
  library.impl("sparse_decode", decodeCPU);
  library.impl("sparse_dot", dotCPU);
  library.impl("sparse_scatter", scatterCPU);
}

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) {
  library.impl("sparse_decode", decodeComposite);
  library.impl("sparse_dot", dotComposite);
  library.impl("sparse_scatter", scatterComposite);
}

TORCH_LIBRARY_IMPL(condense, Autograd, library) {
  library.impl("sparse_decode", [](const Tensor &v, const Tensor &i, const OptionalTensor &o, const Tensor &a) {
    return Decode::apply(v, i, a, o);
  });
  library.impl("sparse_dot", [](const Tensor &x, const Tensor &i, const OptionalTensor &o, const Tensor &a) {
    return Dot::apply(x, i, a, o);
  });
  library.impl("sparse_scatter", [](const Tensor &v, const Tensor &i, const OptionalTensor &o, const Tensor &x, int64_t f) {
    return Scatter::apply(v, i, x, o, f);
  });
}
