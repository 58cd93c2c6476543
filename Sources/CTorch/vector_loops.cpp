#include "vector_loops.h"

#include "ctorch.h"
#include "parallel.h"

#include <algorithm>
#include <cmath>
#include <limits>

// One text for both types: the attribute that compiles a function per instruction set takes no templates.
#define CT_LOOPS(T)                                                                             \
  CT_VECTORIZED void addScaled(T *y, const T *x, T a, int64_t count) {                          \
    _Pragma("clang fp contract(fast)") for (int64_t i = 0; i < count; ++i) y[i] += a * x[i];    \
  }                                                                                             \
  CT_VECTORIZED T dotProduct(const T *x, const T *y, int64_t count) {                           \
    _Pragma("clang fp contract(fast) reassociate(on)") T sum = 0;                               \
    for (int64_t i = 0; i < count; ++i) sum += x[i] * y[i];                                     \
    return sum;                                                                                 \
  }                                                                                             \
  CT_VECTORIZED int32_t countAbove(const T *x, const T *bias, T threshold, int64_t count) {     \
    int32_t found = 0;                                                                          \
    if (bias == nullptr) {                                                                      \
      for (int64_t i = 0; i < count; ++i) found += x[i] > threshold;                            \
    } else {                                                                                    \
      for (int64_t i = 0; i < count; ++i) found += x[i] + bias[i] > threshold;                  \
    }                                                                                           \
    return found;                                                                               \
  }                                                                                             \
  CT_VECTORIZED int32_t countMagnitudeAbove(const T *x, const T *bias, T threshold, int64_t count) { \
    int32_t found = 0;                                                                          \
    if (bias == nullptr) {                                                                      \
      for (int64_t i = 0; i < count; ++i) found += std::abs(x[i]) > threshold;                  \
    } else {                                                                                    \
      for (int64_t i = 0; i < count; ++i) found += std::abs(x[i] + bias[i]) > threshold;        \
    }                                                                                           \
    return found;                                                                               \
  }                                                                                             \
  CT_VECTORIZED int32_t countAboveEach(const T *x, const T *bias, const T *thresholds, int64_t count) { \
    int32_t found = 0;                                                                          \
    if (bias == nullptr) {                                                                      \
      for (int64_t i = 0; i < count; ++i) found += x[i] > thresholds[i];                        \
    } else {                                                                                    \
      for (int64_t i = 0; i < count; ++i) found += x[i] + bias[i] > thresholds[i];              \
    }                                                                                           \
    return found;                                                                               \
  }                                                                                             \
  CT_VECTORIZED void scoreByEffect(T *s, const T *x, const T *bias, const T *scales, T base, int64_t count) { \
    for (int64_t i = 0; i < count; ++i) {                                                       \
      const T value = bias == nullptr ? x[i] : x[i] + bias[i];                                  \
      s[i] = (value > 0 ? value : 0) * (base + scales[i] * std::abs(s[i]));                     \
    }                                                                                           \
  }                                                                                             \
  CT_VECTORIZED T maximum(const T *x, int64_t count) {                                          \
    CT_LANES(T) int64_t i = 0;                                                                  \
    for (; i + lanes <= count; i += lanes)                                                      \
      for (int l = 0; l < lanes; ++l) lane[l] = lane[l] < x[i + l] ? x[i + l] : lane[l];        \
    for (; i < count; ++i) lane[0] = lane[0] < x[i] ? x[i] : lane[0];                           \
    return largest(lane);                                                                       \
  }                                                                                             \
  CT_VECTORIZED T subtractScaled(T *y, const T *x, T a, int64_t count) {                        \
    _Pragma("clang fp contract(fast)") CT_LANES(T) int64_t i = 0;                               \
    for (; i + lanes <= count; i += lanes)                                                      \
      for (int l = 0; l < lanes; ++l) {                                                         \
        const T value = y[i + l] - a * x[i + l];                                                \
        y[i + l] = value;                                                                       \
        lane[l] = lane[l] < value ? value : lane[l];                                            \
      }                                                                                         \
    for (; i < count; ++i) {                                                                    \
      y[i] -= a * x[i];                                                                         \
      lane[0] = lane[0] < y[i] ? y[i] : lane[0];                                                \
    }                                                                                           \
    return largest(lane);                                                                       \
  }                                                                                             \
  CT_VECTORIZED int64_t firstEqual(const T *x, T value, int64_t count) {                        \
    int64_t start = 0;                                                                          \
    for (; start + lanes <= count; start += lanes) {                                            \
      int32_t found = 0;                                                                        \
      for (int l = 0; l < lanes; ++l) found += x[start + l] == value;                           \
      if (found) break;                                                                         \
    }                                                                                           \
    while (start < count - 1 && x[start] != value) ++start;                                     \
    return start;                                                                               \
  }                                                                                             \
  CT_VECTORIZED void combine(T *y, const T *x1, T a, const T *x2, T b, const T *x3, T c, int64_t count) { \
    _Pragma("clang fp contract(fast)") for (int64_t i = 0; i < count; ++i) y[i] = a * x1[i] + b * x2[i] + c * x3[i]; \
  } \
  CT_VECTORIZED T squaredDistanceToScaled(const T *y, const T *x, T a, int64_t count) {         \
    _Pragma("clang fp contract(fast) reassociate(on)") T sum = 0;                               \
    for (int64_t i = 0; i < count; ++i) sum += (y[i] - a * x[i]) * (y[i] - a * x[i]);           \
    return sum;                                                                                 \
  }                                                                                             \
  CT_VECTORIZED void divideBy(T *y, T a, int64_t count) {                                       \
    for (int64_t i = 0; i < count; ++i) y[i] /= a;                                              \
  }                                                                                             \
  CT_VECTORIZED void adamAcross(T *w, T *m, T *v, const T *g, T along, const AdamFactors<T> &factors, int64_t count) { \
    _Pragma("clang fp contract(fast)") const AdamFactors<T> f = factors;                        \
    for (int64_t i = 0; i < count; ++i) {                                                       \
      const T gradient = f.scale * (g[i] - along * w[i]);                                       \
      m[i] = f.keep1 * m[i] + f.take1 * gradient;                                               \
      v[i] = f.keep2 * v[i] + f.take2 * gradient * gradient;                                    \
      w[i] -= f.rate * m[i] / (__builtin_elementwise_sqrt(v[i]) * f.inverseCorrection2 + f.epsilon);             \
    }                                                                                           \
  }

// Maxima are kept in as many places as several vectors have: one alone would wait for itself.
#define CT_LANES(T)                                                                             \
  T lane[lanes];                                                                                \
  std::fill(lane, lane + lanes, -std::numeric_limits<T>::infinity());

namespace {
constexpr int lanes = 64;

template <typename T>
T largest(const T (&lane)[lanes]) { return *std::max_element(lane, lane + lanes); }
}  // namespace

namespace ct {
CT_LOOPS(float)
CT_LOOPS(double)
}  // namespace ct

const char *ct_vector_instructions(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return "avx512";
  if (__builtin_cpu_supports("avx2")) return "avx2";
  return "sse2";
#elif defined(__aarch64__)
  return "neon";
#else
  return "baseline";
#endif
}
