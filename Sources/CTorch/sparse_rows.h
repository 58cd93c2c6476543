// The innermost loops of products with matrices that have many zeros, in float32.
//
// Rows of the matrix are outputs. For one example x is [inputs] and y [outputs]. For many, a tile of examples lies side by side:
// x is [inputs, stride] of which `lanes` columns from x on are meant, and sums come out as [rows, lanes].
// Sums are made in an order that follows from the matrix alone.
#pragma once

#include <cstdint>

namespace ct {

// Widths of tiles, widest first.
constexpr int64_t tileLanes[] = {32, 16, 8};

// Row r holds the entries offsets[r] ..< offsets[r + 1], columns rising.
struct CompressedRows {
  const float *values;
  const void *columns;  // uint16_t, or uint32_t if wide
  bool isWide;
  const int64_t *offsets;
};

// Row r has a bit for each column, `words` of 64 bits; the values of its ones begin at offsets[r]. 16 values more than there are can be read.
struct MaskedRows {
  const float *values;
  const uint64_t *mask;
  int64_t words;
  const int64_t *offsets;
};

// Block row r holds the blocks offsets[r] ..< offsets[r + 1], each [height, width] and `columns` widths from the left. Blocks at the
// edges are filled up with zeros.
struct BlockRows {
  const float *values;
  const uint32_t *columns;
  int64_t height, width, inputs;
  const int64_t *offsets;
};

// One example: y[row] for rows from `first` to before `last` (of outputs, also for blocks); `bias` may be null. For blocks, x goes on for
// a block's width after its end.
void products(const CompressedRows &matrix, const float *x, const float *bias, float *y, int64_t first, int64_t last);
void products(const MaskedRows &matrix, const float *x, const float *bias, float *y, int64_t first, int64_t last);
void products(const BlockRows &matrix, const float *x, const float *bias, float *y, int64_t first, int64_t last);

// A tile of examples. For blocks `first` is the beginning of a block row.
void tileProducts(const CompressedRows &matrix, int64_t lanes, const float *x, int64_t stride, float *sums, int64_t first, int64_t last);
void tileProducts(const MaskedRows &matrix, int64_t lanes, const float *x, int64_t stride, float *sums, int64_t first, int64_t last);
void tileProducts(const BlockRows &matrix, int64_t lanes, const float *x, int64_t stride, float *sums, int64_t first, int64_t last);

}  // namespace ct
