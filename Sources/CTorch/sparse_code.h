// What the operators on sparse codes share: how a code is laid out, and calls through the dispatcher.
//
// A code is `values` and `indices` of equal shape: [rows, k] with k entries in each row, or, with offsets int64 [rows + 1],
// [entries] of which row b has offsets[b] ..< offsets[b + 1].
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <optional>

namespace ct {

using OptionalTensor = std::optional<at::Tensor>;

// A saved tensor that may be undefined, as the dispatcher wants it.
inline OptionalTensor optional(const at::Tensor &tensor) { return tensor.defined() ? OptionalTensor(tensor) : std::nullopt; }

// Checks that offsets rise from 0 to the number of entries, rows + 1 of them.
inline void checkOffsets(const int64_t *offset, int64_t rows, int64_t entries) {
  TORCH_CHECK(offset[0] == 0 && offset[rows] == entries && std::is_sorted(offset, offset + rows + 1), "the offsets of a code must rise from 0 to its ", entries, " entries");
}

template <typename Signature>
auto operatorNamed(const char *name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

// Σ_j v[b,j]·A[i[b,j]] for each row b: [rows, D].
at::Tensor sparseDecode(const at::Tensor &values, const at::Tensor &indices, const OptionalTensor &offsets, const at::Tensor &atoms);
// x[b]·A[i[b,j]], in the shape of the indices.
at::Tensor sparseDot(const at::Tensor &input, const at::Tensor &indices, const OptionalTensor &offsets, const at::Tensor &atoms);
// Σ over the entries of each feature of v[b,j]·x[b]: [features, D].
at::Tensor sparseScatter(const at::Tensor &values, const at::Tensor &indices, const OptionalTensor &offsets, const at::Tensor &input, int64_t features);

}  // namespace ct
