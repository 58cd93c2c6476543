#include "panel_product.h"

#include <cstring>

namespace ct {

namespace {

template <typename T, int width>
using Vector = T __attribute__((ext_vector_type(width)));

// `width` columns of a few rows, whose sums stay in registers.
template <typename T, int rows, int width>
__attribute__((always_inline)) inline void multiplyTile(
    const T *x, int64_t xStride, const T *panel, const T *start, int64_t depth, T *y, int64_t yStride, int64_t columns) {
  Vector<T, width> sums[rows], weights;
  if (start) std::memcpy(&weights, start, sizeof(weights));
  else weights = 0;
  for (int r = 0; r < rows; ++r) sums[r] = weights;
  for (int64_t k = 0; k < depth; ++k) {
    std::memcpy(&weights, panel + k * panelWidth, sizeof(weights));
    for (int r = 0; r < rows; ++r) sums[r] = __builtin_elementwise_fma(Vector<T, width>(x[r * xStride + k]), weights, sums[r]);
  }
  for (int r = 0; r < rows; ++r) {
    if (columns >= width) std::memcpy(y + r * yStride, &sums[r], sizeof(weights));
    else std::memcpy(y + r * yStride, &sums[r], static_cast<size_t>(columns) * sizeof(T));
  }
}

template <typename T, int rowsAtOnce, int width>
__attribute__((always_inline)) inline void multiplyTiles(
    const T *x, int64_t xStride, const T *panel, const T *start, int64_t rows, int64_t depth, T *y, int64_t yStride, int64_t columns) {
  for (int64_t column = 0; column < columns; column += width) {
    const T *from = panel + column, *first = start ? start + column : nullptr;
    int64_t row = 0;
    for (; row + rowsAtOnce <= rows; row += rowsAtOnce)
      multiplyTile<T, rowsAtOnce, width>(x + row * xStride, xStride, from, first, depth, y + row * yStride + column, yStride, columns - column);
    for (; row < rows; ++row)
      multiplyTile<T, 1, width>(x + row * xStride, xStride, from, first, depth, y + row * yStride + column, yStride, columns - column);
  }
}

// As many sums at once as the registers of an instruction set hold; the right one is bound when the program is loaded.
#define CT_PANEL_PRODUCT(T, rowsAtOnce, width)                                                                                            \
  void multiply(                                                                                                                          \
      const T *x, int64_t xStride, const T *panel, const T *start, int64_t rows, int64_t depth, T *y, int64_t yStride, int64_t columns) { \
    multiplyTiles<T, rowsAtOnce, width>(x, xStride, panel, start, rows, depth, y, yStride, columns);                                      \
  }

#if defined(__x86_64__) && defined(__linux__)
__attribute__((target("avx512f"))) CT_PANEL_PRODUCT(float, 8, 32)
__attribute__((target("avx512f"))) CT_PANEL_PRODUCT(double, 8, 16)
__attribute__((target("avx2,fma"))) CT_PANEL_PRODUCT(float, 6, 16)
__attribute__((target("avx2,fma"))) CT_PANEL_PRODUCT(double, 6, 8)
__attribute__((target("default"))) CT_PANEL_PRODUCT(float, 4, 8)
__attribute__((target("default"))) CT_PANEL_PRODUCT(double, 4, 4)
#else
CT_PANEL_PRODUCT(float, 4, 16)
CT_PANEL_PRODUCT(double, 4, 8)
#endif

}  // namespace

void multiplyByPanel(
    const float *x, int64_t xStride, const float *panel, const float *start, int64_t rows, int64_t depth, float *y, int64_t yStride,
    int64_t columns) {
  multiply(x, xStride, panel, start, rows, depth, y, yStride, columns);
}

void multiplyByPanel(
    const double *x, int64_t xStride, const double *panel, const double *start, int64_t rows, int64_t depth, double *y, int64_t yStride,
    int64_t columns) {
  multiply(x, xStride, panel, start, rows, depth, y, yStride, columns);
}

}  // namespace ct
