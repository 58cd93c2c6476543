// Which of a code's entries are needed for a given norm (top-AFA, Lee et al. 2025, arXiv:2503.24277).
#include "sparse_code.h"

#include "parallel.h"
#include "tensor_data.h"

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cmath>
#include <limits>
#include <vector>

namespace {

using at::Tensor;

constexpr int64_t rowChunk = 16;  // rows a worker takes at once

// Of each row's entries, in falling order, the first whose norm together is nearest to the row's.
Tensor normMatchingEntriesCPU(const Tensor &values_, const Tensor &offsets_, const Tensor &norms_, int64_t features) {
  const Tensor values = values_.contiguous(), offsets = offsets_.contiguous(), norms = norms_.contiguous();
  const int64_t rows = norms.numel();
  TORCH_CHECK(values.dim() == 1 && offsets.scalar_type() == at::kLong && offsets.numel() == rows + 1, "values ", values.sizes(), ", offsets ", offsets.sizes(), " and norms ", norms.sizes(), " do not belong together");
  const int64_t *offset = ct::constData<int64_t>(offsets);
  ct::checkOffsets(offset, rows, values.numel());
  Tensor result = at::zeros(values.sizes(), values.options().dtype(at::kBool));
  bool *kept = result.mutable_data_ptr<bool>();
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "condense::norm_matching_entries", [&] {
    const scalar_t *v = ct::constData<scalar_t>(values), *norm = ct::constData<scalar_t>(norms);
    ct::parallelChunks(rows, rowChunk, [&](int64_t begin, int64_t end) {
      std::vector<int64_t> order;
      for (int64_t r = begin; r < end; ++r) {
        order.clear();
        for (int64_t i = offset[r]; i < offset[r + 1]; ++i)
          if (v[i] != 0) order.push_back(i);
        std::sort(order.begin(), order.end(), [v](int64_t a, int64_t b) { return std::abs(v[a]) > std::abs(v[b]) || (std::abs(v[a]) == std::abs(v[b]) && a < b); });
        const size_t most = std::min(order.size(), static_cast<size_t>(std::max<int64_t>(1, features - 1)));
        double sum = 0, nearest = std::numeric_limits<double>::infinity();
        size_t count = 0;
        for (size_t j = 0; j < most; ++j) {
          sum += static_cast<double>(v[order[j]]) * static_cast<double>(v[order[j]]);
          const double distance = std::abs(std::sqrt(sum) - static_cast<double>(norm[r]));
          if (distance >= nearest) break;  // norms only grow from here on
          nearest = distance;
          count = j + 1;
        }
        for (size_t j = 0; j < count; ++j) kept[order[j]] = true;
      }
    });
  });
  return result;
}

// Row by row on the CPU: the codes are small, and no operator of libtorch sorts parts of different lengths.
Tensor normMatchingEntriesComposite(const Tensor &values, const Tensor &offsets, const Tensor &norms, int64_t features) {
  return normMatchingEntriesCPU(values.cpu(), offsets.cpu(), norms.cpu(), features).to(values.device());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("norm_matching_entries(Tensor values, Tensor offsets, Tensor norms, int features) -> Tensor");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) { library.impl("norm_matching_entries", normMatchingEntriesCPU); }

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) { library.impl("norm_matching_entries", normMatchingEntriesComposite); }
