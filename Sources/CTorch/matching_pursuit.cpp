// Matching pursuit (Mallat & Zhang 1993) of many rows at once over one dictionary: in each step a row takes the atom that its
// residual has most of, and loses that part. Selecting and taking are one operator, so that no [rows, features] product of a step
// is kept for the gradient, which is that of the unrolled loop with the selection held fixed.
//
// With ŵ_j = w_j/‖w_j‖ a step is  j = argmax r·ŵ_j,  v = r·w_j/‖w_j‖²,  r ← r − v·w_j. The products q = r·Ŵᵀ of the next step are
// either made anew (by products) or follow from the last ones, q ← q − (r·ŵ_j)·ŵ_jŴᵀ (by the Gram matrix ŴŴᵀ), which then costs
// one of its rows instead of F products. Residuals and values come from the atoms themselves on both ways.
#include "sparse_code.h"

#include "parallel.h"
#include "tensor_data.h"
#include "vector_loops.h"

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cmath>
#include <limits>
#include <vector>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Picks = std::tuple<Tensor, Tensor, Tensor>;  // values, indices, places of the first pick of the same atom: [rows, steps]

constexpr int64_t rowChunk = 4;                 // rows a worker takes at once
constexpr int64_t atomChunk = 64;               // atoms a worker takes at once
constexpr int64_t productFeatures = 2048;       // features whose products exist at the same time
constexpr int64_t productBytes = 64 << 20;      // bound on the memory of products and of a block's gradients
constexpr int64_t gramFeatures = 16384;         // largest dictionary whose Gram matrix is made: 1 GiB of float32
constexpr int64_t gramBlock = 1024;             // rows of the Gram matrix made at once
constexpr int64_t gramEntryCost = 20;           // multiplications and additions that take as long as an entry of a Gram row

struct Rules {
  int64_t steps;
  bool nonNegative;
  double absolute, relative;  // a row stops when ‖r‖ is at most `absolute` or `relative`·‖x‖
};

void check(const Tensor &input, const Tensor &atoms, const Rules &rules) {
  TORCH_CHECK(input.dim() == 2 && atoms.dim() == 2 && input.size(1) == atoms.size(1), "input ", input.sizes(), " and atoms ", atoms.sizes(), " differ in width");
  TORCH_CHECK(input.scalar_type() == atoms.scalar_type(), "input of ", input.scalar_type(), " and atoms of ", atoms.scalar_type());
  TORCH_CHECK(atoms.size(0) > 0, "a pursuit needs at least one atom");
  TORCH_CHECK(rules.steps >= 1, "the number of steps must be positive, got ", rules.steps);
}

// 1/‖w‖ of each atom; 0 for atoms of zeros, which are never of use then.
Tensor inverseNorms(const Tensor &atoms) {
  const Tensor norms = (atoms * atoms).sum(1).sqrt();
  return at::where(norms.eq(0), norms, norms.reciprocal());
}

bool prefersGram(int64_t rows, int64_t features, int64_t width, int64_t steps) {
  return features <= gramFeatures && rows * (steps - 1) * (2 * width - gramEntryCost) > features * width;
}

// MARK: CPU

// The dictionary and what is written, in contiguous memory.
template <typename T>
struct Pursuit {
  const Rules rules;
  const Tensor unitAtoms;  // Ŵ
  const Tensor inverse;    // 1/‖w‖
  const int64_t features, width;
  const T *unit, *inverseNorm;
  T *values;
  int64_t *indices, *first;

  Pursuit(const Tensor &atoms, const Rules &rules, T *values, int64_t *indices, int64_t *first, const Tensor &inverse)
      : rules(rules), unitAtoms((atoms * inverse.unsqueeze(1)).contiguous()), inverse(inverse.contiguous()), features(atoms.size(0)), width(atoms.size(1)),
        unit(ct::constData<T>(unitAtoms)), inverseNorm(ct::constData<T>(this->inverse)), values(values), indices(indices), first(first) {}

  // ‖r‖² at which a row stops.
  double limit(const T *x) const {
    const double norm = std::sqrt(static_cast<double>(ct::dotProduct(x, x, width)));
    const double limit = std::max(rules.absolute, rules.relative * norm);
    return limit * limit;
  }

  bool hasEnded(const T *residual, double limit) const { return static_cast<double>(ct::dotProduct(residual, residual, width)) <= limit; }

  // Takes an atom out of a row's residual.
  // Returns r·ŵ; 0 if there is nothing to take.
  T take(int64_t row, int64_t step, int64_t atom, T *residual) const {
    const T *w = unit + atom * width;
    const T length = ct::dotProduct(residual, w, width);
    if (!(rules.nonNegative ? length > 0 : length != 0)) return 0;
    ct::addScaled(residual, w, -length, width);
    values[row * rules.steps + step] = length * inverseNorm[atom];
    indices[row * rules.steps + step] = atom;
    return length;
  }

  bool isOfUse(T largest) const { return rules.nonNegative ? largest > 0 : largest > -std::numeric_limits<T>::infinity(); }
};

// ŴŴᵀ; each half is the other's transpose.
Tensor gramMatrix(const Tensor &unit) {
  const int64_t features = unit.size(0);
  Tensor gram = at::empty({features, features}, unit.options());
  for (int64_t start = 0; start < features; start += gramBlock) {
    const int64_t height = std::min(gramBlock, features - start), end = start + height;
    Tensor rows = gram.narrow(0, start, height), right = rows.narrow(1, start, features - start);
    at::mm_out(right, unit.narrow(0, start, height), unit.narrow(0, start, features - start).t());
    gram.narrow(0, end, features - end).narrow(1, start, height).copy_(rows.narrow(1, end, features - end).t());
  }
  return gram;
}

template <typename T>
void pursueByGram(const Tensor &input, const Pursuit<T> &pursuit) {
  const int64_t rows = input.size(0), features = pursuit.features, width = pursuit.width, steps = pursuit.rules.steps;
  const Tensor gram = gramMatrix(pursuit.unitAtoms);
  const T *g = ct::constData<T>(gram), *x = ct::constData<T>(input);
  const int64_t rowBlock = std::min(rows, std::max(rowChunk, productBytes / (features * static_cast<int64_t>(sizeof(T)))));
  Tensor buffer = at::empty({rowBlock * features}, input.options());
  for (int64_t row = 0; row < rows; row += rowBlock) {
    const int64_t height = std::min(rowBlock, rows - row);
    Tensor products = buffer.narrow(0, 0, height * features).view({height, features});
    at::mm_out(products, input.narrow(0, row, height), pursuit.unitAtoms.t());
    T *q = products.mutable_data_ptr<T>();
    ct::parallelChunks(height, rowChunk, [&](int64_t begin, int64_t end) {
      std::vector<T> residual(width);
      for (int64_t r = begin; r < end; ++r) {
        const T *own = x + (row + r) * width;
        T *score = q + r * features;
        std::copy(own, own + width, residual.begin());
        const double limit = pursuit.limit(own);
        T largest = ct::maximum(score, features);
        for (int64_t step = 0; step < steps; ++step) {
          if (!pursuit.isOfUse(largest) || pursuit.hasEnded(residual.data(), limit)) break;
          const int64_t atom = ct::firstEqual(score, largest, features);
          const T length = pursuit.take(row + r, step, atom, residual.data());
          if (length == 0) break;
          if (step + 1 < steps) largest = ct::subtractScaled(score, g + atom * features, length, features);
        }
      }
    });
  }
}

template <typename T>
void pursueByProducts(const Tensor &input, const Pursuit<T> &pursuit) {
  const int64_t rows = input.size(0), features = pursuit.features, width = pursuit.width, steps = pursuit.rules.steps;
  const int64_t blockFeatures = std::min(features, productFeatures);
  const int64_t rowBlock = std::min(rows, std::max(rowChunk, productBytes / (blockFeatures * static_cast<int64_t>(sizeof(T)))));
  Tensor buffer = at::empty({rowBlock * blockFeatures}, input.options());
  std::vector<T> largest(rowBlock);
  std::vector<int64_t> atom(rowBlock);
  std::vector<double> limit(rowBlock);
  std::vector<char> isRunning(rowBlock);
  for (int64_t row = 0; row < rows; row += rowBlock) {
    const int64_t height = std::min(rowBlock, rows - row);
    Tensor residuals = input.narrow(0, row, height).clone();
    T *residual = residuals.mutable_data_ptr<T>();
    for (int64_t r = 0; r < height; ++r) limit[r] = pursuit.limit(residual + r * width);
    std::fill(isRunning.begin(), isRunning.end(), 1);
    for (int64_t step = 0; step < steps; ++step) {
      std::fill(largest.begin(), largest.end(), -std::numeric_limits<T>::infinity());
      for (int64_t feature = 0; feature < features; feature += blockFeatures) {
        const int64_t span = std::min(blockFeatures, features - feature);
        Tensor products = buffer.narrow(0, 0, height * span).view({height, span});
        at::mm_out(products, residuals, pursuit.unitAtoms.narrow(0, feature, span).t());
        const T *q = ct::constData<T>(products);
        ct::parallelChunks(height, rowChunk, [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) {
            if (!isRunning[r]) continue;
            const T found = ct::maximum(q + r * span, span);
            if (!(found > largest[r])) continue;
            largest[r] = found;
            atom[r] = feature + ct::firstEqual(q + r * span, found, span);
          }
        });
      }
      ct::parallelChunks(height, rowChunk, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          if (!isRunning[r]) continue;
          T *own = residual + r * width;
          isRunning[r] = pursuit.isOfUse(largest[r]) && !pursuit.hasEnded(own, limit[r]) && pursuit.take(row + r, step, atom[r], own) != 0;
        }
      });
      if (std::find(isRunning.begin(), isRunning.begin() + height, 1) == isRunning.begin() + height) break;
    }
  }
}

// Where each atom of a row was picked first. Places without a pick are their own.
template <typename T>
void findFirstPicks(int64_t rows, const Pursuit<T> &pursuit) {
  const int64_t steps = pursuit.rules.steps;
  ct::parallelChunks(rows, 16 * rowChunk, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> place(pursuit.features, -1);
    for (int64_t r = begin; r < end; ++r) {
      const T *value = pursuit.values + r * steps;
      const int64_t *index = pursuit.indices + r * steps;
      int64_t *first = pursuit.first + r * steps;
      for (int64_t t = 0; t < steps; ++t) {
        first[t] = t;
        if (value[t] == 0) continue;
        int64_t &known = place[index[t]];
        if (known < 0) known = t;
        first[t] = known;
      }
      for (int64_t t = 0; t < steps; ++t) place[index[t]] = -1;
    }
  });
}

Picks pursueCPU(const Tensor &input_, const Tensor &atoms_, int64_t steps, bool nonNegative, double absolute, double relative, std::optional<bool> byGram) {
  const Rules rules{steps, nonNegative, absolute, relative};
  check(input_, atoms_, rules);
  const Tensor input = input_.contiguous(), atoms = atoms_.contiguous();
  const int64_t rows = input.size(0);
  const auto whole = input.options().dtype(at::kLong);
  Tensor values = at::zeros({rows, steps}, input.options()), indices = at::zeros({rows, steps}, whole), first = at::empty({rows, steps}, whole);
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::matching_pursuit", [&] {
    const Pursuit<scalar_t> pursuit(atoms, rules, values.mutable_data_ptr<scalar_t>(), indices.mutable_data_ptr<int64_t>(), first.mutable_data_ptr<int64_t>(), inverseNorms(atoms));
    if (byGram.value_or(prefersGram(rows, atoms.size(0), atoms.size(1), steps))) pursueByGram(input, pursuit);
    else pursueByProducts(input, pursuit);
    findFirstPicks(rows, pursuit);
  });
  return {values, indices, first};
}

// With a the gradient of a residual and c = (∂L/∂v − a·w)/‖w‖², a step backwards is
//   ∂L/∂w += c·r − v·a − 2cv·w,   a ← a + c·w,
// r being the residual before the step, which is found again by putting atoms back.
std::tuple<Tensor, Tensor> backwardCPU(const Tensor &gradient_, const Tensor &input_, const Tensor &atoms_, const Tensor &values_, const Tensor &indices_) {
  const Tensor gradient = gradient_.contiguous(), input = input_.contiguous(), atoms = atoms_.contiguous(), values = values_.contiguous(), indices = indices_.contiguous();
  const int64_t rows = input.size(0), width = input.size(1), features = atoms.size(0), steps = values.size(1);
  const Tensor inverse = inverseNorms(atoms);
  Tensor ofInput = at::empty(input.sizes(), input.options()), ofAtoms = at::zeros(atoms.sizes(), atoms.options());
  const int64_t rowBlock = std::min(rows, std::max<int64_t>(rowChunk, productBytes / (steps * width * input.element_size())));
  Tensor buffer = at::empty({rowBlock * steps, width}, input.options());
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "condense::matching_pursuit_backward", [&] {
    const scalar_t *g = ct::constData<scalar_t>(gradient), *x = ct::constData<scalar_t>(input), *w = ct::constData<scalar_t>(atoms);
    const scalar_t *v = ct::constData<scalar_t>(values), *inverseNorm = ct::constData<scalar_t>(inverse);
    const int64_t *index = ct::constData<int64_t>(indices);
    scalar_t *out = ofInput.mutable_data_ptr<scalar_t>(), *contributions = buffer.mutable_data_ptr<scalar_t>();
    for (int64_t row = 0; row < rows; row += rowBlock) {
      const int64_t height = std::min(rowBlock, rows - row);
      ct::parallelChunks(height, rowChunk, [&](int64_t begin, int64_t end) {
        std::vector<scalar_t> residual(width);
        for (int64_t r = begin; r < end; ++r) {
          const int64_t place = (row + r) * steps;
          scalar_t *a = out + (row + r) * width;
          std::copy(x + (row + r) * width, x + (row + r + 1) * width, residual.begin());
          std::fill(a, a + width, scalar_t(0));
          for (int64_t t = 0; t < steps; ++t)
            if (v[place + t] != 0) ct::addScaled(residual.data(), w + index[place + t] * width, -v[place + t], width);
          for (int64_t t = steps - 1; t >= 0; --t) {
            const scalar_t value = v[place + t];
            if (value == 0) continue;
            const scalar_t *atom = w + index[place + t] * width;
            const scalar_t inverse = inverseNorm[index[place + t]];
            const scalar_t c = (g[place + t] - ct::dotProduct(a, atom, width)) * inverse * inverse;
            ct::addScaled(residual.data(), atom, value, width);
            scalar_t *contribution = contributions + (r * steps + t) * width;
            ct::combine(contribution, residual.data(), c, a, -value, atom, -2 * c * value, width);
            ct::addScaled(a, atom, c, width);
          }
        }
      });
      const Tensor isPick = values.narrow(0, row, height).reshape({-1, 1}).ne(0).to(values.scalar_type());
      ofAtoms += ct::sparseScatter(isPick, indices.narrow(0, row, height).reshape({-1, 1}), std::nullopt, buffer.narrow(0, 0, height * steps), features);
    }
  });
  return {ofInput, ofAtoms};
}

// MARK: Any other device, composed of libtorch's operators

Picks pursueComposite(const Tensor &input, const Tensor &atoms, int64_t steps, bool nonNegative, double absolute, double relative, std::optional<bool>) {
  check(input, atoms, Rules{steps, nonNegative, absolute, relative});
  const int64_t rows = input.size(0);
  const Tensor inverse = inverseNorms(atoms), unit = atoms * inverse.unsqueeze(1);
  const Tensor limit = ((input * input).sum(1).sqrt() * relative).clamp_min(absolute).square();
  Tensor values = at::zeros({rows, steps}, input.options()), indices = at::zeros({rows, steps}, input.options().dtype(at::kLong));
  Tensor residual = input.clone(), isRunning = at::ones({rows}, input.options().dtype(at::kBool));
  for (int64_t step = 0; step < steps; ++step) {
    const Tensor atom = std::get<1>(at::mm(residual, unit.t()).max(1)), w = unit.index_select(0, atom);
    Tensor length = (residual * w).sum(1);
    isRunning = isRunning.logical_and((residual * residual).sum(1).gt(limit)).logical_and(nonNegative ? length.gt(0) : length.ne(0));
    length = at::where(isRunning, length, at::zeros_like(length));
    residual = residual - length.unsqueeze(1) * w;
    values.select(1, step).copy_(length * inverse.index_select(0, atom));
    indices.select(1, step).copy_(at::where(isRunning, atom, at::zeros_like(atom)));
  }
  // Of equal ones `max` names any; the smallest place counts.
  const Tensor places = at::arange(steps, indices.options()), isSame = indices.unsqueeze(2).eq(indices.unsqueeze(1)).logical_and(values.ne(0).unsqueeze(1));
  const Tensor first = at::where(isSame, places, steps).amin(2);
  return {values, indices, at::where(values.ne(0), first, places.expand({rows, steps}))};
}

std::tuple<Tensor, Tensor> backwardComposite(const Tensor &gradient, const Tensor &input, const Tensor &atoms, const Tensor &values, const Tensor &indices) {
  const int64_t steps = values.size(1);
  const Tensor inverse = inverseNorms(atoms);
  Tensor residual = input.clone(), a = at::zeros_like(input), ofAtoms = at::zeros_like(atoms);
  for (int64_t t = 0; t < steps; ++t) residual = residual - values.select(1, t).unsqueeze(1) * atoms.index_select(0, indices.select(1, t));
  for (int64_t t = steps - 1; t >= 0; --t) {
    const Tensor index = indices.select(1, t), atom = atoms.index_select(0, index), v = values.select(1, t).unsqueeze(1);
    const Tensor c = (gradient.select(1, t).unsqueeze(1) - (a * atom).sum(1, true)) * inverse.index_select(0, index).square().unsqueeze(1) * v.ne(0);
    residual = residual + v * atom;
    ofAtoms.index_add_(0, index, c * residual - v * a - 2 * c * v * atom);
    a = a + c * atom;
  }
  return {a, ofAtoms};
}

// MARK: Gradient

struct MatchingPursuit : public torch::autograd::Function<MatchingPursuit> {
  static variable_list forward(AutogradContext *context, const Tensor &input, const Tensor &atoms, int64_t steps, bool nonNegative, double absolute, double relative, std::optional<bool> byGram) {
    static auto op = ct::operatorNamed<Picks(const Tensor &, const Tensor &, int64_t, bool, double, double, std::optional<bool>)>("condense::matching_pursuit");
    at::AutoDispatchBelowADInplaceOrView below;
    auto [values, indices, first] = op.call(input, atoms, steps, nonNegative, absolute, relative, byGram);
    context->save_for_backward({input, atoms, values, indices});
    context->mark_non_differentiable({indices, first});
    return {values, indices, first};
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    static auto op = ct::operatorNamed<std::tuple<Tensor, Tensor>(const Tensor &, const Tensor &, const Tensor &, const Tensor &, const Tensor &)>("condense::matching_pursuit_backward");
    TORCH_CHECK(!c10::GradMode::is_enabled(), "matching pursuit has first derivatives only; ask for gradients without a graph");
    const auto saved = context->get_saved_variables();
    at::AutoDispatchBelowADInplaceOrView below;
    auto [ofInput, ofAtoms] = op.call(gradients[0], saved[0], saved[1], saved[2], saved[3]);
    return {ofInput, ofAtoms, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("matching_pursuit(Tensor input, Tensor atoms, int steps, bool non_negative, float absolute_residual, float relative_residual, bool? by_gram) -> (Tensor, Tensor, Tensor)");
  library.def("matching_pursuit_backward(Tensor gradient, Tensor input, Tensor atoms, Tensor values, Tensor indices) -> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) {
  library.impl("matching_pursuit", pursueCPU);
  library.impl("matching_pursuit_backward", backwardCPU);
}

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) {
  library.impl("matching_pursuit", pursueComposite);
  library.impl("matching_pursuit_backward", backwardComposite);
}

TORCH_LIBRARY_IMPL(condense, Autograd, library) {
  library.impl("matching_pursuit", [](const Tensor &input, const Tensor &atoms, int64_t steps, bool nonNegative, double absolute, double relative, std::optional<bool> byGram) -> Picks {
    auto results = MatchingPursuit::apply(input, atoms, steps, nonNegative, absolute, relative, byGram);
    return {results[0], results[1], results[2]};
  });
}
