// Products of a batch with a matrix W [outputs, inputs] that has many zeros, in float32, without gradients:
//
//   csr_linear, bitmask_linear, block_linear   y = x·Wᵀ + bias for x [rows, inputs]; with `channels_first` x is [examples, inputs,
//                                              places] and y [examples, outputs, places], as in a 1 × 1 convolution
//   pack_bits, unpack_bits                     rows of bits in whole bytes, the lowest bit first
//
// Matrices are laid out as in sparse_rows.h. That columns are inside of the matrix is up to who makes them (Swift's
// SparseLinearWeight): looking at all of them at each call would cost as much as the product.
#include "parallel.h"
#include "sparse_code.h"
#include "sparse_rows.h"
#include "tensor_data.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cstring>
#include <vector>

namespace {

using at::Tensor;
using ct::OptionalTensor;

constexpr int64_t rowChunk = 16;       // rows a worker takes at once for one example
constexpr int64_t tileRowChunk = 32;   // and for a tile of them
constexpr int64_t fewExamples = 3;     // up to so many are multiplied one by one

struct Batch {
  Tensor x, y, bias;
  bool channelsFirst;
  int64_t examples, inputs, outputs, places;

  Batch(const Tensor &input, int64_t inputs, int64_t outputs, const OptionalTensor &bias_, bool channelsFirst)
      : x(input.contiguous()), channelsFirst(channelsFirst), inputs(inputs), outputs(outputs) {
    TORCH_CHECK(x.dim() == (channelsFirst ? 3 : 2) && x.size(1) == inputs, "input ", x.sizes(), " does not fit a matrix [", outputs, ", ", inputs, "]");
    TORCH_CHECK(!bias_ || (bias_->dim() == 1 && bias_->size(0) == outputs), "a bias of another size than ", outputs);
    if (bias_) bias = bias_->contiguous();
    examples = x.size(0);
    places = channelsFirst ? x.size(2) : 1;
    y = channelsFirst ? at::empty({examples, outputs, places}, x.options()) : at::empty({examples, outputs}, x.options());
  }

  const float *from() const { return ct::constData<float>(x); }
  float *to() { return y.mutable_data_ptr<float>(); }
  const float *biases() const { return bias.defined() ? ct::constData<float>(bias) : nullptr; }
};

// A tile of examples, or of an image's places.
struct Tile {
  const float *x;   // [inputs, stride]
  int64_t stride, lanes, count;
  float *y;         // of output 0 and the first lane
  int64_t outputStride, laneStride;
};

int64_t lanesFor(int64_t count) {
  for (int64_t lanes : ct::tileLanes)
    if (count > lanes / 2) return lanes;
  return ct::tileLanes[std::size(ct::tileLanes) - 1];
}

// Cuts a batch into tiles; what does not lie side by side in memory is copied so into `copies`.
std::vector<Tile> tiles(Batch &batch, Tensor &copies) {
  const int64_t width = batch.channelsFirst ? batch.places : batch.examples, images = batch.channelsFirst ? batch.examples : 1;
  std::vector<Tile> result;
  std::vector<int64_t> copyOffsets;
  int64_t copied = 0;
  for (int64_t image = 0; image < images; ++image)
    for (int64_t start = 0; start < width;) {
      const int64_t lanes = lanesFor(width - start), count = std::min(lanes, width - start);
      const bool isCopied = !batch.channelsFirst || count < lanes;
      const float *x = batch.channelsFirst ? batch.from() + image * batch.inputs * width + start : batch.from() + start * batch.inputs;
      float *y = batch.channelsFirst ? batch.to() + image * batch.outputs * width + start : batch.to() + start * batch.outputs;
      result.push_back({x, width, lanes, count, y, batch.channelsFirst ? width : 1, batch.channelsFirst ? 1 : batch.outputs});
      copyOffsets.push_back(isCopied ? copied : -1);
      if (isCopied) copied += batch.inputs * lanes;
      start += count;
    }
  copies = at::zeros({copied}, batch.x.options());
  float *space = copies.mutable_data_ptr<float>();
  ct::parallelChunks(static_cast<int64_t>(result.size()), 1, [&](int64_t place, int64_t) {
    if (copyOffsets[place] < 0) return;
    Tile &tile = result[place];
    float *to = space + copyOffsets[place];
    if (batch.channelsFirst) {
      for (int64_t i = 0; i < batch.inputs; ++i) std::memcpy(to + i * tile.lanes, tile.x + i * tile.stride, static_cast<size_t>(tile.count) * sizeof(float));
    } else {
      constexpr int64_t block = 16;
      for (int64_t i = 0; i < batch.inputs; i += block)
        for (int64_t lane = 0; lane < tile.count; ++lane)
          for (int64_t k = i; k < std::min(i + block, batch.inputs); ++k) to[k * tile.lanes + lane] = tile.x[lane * batch.inputs + k];
    }
    tile.x = to;
    tile.stride = tile.lanes;
  });
  return result;
}

// `unit` rows of the matrix belong together.
template <typename Matrix>
Tensor multiplied(const Matrix &matrix, Batch &batch, int64_t unit, int64_t padding) {
  const int64_t outputs = batch.outputs;
  const float *bias = batch.biases();
  if (!batch.channelsFirst && batch.examples <= fewExamples) {
    const int64_t chunk = (rowChunk + unit - 1) / unit * unit;
    std::vector<float> padded(static_cast<size_t>(padding ? batch.inputs + padding : 0));
    for (int64_t example = 0; example < batch.examples; ++example) {
      const float *x = batch.from() + example * batch.inputs;
      float *y = batch.to() + example * outputs;
      if (padding) x = static_cast<const float *>(std::memcpy(padded.data(), x, static_cast<size_t>(batch.inputs) * sizeof(float)));
      ct::parallelChunks(outputs, chunk, [&](int64_t first, int64_t last) { ct::products(matrix, x, bias, y, first, last); });
    }
    return batch.y;
  }
  Tensor copies;
  const std::vector<Tile> all = tiles(batch, copies);
  const int64_t chunk = (tileRowChunk + unit - 1) / unit * unit, chunks = (outputs + chunk - 1) / chunk;
  // Workers stay with a tile for as long as there are rows.
  ct::parallelChunks(chunks * static_cast<int64_t>(all.size()), 1, [&](int64_t place, int64_t) {
    const Tile &tile = all[place / chunks];
    const int64_t first = place % chunks * chunk, last = std::min(outputs, first + chunk);
    std::vector<float> sums(static_cast<size_t>((last - first) * tile.lanes));
    ct::tileProducts(matrix, tile.lanes, tile.x, tile.stride, sums.data(), first, last);
    float *y = tile.y + first * tile.outputStride;
    for (int64_t lane = 0; tile.laneStride != 1 && lane < tile.count; ++lane)
      for (int64_t row = 0; row < last - first; ++row) y[row + lane * tile.laneStride] = sums[row * tile.lanes + lane] + (bias ? bias[first + row] : 0);
    for (int64_t row = 0; tile.laneStride == 1 && row < last - first; ++row)
      for (int64_t lane = 0; lane < tile.count; ++lane) y[row * tile.outputStride + lane] = sums[row * tile.lanes + lane] + (bias ? bias[first + row] : 0);
  });
  return batch.y;
}

const int64_t *checkedOffsets(const Tensor &offsets, int64_t count) {
  TORCH_CHECK(offsets.dim() == 1 && offsets.size(0) > 1 && offsets.is_contiguous(), "offsets must be [rows + 1], got ", offsets.sizes());
  const int64_t *o = ct::constData<int64_t>(offsets);
  ct::checkOffsets(o, offsets.size(0) - 1, count);
  return o;
}

Tensor csrLinear(
    const Tensor &input, const Tensor &values, const Tensor &columns, const Tensor &offsets, int64_t inputs, const OptionalTensor &bias, bool channelsFirst) {
  const bool isWide = columns.scalar_type() == at::kInt;
  TORCH_CHECK(isWide || columns.scalar_type() == at::kShort, "columns must be int16 or int32, got ", columns.scalar_type());
  TORCH_CHECK(values.dim() == 1 && values.is_contiguous() && columns.is_contiguous() && columns.sizes() == values.sizes(), "values ", values.sizes(), " and columns ", columns.sizes(), " differ");
  const int64_t *o = checkedOffsets(offsets, values.size(0));
  Batch batch(input, inputs, offsets.size(0) - 1, bias, channelsFirst);
  const ct::CompressedRows matrix{ct::constData<float>(values), columns.const_data_ptr(), isWide, o};
  return multiplied(matrix, batch, 1, 0);
}

constexpr int64_t spareValues = 16;

Tensor bitmaskLinear(
    const Tensor &input, const Tensor &values, const Tensor &mask, const Tensor &offsets, int64_t inputs, const OptionalTensor &bias, bool channelsFirst) {
  TORCH_CHECK(values.dim() == 1 && values.is_contiguous() && values.size(0) >= spareValues, "values must be [count + ", spareValues, "], got ", values.sizes());
  const int64_t *o = checkedOffsets(offsets, values.size(0) - spareValues), rows = offsets.size(0) - 1, words = (inputs + 63) / 64;
  TORCH_CHECK(mask.dim() == 2 && mask.is_contiguous() && mask.size(0) == rows && mask.size(1) == words, "a mask of ", mask.sizes(), " for ", rows, " rows of ", inputs);
  Batch batch(input, inputs, rows, bias, channelsFirst);
  const ct::MaskedRows matrix{ct::constData<float>(values), reinterpret_cast<const uint64_t *>(ct::constData<int64_t>(mask)), words, o};
  return multiplied(matrix, batch, 1, 0);
}

Tensor blockLinear(
    const Tensor &input, const Tensor &values, const Tensor &columns, const Tensor &offsets, int64_t inputs, int64_t outputs, const OptionalTensor &bias,
    bool channelsFirst) {
  TORCH_CHECK(values.dim() == 3 && values.is_contiguous() && values.size(1) > 0 && values.size(2) > 0, "values must be [blocks, height, width], got ", values.sizes());
  TORCH_CHECK(columns.dim() == 1 && columns.is_contiguous() && columns.size(0) == values.size(0), "columns ", columns.sizes(), " of blocks ", values.sizes());
  const int64_t *o = checkedOffsets(offsets, values.size(0)), height = values.size(1);
  TORCH_CHECK((outputs + height - 1) / height == offsets.size(0) - 1, outputs, " outputs in ", offsets.size(0) - 1, " rows of blocks");
  Batch batch(input, inputs, outputs, bias, channelsFirst);
  const ct::BlockRows matrix{ct::constData<float>(values), reinterpret_cast<const uint32_t *>(ct::constData<int32_t>(columns)), height, values.size(2), inputs, o};
  return multiplied(matrix, batch, height, inputs % values.size(2) ? values.size(2) : 0);
}

Tensor packBits(const Tensor &bits_) {
  TORCH_CHECK(bits_.dim() == 2, "bits must be [rows, columns], got ", bits_.sizes());
  const Tensor bits = bits_.contiguous();
  const int64_t rows = bits.size(0), columns = bits.size(1), bytes = (columns + 7) / 8;
  Tensor result = at::zeros({rows, bytes}, bits.options().dtype(at::kByte));
  const bool *from = ct::constData<bool>(bits);
  uint8_t *to = result.mutable_data_ptr<uint8_t>();
  ct::parallelChunks(rows, rowChunk, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row)
      for (int64_t column = 0; column < columns; ++column) to[row * bytes + column / 8] |= static_cast<uint8_t>(from[row * columns + column] << (column % 8));
  });
  return result;
}

Tensor unpackBits(const Tensor &packed_, int64_t columns) {
  TORCH_CHECK(packed_.dim() == 2 && columns >= 0 && (columns + 7) / 8 == packed_.size(1), "bytes ", packed_.sizes(), " for rows of ", columns, " bits");
  const Tensor packed = packed_.contiguous();
  const int64_t rows = packed.size(0), bytes = packed.size(1);
  Tensor result = at::empty({rows, columns}, packed.options().dtype(at::kBool));
  const uint8_t *from = ct::constData<uint8_t>(packed);
  bool *to = result.mutable_data_ptr<bool>();
  ct::parallelChunks(rows, rowChunk, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row)
      for (int64_t column = 0; column < columns; ++column) to[row * columns + column] = (from[row * bytes + column / 8] >> (column % 8)) & 1;
  });
  return result;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("csr_linear(Tensor input, Tensor values, Tensor columns, Tensor offsets, int inputs, Tensor? bias, bool channels_first) -> Tensor");
  library.def("bitmask_linear(Tensor input, Tensor values, Tensor mask, Tensor offsets, int inputs, Tensor? bias, bool channels_first) -> Tensor");
  library.def("block_linear(Tensor input, Tensor values, Tensor columns, Tensor offsets, int inputs, int outputs, Tensor? bias, bool channels_first) -> Tensor");
  library.def("pack_bits(Tensor bits) -> Tensor");
  library.def("unpack_bits(Tensor bytes, int columns) -> Tensor");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) {
  library.impl("csr_linear", csrLinear);
  library.impl("bitmask_linear", bitmaskLinear);
  library.impl("block_linear", blockLinear);
  library.impl("pack_bits", packBits);
  library.impl("unpack_bits", unpackBits);
}
