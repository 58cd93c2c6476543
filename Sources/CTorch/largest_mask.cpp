// Which numbers of many have the largest magnitudes.
//
//   largest_mask   1 for the `count` numbers with the largest magnitudes and 0 for others; of equal ones the first
//   keep_largest_  the same numbers, and 0 in place of others
//
// Magnitudes of floating-point numbers have the order of their bits, so the smallest that stays is found by counting digits of 16 bits,
// the highest first. Nothing is sorted, and nothing is as large as the input but the mask.
#include "parallel.h"
#include "tensor_data.h"

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <torch/library.h>

#include <cstring>
#include <memory>
#include <vector>

namespace {

using at::Tensor;

constexpr int64_t chunkSize = 1 << 20;
constexpr int digitBits = 16;
constexpr int64_t digitCount = 1 << digitBits;

template <typename T>
struct Magnitudes {
  using Key = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  const T *values;
  int64_t count;

  // NaN is larger than all numbers, as in sorting.
  Key operator[](int64_t i) const {
    Key bits;
    std::memcpy(&bits, values + i, sizeof(bits));
    return bits & (~Key(0) >> 1);
  }
};

// How often each digit occurs at a place, among numbers whose higher digits are those of `found`.
template <typename T>
std::vector<int64_t> digitCounts(Magnitudes<T> magnitudes, typename Magnitudes<T>::Key found, int shift) {
  const bool isFirst = shift + digitBits == 8 * sizeof(T);
  auto sums = std::make_unique<std::atomic<int64_t>[]>(digitCount);
  ct::parallelChunks(magnitudes.count, chunkSize, [&](int64_t begin, int64_t end) {
    std::vector<int32_t> own(digitCount);
    for (int64_t i = begin; i < end; ++i) {
      const auto key = magnitudes[i];
      if (isFirst || key >> (shift + digitBits) == found >> (shift + digitBits)) ++own[(key >> shift) & (digitCount - 1)];
    }
    for (int64_t digit = 0; digit < digitCount; ++digit)
      if (own[digit] > 0) sums[digit].fetch_add(own[digit], std::memory_order_relaxed);
  });
  return std::vector<int64_t>(sums.get(), sums.get() + digitCount);
}

// Calls `body(i, stays)` for each number.
template <typename T, typename Body>
void decide(Magnitudes<T> magnitudes, int64_t count, const Body &body) {
  // The smallest magnitude that stays, and how many that are equal to it.
  typename Magnitudes<T>::Key least = 0;
  int64_t equals = count;
  for (int shift = 8 * sizeof(T) - digitBits; shift >= 0; shift -= digitBits) {
    const auto counts = digitCounts(magnitudes, least, shift);
    int64_t digit = digitCount - 1;
    for (; counts[digit] < equals; --digit) equals -= counts[digit];
    least |= typename Magnitudes<T>::Key(digit) << shift;
  }
  std::vector<int64_t> before((magnitudes.count + chunkSize - 1) / chunkSize + 1);
  ct::parallelChunks(magnitudes.count, chunkSize, [&](int64_t begin, int64_t end) {
    int64_t found = 0;
    for (int64_t i = begin; i < end; ++i) found += magnitudes[i] == least;
    before[begin / chunkSize + 1] = found;
  });
  for (size_t i = 1; i < before.size(); ++i) before[i] += before[i - 1];
  ct::parallelChunks(magnitudes.count, chunkSize, [&](int64_t begin, int64_t end) {
    int64_t found = before[begin / chunkSize];
    for (int64_t i = begin; i < end; ++i) {
      const auto key = magnitudes[i];
      body(i, key > least || (key == least && found < equals));
      found += key == least;
    }
  });
}

void check(const Tensor &values, int64_t count) {
  TORCH_CHECK(0 <= count && count <= values.numel(), "of ", values.numel(), " numbers ", count, " cannot stay");
}

Tensor largestMaskCPU(const Tensor &values, int64_t count) {
  check(values, count);
  const Tensor from = values.contiguous();
  if (count == 0) return at::zeros_like(from);
  Tensor mask = at::empty_like(from);
  AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "largest_mask", [&] {
    scalar_t *to = mask.mutable_data_ptr<scalar_t>();
    decide(Magnitudes<scalar_t>{ct::constData<scalar_t>(from), from.numel()}, count, [&](int64_t i, bool stays) { to[i] = stays; });
  });
  return mask;
}

void keepLargestCPU(Tensor &values, int64_t count) {
  check(values, count);
  TORCH_CHECK(values.is_contiguous(), "the numbers must be contiguous");
  if (count == 0) return void(values.zero_());
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "keep_largest_", [&] {
    scalar_t *numbers = values.mutable_data_ptr<scalar_t>();
    // Each is read before it is written, and by nobody else.
    decide(Magnitudes<scalar_t>{numbers, values.numel()}, count, [&](int64_t i, bool stays) {
      if (!stays) numbers[i] = 0;
    });
  });
}

Tensor largestMaskComposite(const Tensor &values, int64_t count) {
  check(values, count);
  const Tensor order = at::argsort(values.abs().flatten(), /*stable=*/true, /*dim=*/0, /*descending=*/true);
  Tensor mask = at::zeros_like(values, values.options(), at::MemoryFormat::Contiguous);
  mask.view({-1}).index_fill_(0, order.narrow(0, 0, count), 1);
  return mask;
}

void keepLargestComposite(Tensor &values, int64_t count) { values.masked_fill_(largestMaskComposite(values, count) == 0, 0); }

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("largest_mask(Tensor values, int count) -> Tensor");
  library.def("keep_largest_(Tensor(a!) values, int count) -> ()");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) {
  library.impl("largest_mask", largestMaskCPU);
  library.impl("keep_largest_", keepLargestCPU);
}

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) {
  library.impl("largest_mask", largestMaskComposite);
  library.impl("keep_largest_", keepLargestComposite);
}
