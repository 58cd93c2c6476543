#include "vector_loops.h"

#include "ctorch.h"
#include "parallel.h"

#include <cmath>

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
  }

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
