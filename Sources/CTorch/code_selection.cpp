// Encoders' products that keep only the features they select: u = x·Wᵀ + b for a block of features at a time, so that the
// weight is packed once and the block's pre-activations are still in the cache when they are looked at. The dense u never
// exists as a whole, and the gradient touches selected features alone.
//
//   topk_linear         in each row the k largest positive u, or the k of largest magnitude
//   gradient_topk_linear  the same k of u > 0, by u·(base + scale·|g·atom|) for a gradient g of each row
//   threshold_linear    all u above 0, or above a threshold of each feature; or by magnitude
//   batch_topk_linear   the `count` largest positive u of all rows together; or by magnitude
#include "code_selection.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/topk.h>
#include <torch/library.h>

namespace {

using namespace ct;
using at::Tensor;

using Selected = std::tuple<Tensor, Tensor>;  // values, indices [rows, k]

constexpr int64_t productBytes = 64 << 20;    // bound on the memory of a product
constexpr int64_t selectionBytes = 64 << 20;  // bound on the memory of candidates

void checkK(const Tensor &weight, int64_t k) {
  TORCH_CHECK(k >= 1 && k <= weight.size(0), "k is ", k, " but there are ", weight.size(0), " features");
}

// Calls `body(product, row, height, feature, width)` with the bias-free pre-activations [height, width] of each block.
template <typename T, typename Body>
void forEachProduct(const Tensor &input, const Tensor &weight, int64_t rowBlock, const Body &body) {
  const int64_t rows = input.size(0), features = weight.size(0);
  Tensor buffer = at::empty({std::min(rows, rowBlock) * std::min(features, productFeatures)}, input.options());
  for (int64_t row = 0; row < rows; row += rowBlock) {
    const int64_t height = std::min(rowBlock, rows - row);
    const Tensor slice = input.narrow(0, row, height);
    for (int64_t feature = 0; feature < features; feature += productFeatures) {
      const int64_t width = std::min(productFeatures, features - feature);
      Tensor product = buffer.narrow(0, 0, height * width).view({height, width});
      at::mm_out(product, slice, weight.narrow(0, feature, width).t());
      body(constData<T>(product), row, height, feature, width);
    }
  }
}

// MARK: k entries a row

template <typename T, bool Signed>
void selectRows(const Tensor &input, const Tensor &weight, const T *bias, int64_t k, T *values, int64_t *indices) {
  const int64_t rowBlock = std::max(rowChunk, std::min(input.size(0), selectionBytes / (32 * (k + scanBlock))));
  Selector<T, Signed> selector(std::min(rowBlock, input.size(0)), k);
  const int64_t features = weight.size(0);
  forEachProduct<T>(input, weight, rowBlock, [&](const T *pre, int64_t row, int64_t height, int64_t feature, int64_t width) {
    if (feature == 0) selector.reset();
    const bool isLast = feature + width == features;
    parallelChunks(height, rowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        selector.scan(r, pre + r * width, bias ? bias + feature : nullptr, feature, width);
        if (isLast) selector.finish(r, values + (row + r) * k, indices + (row + r) * k);
      }
    });
  });
}

Selected topkLinearCPU(const Tensor &input_, const Tensor &weight, const OptionalTensor &bias_, int64_t k, bool isSigned) {
  checkLinear(input_, weight, bias_);
  checkK(weight, k);
  const Tensor input = input_.contiguous();
  const Tensor bias = bias_ ? bias_->contiguous() : Tensor();
  Tensor values = at::empty({input.size(0), k}, input.options()), indices = at::empty({input.size(0), k}, input.options().dtype(at::kLong));
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::topk_linear", [&] {
    const scalar_t *b = bias.defined() ? constData<scalar_t>(bias) : nullptr;
    auto select = isSigned ? selectRows<scalar_t, true> : selectRows<scalar_t, false>;
    select(input, weight, b, k, values.mutable_data_ptr<scalar_t>(), indices.mutable_data_ptr<int64_t>());
  });
  return {values, indices};
}

// MARK: k entries a row by their effect on a loss

struct Scoring {
  Tensor gradient, atoms, scales;  // [rows, width], [features, width], [features]
  double base;

  void check(const Tensor &input, const Tensor &weight) const {
    TORCH_CHECK(gradient.dim() == 2 && gradient.size(0) == input.size(0), "gradient ", gradient.sizes(), " and input ", input.sizes(), " differ in rows");
    TORCH_CHECK(atoms.dim() == 2 && atoms.size(0) == weight.size(0) && atoms.size(1) == gradient.size(1), "atoms ", atoms.sizes(), " do not fit the gradient ", gradient.sizes(), " and ", weight.size(0), " features");
    TORCH_CHECK(scales.dim() == 1 && scales.size(0) == weight.size(0), "the scales must have one entry for each of ", weight.size(0), " features");
  }
};

template <typename T>
bool isZero(const T *numbers, int64_t count) {
  return std::all_of(numbers, numbers + count, [](T value) { return value == 0; });
}

// Both products exist for a block of features alone; scores take the place of the second.
template <typename T>
void selectRowsScored(const Tensor &input, const Tensor &weight, const T *bias, const Scoring &scoring, int64_t k, T *values, int64_t *indices) {
  const int64_t rowBlock = std::max(rowChunk, std::min(input.size(0), selectionBytes / (32 * (k + scanBlock))));
  Selector<T, false> selector(std::min(rowBlock, input.size(0)), k);
  const int64_t features = weight.size(0), width = scoring.gradient.size(1);
  const T *gradient = ct::constData<T>(scoring.gradient), *scales = ct::constData<T>(scoring.scales);
  Tensor buffer = at::empty({std::min(rowBlock, input.size(0)) * std::min(features, productFeatures)}, input.options());
  forEachProduct<T>(input, weight, rowBlock, [&](const T *pre, int64_t row, int64_t height, int64_t feature, int64_t count) {
    Tensor effects = buffer.narrow(0, 0, height * count).view({height, count});
    at::mm_out(effects, scoring.gradient.narrow(0, row, height), scoring.atoms.narrow(0, feature, count).t());
    T *scores = effects.mutable_data_ptr<T>();
    if (feature == 0) selector.reset();
    const bool isLast = feature + count == features;
    const T *b = bias ? bias + feature : nullptr;
    ct::parallelChunks(height, rowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        // Without any gradient features are compared by size alone.
        const T base = scoring.base == 0 && isZero(gradient + (row + r) * width, width) ? T(1) : T(scoring.base);
        ct::scoreByEffect(scores + r * count, pre + r * count, b, scales + feature, base, count);
        selector.scanScored(r, scores + r * count, pre + r * count, b, feature, count);
        if (isLast) selector.finish(r, values + (row + r) * k, indices + (row + r) * k);
      }
    });
  });
}

Selected gradientTopkLinearCPU(const Tensor &input_, const Tensor &weight, const OptionalTensor &bias_, const Tensor &gradient, const Tensor &atoms, const Tensor &scales, int64_t k, double base) {
  checkLinear(input_, weight, bias_);
  checkK(weight, k);
  const Scoring scoring{gradient.contiguous(), atoms.contiguous(), scales.contiguous(), base};
  scoring.check(input_, weight);
  const Tensor input = input_.contiguous();
  const Tensor bias = bias_ ? bias_->contiguous() : Tensor();
  Tensor values = at::empty({input.size(0), k}, input.options()), indices = at::empty({input.size(0), k}, input.options().dtype(at::kLong));
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::gradient_topk_linear", [&] {
    const scalar_t *b = bias.defined() ? ct::constData<scalar_t>(bias) : nullptr;
    selectRowsScored<scalar_t>(input, weight, b, scoring, k, values.mutable_data_ptr<scalar_t>(), indices.mutable_data_ptr<int64_t>());
  });
  return {values, indices};
}

// MARK: Any number of entries a row

template <typename T>
RaggedSelected joined(const std::vector<RowEntries<T>> &rows, const at::TensorOptions &options) {
  const int64_t count = static_cast<int64_t>(rows.size());
  Tensor offsets = at::empty({count + 1}, options.dtype(at::kLong));
  int64_t *offset = offsets.mutable_data_ptr<int64_t>();
  offset[0] = 0;
  for (int64_t r = 0; r < count; ++r) offset[r + 1] = offset[r] + static_cast<int64_t>(rows[r].values.size());
  Tensor values = at::empty({offset[count]}, options), indices = at::empty({offset[count]}, options.dtype(at::kLong));
  T *v = values.mutable_data_ptr<T>();
  int64_t *index = indices.mutable_data_ptr<int64_t>();
  parallelChunks(count, rowChunk, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      std::copy(rows[r].values.begin(), rows[r].values.end(), v + offset[r]);
      std::copy(rows[r].indices.begin(), rows[r].indices.end(), index + offset[r]);
    }
  });
  return {values, indices, offsets};
}

int64_t productRows(const Tensor &input) { return std::max(rowChunk, productBytes / (productFeatures * input.element_size())); }

RaggedSelected thresholdLinearCPU(const Tensor &input_, const Tensor &weight, const OptionalTensor &bias_, const OptionalTensor &threshold_, bool isSigned) {
  checkLinear(input_, weight, bias_);
  TORCH_CHECK(!threshold_ || (threshold_->dim() == 1 && threshold_->size(0) == weight.size(0)), "the threshold must have one entry a row of the weight ", weight.sizes());
  const Tensor input = input_.contiguous();
  const Tensor bias = bias_ ? bias_->contiguous() : Tensor(), threshold = threshold_ ? threshold_->contiguous() : Tensor();
  RaggedSelected result;
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::threshold_linear", [&] {
    const scalar_t *b = bias.defined() ? constData<scalar_t>(bias) : nullptr;
    const scalar_t *t = threshold.defined() ? constData<scalar_t>(threshold) : nullptr;
    std::vector<RowEntries<scalar_t>> kept(input.size(0));
    forEachProduct<scalar_t>(input, weight, productRows(input), [&](const scalar_t *pre, int64_t row, int64_t height, int64_t feature, int64_t width) {
      parallelChunks(height, rowChunk, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          auto scan = isSigned ? &RowEntries<scalar_t>::template scan<true> : &RowEntries<scalar_t>::template scan<false>;
          (kept[row + r].*scan)(pre + r * width, b ? b + feature : nullptr, t ? t + feature : nullptr, 0, feature, width);
        }
      });
    });
    result = joined(kept, input.options());
  });
  return result;
}

// The `count` largest entries of all rows; of equal ones the first in order of rows and features.
template <typename T, bool Signed>
struct BatchSelector {
  const int64_t count;
  std::vector<RowEntries<T>> rows;
  T threshold = 0;  // what a number must exceed to be considered

  BatchSelector(int64_t rows, int64_t count) : count(count), rows(rows) {}

  int64_t total() const {
    int64_t sum = 0;
    for (const auto &row : rows) sum += static_cast<int64_t>(row.values.size());
    return sum;
  }

  // The smallest number that is among the `count` largest.
  T smallestKept() const {
    std::vector<T> all;
    all.reserve(total());
    for (const auto &row : rows)
      for (T value : row.values) all.push_back(sizeOf<Signed>(value));
    std::nth_element(all.begin(), all.begin() + (count - 1), all.end(), std::greater<T>());
    return all[count - 1];
  }

  template <typename Keeps>
  void filter(const Keeps &keeps) {
    parallelChunks(static_cast<int64_t>(rows.size()), rowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) rows[r].filter(keeps);
    });
  }

  // Drops what cannot be among the largest. Equal numbers stay: which of them count is known in the end only.
  void shrink() {
    const T smallest = smallestKept();
    threshold = std::nextafter(smallest, T(0));
    filter([smallest](T value) { return sizeOf<Signed>(value) >= smallest; });
  }

  void finish() {
    if (total() <= count) return;
    const T smallest = smallestKept();
    int64_t above = 0;
    for (const auto &row : rows)
      for (T value : row.values) above += sizeOf<Signed>(value) > smallest;
    int64_t equal = count - above;
    for (auto &row : rows)
      row.filter([&](T value) { return sizeOf<Signed>(value) > smallest || (sizeOf<Signed>(value) == smallest && equal-- > 0); });
  }
};

template <typename T, bool Signed>
RaggedSelected selectBatch(const Tensor &input, const Tensor &weight, const T *bias, int64_t count) {
  BatchSelector<T, Signed> selector(input.size(0), count);
  forEachProduct<T>(input, weight, productRows(input), [&](const T *pre, int64_t row, int64_t height, int64_t feature, int64_t width) {
    parallelChunks(height, rowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        selector.rows[row + r].template scan<Signed>(pre + r * width, bias ? bias + feature : nullptr, nullptr, selector.threshold, feature, width);
    });
    if (selector.total() > 2 * count) selector.shrink();
  });
  selector.finish();
  return joined(selector.rows, input.options());
}

RaggedSelected batchTopkLinearCPU(const Tensor &input_, const Tensor &weight, const OptionalTensor &bias_, int64_t count, bool isSigned) {
  checkLinear(input_, weight, bias_);
  TORCH_CHECK(count >= 1, "the number of entries to keep must be positive, got ", count);
  const Tensor input = input_.contiguous();
  const Tensor bias = bias_ ? bias_->contiguous() : Tensor();
  RaggedSelected result;
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::batch_topk_linear", [&] {
    const scalar_t *b = bias.defined() ? constData<scalar_t>(bias) : nullptr;
    result = isSigned ? selectBatch<scalar_t, true>(input, weight, b, count) : selectBatch<scalar_t, false>(input, weight, b, count);
  });
  return result;
}

// MARK: Any other device, composed of libtorch's operators

Selected topkLinearComposite(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, int64_t k, bool isSigned) {
  const Tensor pre = preActivations(input, weight, bias);
  checkK(weight, k);
  if (isSigned) {
    const Tensor indices = std::get<1>(pre.abs().topk(k, 1));
    return {pre.gather(1, indices), indices};
  }
  auto [values, indices] = pre.topk(k, 1);
  return {values.clamp_min(0), indices};
}

Selected gradientTopkLinearComposite(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, const Tensor &gradient, const Tensor &atoms, const Tensor &scales, int64_t k, double base) {
  const Tensor pre = preActivations(input, weight, bias).clamp_min(0);
  checkK(weight, k);
  Scoring{gradient, atoms, scales, base}.check(input, weight);
  Tensor bases = at::full({gradient.size(0), 1}, base, gradient.options());
  if (base == 0) bases = gradient.ne(0).any(1, true).logical_not().to(gradient.scalar_type());
  const Tensor indices = std::get<1>((pre * (at::mm(gradient, atoms.t()).abs() * scales + bases)).topk(k, 1));
  return {pre.gather(1, indices), indices};
}

RaggedSelected thresholdLinearComposite(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, const OptionalTensor &threshold, bool isSigned) {
  const Tensor pre = preActivations(input, weight, bias), size = isSigned ? pre.abs() : pre;
  return entriesWhere(threshold ? size.gt(*threshold) : size.gt(0), pre);
}

RaggedSelected batchTopkLinearComposite(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, int64_t count, bool isSigned) {
  const Tensor pre = preActivations(input, weight, bias), size = isSigned ? pre.abs() : pre;
  TORCH_CHECK(count >= 1, "the number of entries to keep must be positive, got ", count);
  const Tensor kept = std::get<1>(size.reshape(-1).topk(std::min(count, pre.numel())));
  const Tensor mask = at::zeros({pre.numel()}, pre.options().dtype(at::kBool)).index_fill_(0, kept, 1).view(pre.sizes());
  return entriesWhere(mask.logical_and(size.gt(0)), pre);
}

// MARK: Gradients

Selected topkLinearAutograd(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, int64_t k, bool isSigned) {
  static auto op = operatorNamed<Selected(const Tensor &, const Tensor &, const OptionalTensor &, int64_t, bool)>("condense::topk_linear");
  const SelectedLinear::Select select = [&]() -> RaggedSelected {
    auto [values, indices] = op.call(input, weight, bias, k, isSigned);
    return {values, indices, Tensor()};
  };
  auto results = SelectedLinear::apply(input, weight, bias, select);
  return {results[0], results[1]};
}

// Which features are kept is a constant: nothing flows back to gradient, atoms and scales.
Selected gradientTopkLinearAutograd(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, const Tensor &gradient, const Tensor &atoms, const Tensor &scales, int64_t k, double base) {
  static auto op = ct::operatorNamed<Selected(const Tensor &, const Tensor &, const OptionalTensor &, const Tensor &, const Tensor &, const Tensor &, int64_t, double)>("condense::gradient_topk_linear");
  const SelectedLinear::Select select = [&]() -> RaggedSelected {
    auto [values, indices] = op.call(input, weight, bias, gradient, atoms, scales, k, base);
    return {values, indices, Tensor()};
  };
  auto results = SelectedLinear::apply(input, weight, bias, select);
  return {results[0], results[1]};
}

RaggedSelected thresholdLinearAutograd(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, const OptionalTensor &threshold, bool isSigned) {
  static auto op = operatorNamed<RaggedSelected(const Tensor &, const Tensor &, const OptionalTensor &, const OptionalTensor &, bool)>("condense::threshold_linear");
  const SelectedLinear::Select select = [&] { return op.call(input, weight, bias, threshold, isSigned); };
  auto results = SelectedLinear::apply(input, weight, bias, select);
  return {results[0], results[1], results[2]};
}

RaggedSelected batchTopkLinearAutograd(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, int64_t count, bool isSigned) {
  static auto op = operatorNamed<RaggedSelected(const Tensor &, const Tensor &, const OptionalTensor &, int64_t, bool)>("condense::batch_topk_linear");
  const SelectedLinear::Select select = [&] { return op.call(input, weight, bias, count, isSigned); };
  auto results = SelectedLinear::apply(input, weight, bias, select);
  return {results[0], results[1], results[2]};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("topk_linear(Tensor input, Tensor weight, Tensor? bias, int k, bool signed) -> (Tensor, Tensor)");
  library.def("gradient_topk_linear(Tensor input, Tensor weight, Tensor? bias, Tensor gradient, Tensor atoms, Tensor scales, int k, float base) -> (Tensor, Tensor)");
  library.def("threshold_linear(Tensor input, Tensor weight, Tensor? bias, Tensor? threshold, bool signed) -> (Tensor, Tensor, Tensor)");
  library.def("batch_topk_linear(Tensor input, Tensor weight, Tensor? bias, int count, bool signed) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) {
  library.impl("topk_linear", topkLinearCPU);
  library.impl("gradient_topk_linear", gradientTopkLinearCPU);
  library.impl("threshold_linear", thresholdLinearCPU);
  library.impl("batch_topk_linear", batchTopkLinearCPU);
}

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) {
  library.impl("topk_linear", topkLinearComposite);
  library.impl("gradient_topk_linear", gradientTopkLinearComposite);
  library.impl("threshold_linear", thresholdLinearComposite);
  library.impl("batch_topk_linear", batchTopkLinearComposite);
}

TORCH_LIBRARY_IMPL(condense, Autograd, library) {
  library.impl("topk_linear", topkLinearAutograd);
  library.impl("gradient_topk_linear", gradientTopkLinearAutograd);
  library.impl("threshold_linear", thresholdLinearAutograd);
  library.impl("batch_topk_linear", batchTopkLinearAutograd);
}
