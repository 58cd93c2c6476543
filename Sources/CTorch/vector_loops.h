// The innermost loops of the sparse kernels, for float and double.
#pragma once

#include <cstdint>

namespace ct {

// y += a·x
void addScaled(float *y, const float *x, float a, int64_t count);
void addScaled(double *y, const double *x, double a, int64_t count);

// Σ x·y
float dotProduct(const float *x, const float *y, int64_t count);
double dotProduct(const double *x, const double *y, int64_t count);

// How many x + bias are above the threshold; `bias` may be null.
int32_t countAbove(const float *x, const float *bias, float threshold, int64_t count);
int32_t countAbove(const double *x, const double *bias, double threshold, int64_t count);

// How many |x + bias| are above the threshold; `bias` may be null.
int32_t countMagnitudeAbove(const float *x, const float *bias, float threshold, int64_t count);
int32_t countMagnitudeAbove(const double *x, const double *bias, double threshold, int64_t count);

// How many x + bias are above thresholds of their own; `bias` may be null.
int32_t countAboveEach(const float *x, const float *bias, const float *thresholds, int64_t count);
int32_t countAboveEach(const double *x, const double *bias, const double *thresholds, int64_t count);

// s = max(x + bias, 0)·(base + scale·|s|), each with a scale of its own; `bias` may be null.
void scoreByEffect(float *s, const float *x, const float *bias, const float *scales, float base, int64_t count);
void scoreByEffect(double *s, const double *x, const double *bias, const double *scales, double base, int64_t count);

// The largest of some numbers; -infinity if none is a number.
float maximum(const float *x, int64_t count);
double maximum(const double *x, int64_t count);

// y -= a·x; returns the largest y.
float subtractScaled(float *y, const float *x, float a, int64_t count);
double subtractScaled(double *y, const double *x, double a, int64_t count);

// The first place that holds a value that is known to be there.
int64_t firstEqual(const float *x, float value, int64_t count);
int64_t firstEqual(const double *x, double value, int64_t count);

// y = a·x1 + b·x2 + c·x3
void combine(float *y, const float *x1, float a, const float *x2, float b, const float *x3, float c, int64_t count);
void combine(double *y, const double *x1, double a, const double *x2, double b, const double *x3, double c, int64_t count);

// Σ (y − a·x)²
float squaredDistanceToScaled(const float *y, const float *x, float a, int64_t count);
double squaredDistanceToScaled(const double *y, const double *x, double a, int64_t count);

// y /= a
void divideBy(float *y, float a, int64_t count);
void divideBy(double *y, double a, int64_t count);

template <typename T>
struct AdamFactors {
  // On the gradient.
  T scale;
  // m ← keep1·m + take1·g, v ← keep2·v + take2·g²
  T keep1, take1, keep2, take2;
  // w ← w − rate·m / (√v·inverseCorrection2 + epsilon)
  T rate, inverseCorrection2, epsilon;
};

// Adam's step on w with the gradient scale·(g − along·w).
void adamAcross(float *w, float *m, float *v, const float *g, float along, const AdamFactors<float> &factors, int64_t count);
void adamAcross(double *w, double *m, double *v, const double *g, double along, const AdamFactors<double> &factors, int64_t count);

}  // namespace ct
