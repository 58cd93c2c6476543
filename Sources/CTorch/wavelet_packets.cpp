// Wavelet packets: the biorthogonal 4.4 filters (Cohen, Daubechies, Feauveau 1992), periodic, every band split again.
//
//   wavelet_packet  [B, C, N] → [B, C·2^J, N/2^J], or [B, C, H, W] → [B, C·4^J, H/2^J, W/2^J], and transposed
//
// One level makes two outputs of ten neighbours, y_f[n] = Σ_j w_f[j]·x[(2n − 4 + j) mod N]. The transposed map with the reconstruction
// filters is the inverse. The two axes of an image do not touch each other, so all levels of a row are made while it lies in the first cache,
// then all levels of a strip of columns while it lies in the second.
#include "parallel.h"
#include "tensor_data.h"

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/conv_transpose1d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <vector>

namespace ct {

// y0 and y1 of ten inputs each: y_f[i] = Σ_j c[10·f + j]·x[j][i].
#define CT_PAIR_LOOPS(T)                                                                                            \
  CT_VECTORIZED void pairOfSums(T *__restrict y0, T *__restrict y1, const T *const *x, const T *c, int64_t count) { \
    _Pragma("clang fp contract(fast)") const T *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3], *x4 = x[4];          \
    const T *x5 = x[5], *x6 = x[6], *x7 = x[7], *x8 = x[8], *x9 = x[9];                                             \
    for (int64_t i = 0; i < count; ++i) {                                                                           \
      const T a0 = x0[i], a1 = x1[i], a2 = x2[i], a3 = x3[i], a4 = x4[i];                                           \
      const T a5 = x5[i], a6 = x6[i], a7 = x7[i], a8 = x8[i], a9 = x9[i];                                           \
      y0[i] = (c[0] * a0 + c[1] * a1 + c[2] * a2 + c[3] * a3 + c[4] * a4) + (c[5] * a5 + c[6] * a6 + c[7] * a7 + c[8] * a8 + c[9] * a9); \
      y1[i] = (c[10] * a0 + c[11] * a1 + c[12] * a2 + c[13] * a3 + c[14] * a4) + (c[15] * a5 + c[16] * a6 + c[17] * a7 + c[18] * a8 + c[19] * a9); \
    }                                                                                                               \
  }                                                                                                                 \
  CT_VECTORIZED void takeApart(T *__restrict even, T *__restrict odd, const T *__restrict x, int64_t count) {       \
    for (int64_t i = 0; i < count; ++i) {                                                                           \
      even[i] = x[2 * i];                                                                                           \
      odd[i] = x[2 * i + 1];                                                                                        \
    }                                                                                                               \
  }                                                                                                                 \
  CT_VECTORIZED void putTogether(T *__restrict x, const T *__restrict even, const T *__restrict odd, int64_t count) { \
    for (int64_t i = 0; i < count; ++i) {                                                                           \
      x[2 * i] = even[i];                                                                                           \
      x[2 * i + 1] = odd[i];                                                                                        \
    }                                                                                                               \
  }

CT_PAIR_LOOPS(float)
CT_PAIR_LOOPS(double)

}  // namespace ct

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t taps = 10;
constexpr int64_t margin = 2;                 // places that a level needs beyond either end of a half
constexpr int64_t mostLevels = 16;
constexpr int64_t rowElements = 1 << 14;      // elements of the rows that a worker takes at once
constexpr int64_t stripElements = 1 << 15;    // elements of a strip of columns
constexpr int64_t narrowestStrip = 16;

// w_f[j], low then high. Those of analysis are the decomposition filters backwards.
constexpr double analysisFilters[2 * taps] = {
    0.03782845550726404, -0.023849465019556843, -0.11062440441843718, 0.37740285561283066, 0.8526986790088938, 0.37740285561283066, -0.11062440441843718, -0.023849465019556843, 0.03782845550726404, 0,
    0, 0, -0.06453888262869706, 0.04068941760916406, 0.41809227322161724, -0.7884856164055829, 0.41809227322161724, 0.04068941760916406, -0.06453888262869706, 0};
constexpr double reconstructionFilters[2 * taps] = {
    0, -0.06453888262869706, -0.04068941760916406, 0.41809227322161724, 0.7884856164055829, 0.41809227322161724, -0.04068941760916406, -0.06453888262869706, 0, 0,
    0, -0.03782845550726404, -0.023849465019556843, 0.11062440441843718, 0.37740285561283066, -0.8526986790088938, 0.37740285561283066, 0.11062440441843718, -0.023849465019556843, -0.03782845550726404};

const double *filters(bool reconstruction) { return reconstruction ? reconstructionFilters : analysisFilters; }

// MARK: Sizes

// What the operator is asked for.
struct Plan {
  int64_t levels, axes;
  bool transposed;
  int64_t bands;             // of one axis
  int64_t planes;            // signals or pictures
  int64_t height, width;     // of one of them; a signal has one row
  std::vector<int64_t> result;

  Plan(const Tensor &input, int64_t levels, int64_t axes, bool transposed) : levels(levels), axes(axes), transposed(transposed) {
    TORCH_CHECK(axes == 1 || axes == 2, "wavelet packets have 1 or 2 axes, not ", axes);
    TORCH_CHECK(levels >= 0 && levels <= mostLevels, "from 0 to ", mostLevels, " levels are possible, not ", levels);
    TORCH_CHECK(input.dim() == axes + 2, "the input must be [batch, channels, ", axes == 1 ? "length" : "height, width", "], found ", input.sizes());
    bands = int64_t(1) << levels;
    const int64_t all = axes == 1 ? bands : bands * bands;
    result = input.sizes().vec();
    if (transposed) {
      TORCH_CHECK(result[1] % all == 0, "the channels of ", input.sizes(), " are not a multiple of ", all);
      result[1] /= all;
      for (int64_t axis = 2; axis < axes + 2; ++axis) result[axis] *= bands;
    } else {
      result[1] *= all;
      for (int64_t axis = 2; axis < axes + 2; ++axis) {
        TORCH_CHECK(result[axis] % bands == 0, "sides must be multiples of ", bands, " for ", levels, " levels, found ", input.sizes());
        result[axis] /= bands;
      }
    }
    const auto signal = transposed ? at::IntArrayRef(result) : input.sizes();
    planes = signal[0] * signal[1];
    height = axes == 2 ? signal[2] : 1;
    width = signal[axes + 1];
  }
};

// MARK: Kernel

// The factors of pairOfSums: ten neighbours into low and high, or five of each band into an even and an odd place.
template <typename T>
struct Factors {
  T values[2 * taps];

  Factors(bool reconstruction, bool transposed) {
    const double *w = filters(reconstruction);
    for (int64_t output = 0; output < 2; ++output)
      for (int64_t j = 0; j < taps; ++j)
        values[taps * output + j] = static_cast<T>(transposed ? w[taps * (j / 5) + 2 * (j % 5) + output] : w[taps * output + j]);
  }
};

int64_t wrapped(int64_t place, int64_t count) { return ((place % count) + count) % count; }

// Fills the places beyond both ends of `count` numbers that begin at x + margin.
template <typename T>
void wrapMargins(T *x, int64_t count) {
  for (int64_t i = 0; i < margin; ++i) x[i] = x[margin + wrapped(i - margin, count)];
  for (int64_t i = 0; i < margin; ++i) x[margin + count + i] = x[margin + wrapped(i, count)];
}

// All levels of one row, in memory of its own.
template <typename T>
struct RowWorker {
  const Plan &plan;
  const Factors<T> factors;
  std::vector<T> a, b, first, second, evens, odds;

  RowWorker(const Plan &plan, bool reconstruction)
      : plan(plan), factors(reconstruction, plan.transposed), a(plan.width), b(plan.width), first(plan.width / 2 + 2 * margin),
        second(plan.width / 2 + 2 * margin), evens(plan.width / 2 + 1), odds(plan.width / 2 + 1) {}

  void split(T *target, const T *x, int64_t length) {
    const int64_t half = length / 2;
    ct::takeApart(first.data() + margin, second.data() + margin, x, half);
    wrapMargins(first.data(), half);
    wrapMargins(second.data(), half);
    const T *inputs[taps];
    for (int64_t j = 0; j < taps; ++j) inputs[j] = (j % 2 == 0 ? first : second).data() + j / 2;
    ct::pairOfSums(target, target + half, inputs, factors.values, half);
  }

  void join(T *target, const T *x, int64_t length) {
    const int64_t half = length / 2;
    std::copy(x, x + half, first.data() + margin);
    std::copy(x + half, x + length, second.data() + margin);
    wrapMargins(first.data(), half);
    wrapMargins(second.data(), half);
    const T *inputs[taps];
    for (int64_t j = 0; j < taps; ++j) inputs[j] = (j < 5 ? first : second).data() + 4 - j % 5;
    ct::pairOfSums(evens.data(), odds.data(), inputs, factors.values, half);
    ct::putTogether(target, evens.data(), odds.data(), half);
  }

  void run(T *target, const T *source) {
    std::copy(source, source + plan.width, a.data());
    for (int64_t step = 0; step < plan.levels; ++step) {
      const int64_t level = plan.transposed ? plan.levels - 1 - step : step, length = plan.width >> level;
      for (int64_t start = 0; start < plan.width; start += length) {
        if (plan.transposed) join(b.data() + start, a.data() + start, length);
        else split(b.data() + start, a.data() + start, length);
      }
      std::swap(a, b);
    }
    std::copy(a.begin(), a.end(), target);
  }
};

// All levels of a strip of columns, whose rows lie one after the other.
template <typename T>
struct StripWorker {
  const Plan &plan;
  const Factors<T> factors;
  std::vector<T> a, b;

  StripWorker(const Plan &plan, bool reconstruction, int64_t columns)
      : plan(plan), factors(reconstruction, plan.transposed), a(plan.height * columns), b(plan.height * columns) {}

  void run(int64_t columns) {
    const T *inputs[taps];
    for (int64_t step = 0; step < plan.levels; ++step) {
      const int64_t level = plan.transposed ? plan.levels - 1 - step : step, length = plan.height >> level, half = length / 2;
      for (int64_t start = 0; start < plan.height; start += length) {
        const T *x = a.data() + start * columns;
        T *y = b.data() + start * columns;
        for (int64_t n = 0; n < half; ++n) {
          if (plan.transposed) {
            for (int64_t j = 0; j < taps; ++j) inputs[j] = x + ((j < 5 ? 0 : half) + wrapped(n + 2 - j % 5, half)) * columns;
            ct::pairOfSums(y + 2 * n * columns, y + (2 * n + 1) * columns, inputs, factors.values, columns);
          } else {
            for (int64_t j = 0; j < taps; ++j) inputs[j] = x + wrapped(2 * n - 4 + j, length) * columns;
            ct::pairOfSums(y + n * columns, y + (half + n) * columns, inputs, factors.values, columns);
          }
        }
      }
      std::swap(a, b);
    }
  }
};

// The channel of a band of width and one of height: for each level, the finer ones last, 2·(width is high) + (height is high).
int64_t channel(int64_t bandOfWidth, int64_t bandOfHeight, int64_t levels) {
  int64_t result = 0;
  for (int64_t level = levels - 1; level >= 0; --level)
    result = 4 * result + 2 * (bandOfWidth >> level & 1) + (bandOfHeight >> level & 1);
  return result;
}

// Calls `body(packed, column, count)` for the pieces of a row of a strip that lie together in the channels: `packed` counts elements
// of a picture's channels.
template <typename Body>
void forPieces(const Plan &plan, int64_t row, int64_t begin, int64_t end, const Body &body) {
  const int64_t h = plan.height / plan.bands, w = plan.width / plan.bands;
  for (int64_t column = begin; column < end;) {
    const int64_t stop = std::min(end, (column / w + 1) * w);
    body((channel(column / w, row / h, plan.levels) * h + row % h) * w + column % w, column, stop - column);
    column = stop;
  }
}

template <typename T>
void transformRows(const Plan &plan, bool reconstruction, T *target, const T *source) {
  const int64_t rows = plan.planes * plan.height;
  ct::parallelChunks(rows, std::max<int64_t>(1, rowElements / std::max<int64_t>(1, plan.width)), [&](int64_t begin, int64_t end) {
    RowWorker<T> worker(plan, reconstruction);
    for (int64_t row = begin; row < end; ++row) worker.run(target + row * plan.width, source + row * plan.width);
  });
}

// Columns of `rows` [plane, H, W] against the channels.
template <typename T>
void transformColumns(const Plan &plan, bool reconstruction, T *target, const T *source) {
  const int64_t size = plan.height * plan.width;
  const int64_t fitting = stripElements / std::max<int64_t>(1, plan.height) / narrowestStrip * narrowestStrip;
  const int64_t columns = std::min(plan.width, std::max(narrowestStrip, fitting));
  const int64_t strips = (plan.width + columns - 1) / columns;
  ct::parallelChunks(plan.planes * strips, 1, [&](int64_t first, int64_t last) {
    StripWorker<T> worker(plan, reconstruction, columns);
    for (int64_t index = first; index < last; ++index) {
      const int64_t plane = index / strips, begin = index % strips * columns, end = std::min(plan.width, begin + columns), count = end - begin;
      const T *from = source + plane * size;
      T *to = target + plane * size;
      for (int64_t row = 0; row < plan.height; ++row) {
        T *line = worker.a.data() + row * count;
        if (!plan.transposed) std::copy(from + row * plan.width + begin, from + row * plan.width + end, line);
        else forPieces(plan, row, begin, end, [&](int64_t packed, int64_t column, int64_t n) { std::copy(from + packed, from + packed + n, line + column - begin); });
      }
      worker.run(count);
      for (int64_t row = 0; row < plan.height; ++row) {
        const T *line = worker.a.data() + row * count;
        if (plan.transposed) std::copy(line, line + count, to + row * plan.width + begin);
        else forPieces(plan, row, begin, end, [&](int64_t packed, int64_t column, int64_t n) { std::copy(line + column - begin, line + column - begin + n, to + packed); });
      }
    }
  });
}

Tensor waveletPacketCPU(const Tensor &input_, int64_t levels, int64_t axes, bool transposed, bool reconstruction) {
  const Plan plan(input_, levels, axes, transposed);
  const Tensor input = input_.contiguous();
  Tensor result = at::empty(plan.result, input.options());
  if (result.numel() == 0) return result;
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::wavelet_packet", [&] {
    const scalar_t *source = ct::constData<scalar_t>(input);
    scalar_t *target = static_cast<scalar_t *>(result.mutable_data_ptr());
    if (axes == 1) return transformRows(plan, reconstruction, target, source);
    Tensor between = at::empty({input.numel()}, input.options());
    scalar_t *middle = static_cast<scalar_t *>(between.mutable_data_ptr());
    if (transposed) {
      transformColumns(plan, reconstruction, middle, source);
      transformRows(plan, reconstruction, target, static_cast<const scalar_t *>(middle));
    } else {
      transformRows(plan, reconstruction, middle, source);
      transformColumns(plan, reconstruction, target, static_cast<const scalar_t *>(middle));
    }
  });
  return result;
}

// MARK: Composed of libtorch's operators

// One level along the last axis: [R, N] → [R, 2, N/2], or back.
Tensor levelComposite(const Tensor &x, const Tensor &weight, bool transposed) {
  if (!transposed) {
    const int64_t length = x.size(-1);
    const Tensor places = at::arange(-4, length + 4, x.options().dtype(at::kLong)).remainder(length);
    return at::conv1d(x.unsqueeze(1).index_select(-1, places), weight, {}, 2);
  }
  const int64_t length = 2 * x.size(-1);
  const Tensor long_ = at::conv_transpose1d(x, weight, {}, 2).squeeze(1);
  const Tensor places = at::arange(-4, length + 4, x.options().dtype(at::kLong)).remainder(length);
  return at::zeros({x.size(0), length}, x.options()).index_add(-1, places, long_);
}

// All levels along the last axis: [R, N] → [R·2^J, N/2^J], or back.
Tensor axisComposite(Tensor x, const Tensor &weight, int64_t levels, bool transposed) {
  for (int64_t level = 0; level < levels; ++level)
    x = transposed ? levelComposite(x.reshape({-1, 2, x.size(-1)}), weight, true) : levelComposite(x, weight, false).flatten(0, 1);
  return x;
}

Tensor waveletPacketComposite(const Tensor &input, int64_t levels, int64_t axes, bool transposed, bool reconstruction) {
  const Plan plan(input, levels, axes, transposed);
  const double *w = filters(reconstruction);
  const Tensor weight = at::tensor(at::ArrayRef<double>(w, 2 * taps), at::kDouble).to(input.options()).reshape({2, 1, taps});
  if (axes == 1) return axisComposite(input.reshape({-1, input.size(-1)}), weight, levels, transposed).reshape(plan.result);
  const int64_t h = plan.height / plan.bands, w_ = plan.width / plan.bands;
  // [plane, width₁, height₁, width₂, height₂, …, h, w] against [plane, height₁, height₂, …, h, width₁, width₂, …, w].
  std::vector<int64_t> apart = {0}, mixed = {plan.planes}, separate = {plan.planes};
  for (int64_t level = 0; level < levels; ++level) apart.push_back(2 + 2 * level);
  apart.push_back(1 + 2 * levels);
  for (int64_t level = 0; level < levels; ++level) apart.push_back(1 + 2 * level);
  apart.push_back(2 + 2 * levels);
  mixed.insert(mixed.end(), 2 * levels, 2);
  mixed.insert(mixed.end(), {h, w_});
  separate.insert(separate.end(), levels, 2);
  separate.push_back(h);
  separate.insert(separate.end(), levels, 2);
  separate.push_back(w_);
  if (transposed) {
    Tensor x = axisComposite(input.reshape(mixed).permute(apart).reshape({-1, w_}), weight, levels, true);
    x = x.reshape({plan.planes, plan.height, plan.width}).transpose(1, 2).reshape({-1, h});
    return axisComposite(x, weight, levels, true).reshape({plan.planes, plan.width, plan.height}).transpose(1, 2).reshape(plan.result);
  }
  Tensor x = axisComposite(input.reshape({-1, plan.width}), weight, levels, false).reshape({plan.planes, plan.height, plan.width});
  x = axisComposite(x.transpose(1, 2).reshape({-1, plan.height}), weight, levels, false).reshape({plan.planes, plan.width, plan.height}).transpose(1, 2);
  std::vector<int64_t> together(apart.size());
  for (size_t place = 0; place < apart.size(); ++place) together[apart[place]] = static_cast<int64_t>(place);
  return x.reshape(separate).permute(together).reshape(plan.result);
}

// MARK: Gradient

Tensor waveletPacket(const Tensor &input, int64_t levels, int64_t axes, bool transposed, bool reconstruction) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("condense::wavelet_packet", "").typed<Tensor(const Tensor &, int64_t, int64_t, bool, bool)>();
  return op.call(input, levels, axes, transposed, reconstruction);
}

struct WaveletPacket : public torch::autograd::Function<WaveletPacket> {
  static Tensor forward(AutogradContext *context, const Tensor &input, int64_t levels, int64_t axes, bool transposed, bool reconstruction) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->saved_data["levels"] = levels;
    context->saved_data["axes"] = axes;
    context->saved_data["transposed"] = transposed;
    context->saved_data["reconstruction"] = reconstruction;
    return waveletPacket(input, levels, axes, transposed, reconstruction);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto &saved = context->saved_data;
    const Tensor gradient = waveletPacket(
        gradients[0], saved.at("levels").toInt(), saved.at("axes").toInt(), !saved.at("transposed").toBool(), saved.at("reconstruction").toBool());
    return {gradient, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("wavelet_packet(Tensor input, int levels, int axes, bool transposed, bool reconstruction) -> Tensor");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) { library.impl("wavelet_packet", waveletPacketCPU); }

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) { library.impl("wavelet_packet", waveletPacketComposite); }

TORCH_LIBRARY_IMPL(condense, Autograd, library) {
  library.impl("wavelet_packet", [](const Tensor &input, int64_t levels, int64_t axes, bool transposed, bool reconstruction) {
    return WaveletPacket::apply(input, levels, axes, transposed, reconstruction);
  });
}
