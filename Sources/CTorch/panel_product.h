// Products with a matrix that lies in panels of columns side by side: [panels][depth][panelWidth].
#pragma once

#include <cstdint>

namespace ct {

constexpr int64_t panelWidth = 32;

// y[r][c] = start[c] + Σ_k x[r][k]·panel[k][c] for c < columns, summed in the order of k by fused multiply-adds: the bits follow from the
// numbers alone, not from vector widths or the number of rows. `start` has panelWidth numbers; null for zeros. Strides are of rows.
void multiplyByPanel(
    const float *x, int64_t xStride, const float *panel, const float *start, int64_t rows, int64_t depth, float *y, int64_t yStride,
    int64_t columns = panelWidth);
void multiplyByPanel(
    const double *x, int64_t xStride, const double *panel, const double *start, int64_t rows, int64_t depth, double *y, int64_t yStride,
    int64_t columns = panelWidth);

}  // namespace ct
