// Which numbers of many have the largest magnitudes.
//
//   largest_mask  1 for the `count` numbers with the largest magnitudes and 0 for others; of equal ones the first
//
// Magnitudes of floating-point numbers have the order of their bits, so the smallest that stays is found by counting digits of 16 bits,
// the highest first. Nothing is sorted, and nothing is as large as the input but the mask.
#include "parallel.h"
#include "tensor_data.h"

#include <ATen/Dispatch.h>
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

template <typename T>
void write(Magnitudes<T> magnitudes, int64_t count, T *mask) {
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
      mask[i] = key > least || (key == least && found < equals);
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
    write(Magnitudes<scalar_t>{ct::constData<scalar_t>(from), from.numel()}, count, mask.mutable_data_ptr<scalar_t>());
  });
  return mask;
}

Tensor largestMaskComposite(const Tensor &values, int64_t count) {
  check(values, count);
  const Tensor order = at::argsort(values.abs().flatten(), /*stable=*/true, /*dim=*/0, /*descending=*/true);
  Tensor mask = at::zeros_like(values, values.options(), at::MemoryFormat::Contiguous);
  mask.view({-1}).index_fill_(0, order.narrow(0, 0, count), 1);
  return mask;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) { library.def("largest_mask(Tensor values, int count) -> Tensor"); }

TORCH_LIBRARY_IMPL(condense, CPU, library) { library.impl("largest_mask", largestMaskCPU); }

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) { library.impl("largest_mask", largestMaskComposite); }
