#include "sparse_rows.h"

#include "parallel.h"

#include <bit>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Vectors are passed by value below; all of it is inlined, so no ABI is involved.
#pragma clang diagnostic ignored "-Wpsabi"

namespace {

template <int lanes>
using Vector = float __attribute__((ext_vector_type(lanes)));

#define CT_INLINE __attribute__((always_inline)) inline

template <int lanes>
CT_INLINE Vector<lanes> load(const float *from) {
  Vector<lanes> result;
  std::memcpy(&result, from, sizeof(result));
  return result;
}

template <int lanes>
CT_INLINE float sum(Vector<lanes> v) {
  if constexpr (lanes == 1) return v[0];
  else return sum<lanes / 2>(v.lo + v.hi);
}
template <>
CT_INLINE float sum<2>(Vector<2> v) { return v[0] + v[1]; }

// MARK: One example

// Eight of x by index. Indices of 16 bits are taken out of two words: loads are what this loop waits for.
CT_INLINE Vector<8> gathered(const float *x, const uint16_t *columns) {
  uint64_t a, b;
  std::memcpy(&a, columns, 8);
  std::memcpy(&b, columns + 4, 8);
  static_assert(std::endian::native == std::endian::little);
  return Vector<8>{x[a & 0xffff],         x[(a >> 16) & 0xffff], x[(a >> 32) & 0xffff], x[a >> 48],
                   x[b & 0xffff],         x[(b >> 16) & 0xffff], x[(b >> 32) & 0xffff], x[b >> 48]};
}

CT_INLINE Vector<8> gathered(const float *x, const uint32_t *columns) {
  return Vector<8>{x[columns[0]], x[columns[1]], x[columns[2]], x[columns[3]], x[columns[4]], x[columns[5]], x[columns[6]], x[columns[7]]};
}

template <typename Column>
CT_INLINE float dot(const float *values, const Column *columns, int64_t count, const float *x) {
  Vector<8> a = 0, b = 0;
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    a = __builtin_elementwise_fma(load<8>(values + i), gathered(x, columns + i), a);
    b = __builtin_elementwise_fma(load<8>(values + i + 8), gathered(x, columns + i + 8), b);
  }
  if (i + 8 <= count) {
    a = __builtin_elementwise_fma(load<8>(values + i), gathered(x, columns + i), a);
    i += 8;
  }
  float result = sum<8>(a + b);
  for (; i < count; ++i) result += values[i] * x[columns[i]];
  return result;
}

template <typename Column>
CT_INLINE void dots(const ct::CompressedRows &m, const float *x, const float *bias, float *y, int64_t first, int64_t last) {
  const Column *columns = static_cast<const Column *>(m.columns);
  for (int64_t row = first; row < last; ++row) {
    const int64_t start = m.offsets[row];
    y[row] = dot(m.values + start, columns + start, m.offsets[row + 1] - start, x) + (bias ? bias[row] : 0);
  }
}

CT_VECTORIZED void compressedDots(const ct::CompressedRows &m, const float *x, const float *bias, float *y, int64_t first, int64_t last) {
  if (m.isWide) dots<uint32_t>(m, x, bias, y, first, last);
  else dots<uint16_t>(m, x, bias, y, first, last);
}

CT_VECTORIZED void maskedDots(const ct::MaskedRows &m, const float *x, const float *bias, float *y, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; ++row) {
    const float *values = m.values + m.offsets[row];
    const uint64_t *mask = m.mask + row * m.words;
    float sums[4] = {};
    for (int64_t word = 0; word < m.words; ++word) {
      int lane = 0;
      for (uint64_t bits = mask[word]; bits; bits &= bits - 1) sums[lane++ & 3] += *values++ * x[word * 64 + std::countr_zero(bits)];
    }
    y[row] = (sums[0] + sums[1]) + (sums[2] + sums[3]) + (bias ? bias[row] : 0);
  }
}

#if defined(__x86_64__)
// AVX-512 spreads values over the places of ones in one instruction, so that x is read without indices.
__attribute__((target("avx512f,avx512bw,avx512vl,popcnt"))) void spreadDots(
    const ct::MaskedRows &m, const float *x, const float *bias, float *y, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; ++row) {
    const float *values = m.values + m.offsets[row];
    const uint64_t *mask = m.mask + row * m.words;
    __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int64_t word = 0; word < m.words; ++word) {
      const uint64_t bits = mask[word];
#pragma clang loop unroll(full)
      for (int part = 0; part < 4; ++part) {
        const uint32_t own = (bits >> (16 * part)) & 0xffff;
        __m512 packed = _mm512_loadu_ps(values);
        // Kept apart from the load: spreading straight from memory is several times slower on some machines.
        __asm__("" : "+v"(packed));
        const __m512 inputs = _mm512_maskz_loadu_ps(static_cast<__mmask16>(own), x + word * 64 + part * 16);
        sums[part] = _mm512_fmadd_ps(_mm512_maskz_expand_ps(static_cast<__mmask16>(own), packed), inputs, sums[part]);
        values += __builtin_popcount(own);
      }
    }
    y[row] = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3]))) + (bias ? bias[row] : 0);
  }
}
#endif

// Row `row` of all blocks of a block row, `lanes` columns at a time.
template <int lanes>
CT_INLINE float blockDot(const ct::BlockRows &m, int64_t begin, int64_t end, int64_t row, const float *x) {
  const int64_t size = m.height * m.width;
  const float *values = m.values + row * m.width;
  Vector<lanes> even = 0, odd = 0;
  for (int64_t block = begin; block < end; ++block) {
    const float *w = values + block * size, *inputs = x + m.columns[block] * m.width;
    int64_t c = 0;
    for (; c + 2 * lanes <= m.width; c += 2 * lanes) {
      even = __builtin_elementwise_fma(load<lanes>(w + c), load<lanes>(inputs + c), even);
      odd = __builtin_elementwise_fma(load<lanes>(w + c + lanes), load<lanes>(inputs + c + lanes), odd);
    }
    if (c < m.width) even = __builtin_elementwise_fma(load<lanes>(w + c), load<lanes>(inputs + c), even);
  }
  return sum<lanes>(even + odd);
}

// Four rows of blocks of one column.
CT_INLINE Vector<4> columnDots(const ct::BlockRows &m, int64_t begin, int64_t end, int64_t row, const float *x) {
  Vector<4> even = 0, odd = 0;
  const float *values = m.values + row;
  int64_t block = begin;
  for (; block + 2 <= end; block += 2) {
    even = __builtin_elementwise_fma(load<4>(values + block * m.height), Vector<4>(x[m.columns[block]]), even);
    odd = __builtin_elementwise_fma(load<4>(values + (block + 1) * m.height), Vector<4>(x[m.columns[block + 1]]), odd);
  }
  if (block < end) even = __builtin_elementwise_fma(load<4>(values + block * m.height), Vector<4>(x[m.columns[block]]), even);
  return even + odd;
}

CT_VECTORIZED void blockDots(const ct::BlockRows &m, const float *x, const float *bias, float *y, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; ++row) {
    const int64_t blockRow = row / m.height, inner = row % m.height, begin = m.offsets[blockRow], end = m.offsets[blockRow + 1];
    if (m.width == 1 && inner % 4 == 0 && inner + 4 <= m.height && row + 4 <= last) {
      const Vector<4> four = columnDots(m, begin, end, inner, x);
      for (int r = 0; r < 4; ++r) y[row + r] = four[r] + (bias ? bias[row + r] : 0);
      row += 3;
      continue;
    }
    const float result = m.width % 16 == 0 ? blockDot<16>(m, begin, end, inner, x)
        : m.width % 8 == 0                 ? blockDot<8>(m, begin, end, inner, x)
        : m.width % 4 == 0                 ? blockDot<4>(m, begin, end, inner, x)
                                           : blockDot<1>(m, begin, end, inner, x);
    y[row] = result + (bias ? bias[row] : 0);
  }
}

// MARK: Tiles of examples

// Four sums side by side: one alone would wait for itself.
template <int lanes, typename Column>
CT_INLINE void tileRow(const float *values, const Column *columns, int64_t count, const float *x, int64_t stride, float *sums) {
  Vector<lanes> own[4] = {0, 0, 0, 0};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    for (int k = 0; k < 4; ++k)
      own[k] = __builtin_elementwise_fma(Vector<lanes>(values[i + k]), load<lanes>(x + columns[i + k] * stride), own[k]);
  for (; i < count; ++i) own[0] = __builtin_elementwise_fma(Vector<lanes>(values[i]), load<lanes>(x + columns[i] * stride), own[0]);
  own[0] = (own[0] + own[1]) + (own[2] + own[3]);
  std::memcpy(sums, &own[0], sizeof(own[0]));
}

template <int lanes, typename Column>
CT_INLINE void tileRows(const ct::CompressedRows &m, const float *x, int64_t stride, float *sums, int64_t first, int64_t last) {
  const Column *columns = static_cast<const Column *>(m.columns);
  for (int64_t row = first; row < last; ++row) {
    const int64_t start = m.offsets[row];
    tileRow<lanes>(m.values + start, columns + start, m.offsets[row + 1] - start, x, stride, sums + (row - first) * lanes);
  }
}

// Columns are listed first, in `list`.
template <int lanes>
CT_INLINE void tileRows(const ct::MaskedRows &m, uint32_t *list, const float *x, int64_t stride, float *sums, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; ++row) {
    int64_t count = 0;
    for (int64_t word = 0; word < m.words; ++word)
      for (uint64_t bits = m.mask[row * m.words + word]; bits; bits &= bits - 1)
        list[count++] = static_cast<uint32_t>(word * 64 + std::countr_zero(bits));
    tileRow<lanes>(m.values + m.offsets[row], list, count, x, stride, sums + (row - first) * lanes);
  }
}

// `rows` rows of the blocks of a block row share what they read of x; one alone has four sums side by side.
template <int lanes, int rows>
CT_INLINE void tileBlocks(const ct::BlockRows &m, int64_t begin, int64_t end, int64_t row, const float *x, int64_t stride, float *sums) {
  constexpr int chains = rows == 1 ? 4 : 1;
  Vector<lanes> own[rows][chains];
  for (int r = 0; r < rows; ++r)
    for (int k = 0; k < chains; ++k) own[r][k] = 0;
  for (int64_t block = begin; block < end; ++block) {
    const float *w = m.values + (block * m.height + row) * m.width;
    const int64_t left = m.columns[block] * m.width, width = std::min(m.width, m.inputs - left);
    auto add = [&](int64_t c, int k) __attribute__((always_inline)) {
      const Vector<lanes> inputs = load<lanes>(x + (left + c) * stride);
      for (int r = 0; r < rows; ++r) own[r][k] = __builtin_elementwise_fma(Vector<lanes>(w[r * m.width + c]), inputs, own[r][k]);
    };
    int64_t c = 0;
    for (; c + chains <= width; c += chains)
      for (int k = 0; k < chains; ++k) add(c + k, k);
    for (; c < width; ++c) add(c, 0);
  }
  for (int r = 0; r < rows; ++r) {
    for (int k = 1; k < chains; ++k) own[r][0] += own[r][k];
    std::memcpy(sums + r * lanes, &own[r][0], sizeof(own[r][0]));
  }
}

template <int lanes>
CT_INLINE void tileRows(const ct::BlockRows &m, const float *x, int64_t stride, float *sums, int64_t first, int64_t last) {
  for (int64_t row = first; row < last;) {
    const int64_t blockRow = row / m.height, inner = row % m.height, begin = m.offsets[blockRow], end = m.offsets[blockRow + 1];
    float *own = sums + (row - first) * lanes;
    if (inner + 4 <= m.height && row + 4 <= last) {
      tileBlocks<lanes, 4>(m, begin, end, inner, x, stride, own);
      row += 4;
    } else {
      tileBlocks<lanes, 1>(m, begin, end, inner, x, stride, own);
      row += 1;
    }
  }
}

// One text for all widths of tiles: the attribute that compiles a function per instruction set takes no templates.
#define CT_TILES(lanes)                                                                                                                   \
  CT_VECTORIZED void compressedTile##lanes(const ct::CompressedRows &m, const float *x, int64_t stride, float *sums, int64_t first, int64_t last) { \
    if (m.isWide) tileRows<lanes, uint32_t>(m, x, stride, sums, first, last);                                                             \
    else tileRows<lanes, uint16_t>(m, x, stride, sums, first, last);                                                                      \
  }                                                                                                                                       \
  CT_VECTORIZED void maskedTile##lanes(                                                                                                   \
      const ct::MaskedRows &m, uint32_t *list, const float *x, int64_t stride, float *sums, int64_t first, int64_t last) {                \
    tileRows<lanes>(m, list, x, stride, sums, first, last);                                                                               \
  }                                                                                                                                       \
  CT_VECTORIZED void blockTile##lanes(const ct::BlockRows &m, const float *x, int64_t stride, float *sums, int64_t first, int64_t last) { \
    tileRows<lanes>(m, x, stride, sums, first, last);                                                                                     \
  }

CT_TILES(8)
CT_TILES(16)
CT_TILES(32)

}  // namespace

namespace ct {

void products(const CompressedRows &m, const float *x, const float *bias, float *y, int64_t first, int64_t last) {
  compressedDots(m, x, bias, y, first, last);
}

void products(const MaskedRows &m, const float *x, const float *bias, float *y, int64_t first, int64_t last) {
#if defined(__x86_64__)
  static const bool spreads = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (spreads) return spreadDots(m, x, bias, y, first, last);
#endif
  maskedDots(m, x, bias, y, first, last);
}

void products(const BlockRows &m, const float *x, const float *bias, float *y, int64_t first, int64_t last) {
  blockDots(m, x, bias, y, first, last);
}

void tileProducts(const CompressedRows &m, int64_t lanes, const float *x, int64_t stride, float *sums, int64_t first, int64_t last) {
  if (lanes == 32) compressedTile32(m, x, stride, sums, first, last);
  else if (lanes == 16) compressedTile16(m, x, stride, sums, first, last);
  else compressedTile8(m, x, stride, sums, first, last);
}

void tileProducts(const MaskedRows &m, int64_t lanes, const float *x, int64_t stride, float *sums, int64_t first, int64_t last) {
  std::vector<uint32_t> list(static_cast<size_t>(m.words * 64));
  if (lanes == 32) maskedTile32(m, list.data(), x, stride, sums, first, last);
  else if (lanes == 16) maskedTile16(m, list.data(), x, stride, sums, first, last);
  else maskedTile8(m, list.data(), x, stride, sums, first, last);
}

void tileProducts(const BlockRows &m, int64_t lanes, const float *x, int64_t stride, float *sums, int64_t first, int64_t last) {
  if (lanes == 32) blockTile32(m, x, stride, sums, first, last);
  else if (lanes == 16) blockTile16(m, x, stride, sums, first, last);
  else blockTile8(m, x, stride, sums, first, last);
}

}  // namespace ct
