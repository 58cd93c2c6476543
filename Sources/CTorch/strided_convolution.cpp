// Convolutions of size 5 with stride 2 that halve height and width, and transposed ones that double them, with half of the multiplications
// (Winograd's minimal filtering, Lavin & Gray, arXiv:1509.09308).
//
//   halving   y_r = Σ_k w_k x_{2r+k−2}           x even in size, zeros around it
//   doubling  y_{2q+p} = Σ_d w_{p+2−2d} x_{q+d}  p = 0, 1: the transposed one of the same weight
//
// Along one axis the weights of even k are a filter of three taps and those of odd k one of two, on the even and the odd rows of what is
// halved, or for the even and the odd rows of what is doubled. Two outputs of three taps take four multiplications and two outputs of two
// taps three, where they took six and four: with d the inputs and g the filter
//
//   m0 = (d0 − d2)·g0   m1 = (d1 + d2)·(g0 + g1 + g2)/2   m2 = (d2 − d1)·(g0 − g1 + g2)/2   m3 = (d1 − d3)·g2
//   y0 = m0 + m1 + m2   y1 = m1 − m2 − m3
//
// Two taps fit into the same scheme. In halving, (d0 − d1)·g0, d1·(g0 + g1) and (d1 − d2)·g1 are added to m0, m1 and m3. In doubling, where
// they see d1, d2, d3, the products are (d1 + d2)·(g0 + g1)/2, (d2 − d1)·(g1 − g0)/2 and (d1 − d3)·g1 in the places of m1, m2 and m3. So
// there are 16 products of matrices for a tile of 2 × 2 places, with 7 · 7 multiplications instead of 10 · 10 for each pair of channels.
#include "panel_product.h"
#include "parallel.h"
#include "tensor_data.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <array>
#include <cstring>
#include <memory>

namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int filterSize = 5;
constexpr int places = 4;                  // of products along an axis
constexpr int terms = 7;                   // of filters along an axis
constexpr int64_t mostTiles = 64, fewestTiles = 16;  // that a worker takes at once
constexpr int64_t channelBlock = 64;       // channels whose terms stay in the first cache
constexpr int64_t panelWidth = ct::panelWidth;

// Which terms of a filter belong to which place along an axis: from `firsts` of one place to that of the next.
struct Scheme {
  std::array<int, places + 1> firsts;

  constexpr int count(int place) const { return firsts[place + 1] - firsts[place]; }
  constexpr int place(int term) const {
    int place = 0;
    while (firsts[place + 1] <= term) ++place;
    return place;
  }
};
// Terms that are added to each other, and terms for outputs of their own.
constexpr Scheme halving{{0, 2, 4, 5, 7}}, doubling{{0, 1, 3, 5, 7}}, single{{0, 1, 2, 3, 4}};

// The 16 products of matrices, and where each finds what it multiplies.
struct Products {
  struct Product {
    int64_t depth, width;           // terms of inputs, and of outputs with those that fill panels
    int64_t weight, input, output;  // where they begin: the weight in all weights, inputs and outputs in those of a tile
  };
  const bool transposed;
  // Terms along an axis that inputs are turned into, and that outputs are made of.
  const Scheme &inputTerms, &outputTerms;
  const int64_t inputs, outputs, panels;
  std::array<Product, places * places> all;
  int64_t weightCount = 0, inputCount = 0, outputCount = 0;

  Products(bool transposed, int64_t inputs, int64_t outputs)
      : transposed(transposed), inputTerms(transposed ? single : halving), outputTerms(transposed ? doubling : single), inputs(inputs), outputs(outputs),
        panels((outputs + panelWidth - 1) / panelWidth) {
    for (int row = 0; row < places; ++row)
      for (int column = 0; column < places; ++column) {
        const int64_t depth = inputTerms.count(row) * inputTerms.count(column) * inputs;
        const int64_t width = outputTerms.count(row) * outputTerms.count(column) * panels * panelWidth;
        all[row * places + column] = {depth, width, weightCount, inputCount, outputCount};
        weightCount += depth * width;
        inputCount += depth;
        outputCount += width;
      }
  }

  const Product &at(int row, int column) const { return all[row * places + column]; }

  // Where the channels of a term of rows and one of columns begin, among those of their product.
  static int64_t among(const Scheme &scheme, int row, int column, int64_t channels) {
    const int y = scheme.place(row), x = scheme.place(column);
    return ((row - scheme.firsts[y]) * scheme.count(x) + column - scheme.firsts[x]) * channels;
  }
};

// MARK: Weights

// Five taps along an axis to seven terms.
template <typename V>
__attribute__((always_inline)) inline void transformFilter(bool transposed, const V *w, int64_t step, V *u) {
  const V w0 = w[0], w1 = w[step], w2 = w[2 * step], w3 = w[3 * step], w4 = w[4 * step];
  const V sum = (w0 + w2 + w4) * V(0.5), difference = (w0 - w2 + w4) * V(0.5);
  const V halves[terms] = {w0, w1, sum, w1 + w3, difference, w4, w3};
  const V doubles[terms] = {w4, sum, (w3 + w1) * V(0.5), difference, (w1 - w3) * V(0.5), w0, w1};
  for (int i = 0; i < terms; ++i) u[i * step] = transposed ? doubles[i] : halves[i];
}

// Weights of one panel of outputs, from filters that lie at steps for each input and output.
template <typename T>
__attribute__((always_inline)) inline void packPanelOf(const Products &products, const T *weight, int64_t inputStep, int64_t outputStep, int64_t panel, T *packed) {
  typedef T Panel __attribute__((ext_vector_type(panelWidth)));
  const Scheme &scheme = products.transposed ? doubling : halving;
  const int64_t first = panel * panelWidth, count = std::min(panelWidth, products.outputs - first);
  for (int64_t input = 0; input < products.inputs; ++input) {
    T taps[filterSize * filterSize][panelWidth] = {};
    for (int64_t output = 0; output < count; ++output)
      for (int tap = 0; tap < filterSize * filterSize; ++tap) taps[tap][output] = weight[input * inputStep + (first + output) * outputStep + tap];
    Panel filter[terms * terms];
    for (int y = 0; y < filterSize; ++y)
      for (int x = 0; x < filterSize; ++x) std::memcpy(&filter[y * terms + x], taps[y * filterSize + x], sizeof(Panel));
    for (int x = 0; x < filterSize; ++x) transformFilter(products.transposed, filter + x, terms, filter + x);
    for (int y = 0; y < terms; ++y) transformFilter(products.transposed, filter + y * terms, 1, filter + y * terms);
    for (int y = 0; y < terms; ++y)
      for (int x = 0; x < terms; ++x) {
        const Products::Product &product = products.at(scheme.place(y), scheme.place(x));
        const int64_t k = (products.transposed ? 0 : Products::among(halving, y, x, products.inputs)) + input;
        const int64_t at = (products.transposed ? Products::among(doubling, y, x, products.panels) : 0) + panel;
        std::memcpy(packed + product.weight + (at * product.depth + k) * panelWidth, &filter[y * terms + x], sizeof(Panel));
      }
  }
}

CT_VECTORIZED void packPanel(const Products &products, const float *weight, int64_t inputStep, int64_t outputStep, int64_t panel, float *packed) {
  packPanelOf(products, weight, inputStep, outputStep, panel, packed);
}
CT_VECTORIZED void packPanel(const Products &products, const double *weight, int64_t inputStep, int64_t outputStep, int64_t panel, double *packed) {
  packPanelOf(products, weight, inputStep, outputStep, panel, packed);
}

// MARK: Tiles

// Images with channels side by side in memory.
template <typename T>
struct Images {
  T *data;
  int64_t height, width, channels;

  // Null where there is none.
  T *operator()(int64_t image, int64_t row, int64_t column) const {
    return 0 <= row && row < height && 0 <= column && column < width ? data + ((image * height + row) * width + column) * channels : nullptr;
  }
};

template <typename T>
struct Tiles {
  const Products &products;
  Images<const T> from;
  Images<T> to;
  const T *bias;      // or null
  int64_t firstRow;   // of the output, in the whole image's
  int64_t down, across;

  int64_t image(int64_t tile) const { return tile / (down * across); }
  int64_t row(int64_t tile) const { return tile / across % down; }
  int64_t column(int64_t tile) const { return tile % across; }
};

// Channels of the inputs along an axis, four or those between them too, to as many terms.
template <typename T>
__attribute__((always_inline)) inline void transformInputs(bool transposed, const T *const *d, T *const *v, int64_t count) {
  const T *d0 = d[0], *d1 = d[transposed ? 1 : 2], *d2 = d[transposed ? 2 : 4], *d3 = d[transposed ? 3 : 6];
  T *v0 = v[0], *v1 = v[transposed ? 1 : 2], *v2 = v[transposed ? 2 : 4], *v3 = v[transposed ? 3 : 5];
#pragma clang loop vectorize(assume_safety)
  for (int64_t c = 0; c < count; ++c) {
    v0[c] = d0[c] - d2[c];
    v1[c] = d1[c] + d2[c];
    v2[c] = d2[c] - d1[c];
    v3[c] = d1[c] - d3[c];
  }
  if (transposed) return;
  const T *o0 = d[1], *o1 = d[3], *o2 = d[5];
  T *u0 = v[1], *u1 = v[3], *u3 = v[6];
#pragma clang loop vectorize(assume_safety)
  for (int64_t c = 0; c < count; ++c) {
    u0[c] = o0[c] - o1[c];
    u1[c] = o1[c];
    u3[c] = o1[c] - o2[c];
  }
}

// A chunk's tiles from `begin` on: `inputs` gets for each product a matrix of all of them.
template <typename T>
__attribute__((always_inline)) inline void gatherTilesOf(const Tiles<T> &tiles, int64_t begin, int64_t end, T *inputs) {
  const Products &products = tiles.products;
  const bool transposed = products.transposed;
  const int reach = products.inputTerms.firsts[places];
  const T zeros[channelBlock] = {};
  T sums[terms][terms][channelBlock];
  for (int64_t tile = begin; tile < end; ++tile) {
    // The tile's two rows of outputs, or of inputs that are doubled, and one or two before them.
    const int64_t row = transposed ? tiles.firstRow / 2 + 2 * tiles.row(tile) - 1 : 2 * tiles.firstRow + 4 * tiles.row(tile) - 2;
    const int64_t column = transposed ? 2 * tiles.column(tile) - 1 : 4 * tiles.column(tile) - 2;
    for (int64_t start = 0; start < products.inputs; start += channelBlock) {
      const int64_t count = std::min(channelBlock, products.inputs - start);
      for (int x = 0; x < reach; ++x) {
        const T *d[terms];
        T *v[terms];
        for (int y = 0; y < reach; ++y) {
          const T *channels = tiles.from(tiles.image(tile), row + y, column + x);
          d[y] = channels ? channels + start : zeros;
          v[y] = sums[y][x];
        }
        transformInputs(transposed, d, v, count);
      }
      for (int y = 0; y < reach; ++y) {
        const T *d[terms];
        T *v[terms];
        for (int x = 0; x < reach; ++x) {
          const Products::Product &product = products.at(products.inputTerms.place(y), products.inputTerms.place(x));
          d[x] = sums[y][x];
          v[x] = inputs + product.input * (end - begin) + (tile - begin) * product.depth + Products::among(products.inputTerms, y, x, products.inputs) + start;
        }
        transformInputs(transposed, d, v, count);
      }
    }
  }
}

// Products at four places to two outputs; that at the first is missing for the odd ones of what is doubled.
template <typename T>
__attribute__((always_inline)) inline void sumPlaces(const T *const *m, T *y0, T *y1, const T *bias, int64_t count) {
  const T *m0 = m[0], *m1 = m[1], *m2 = m[2], *m3 = m[3];
#pragma clang loop vectorize(assume_safety)
  for (int64_t c = 0; c < count; ++c) {
    y0[c] = bias[c] + m0[c] + m1[c] + m2[c];
    y1[c] = bias[c] + m1[c] - m2[c] - m3[c];
  }
}

// Outputs of a chunk's tiles from the products; in what is doubled of even or odd rows and columns.
template <typename T>
__attribute__((always_inline)) inline void scatterTilesOf(const Tiles<T> &tiles, int64_t begin, int64_t end, int oddRow, int oddColumn, const T *products) {
  const Products &all = tiles.products;
  const int64_t step = all.transposed ? 2 : 1;
  const T zeros[channelBlock] = {};
  T sums[2][places][channelBlock], ignored[channelBlock];
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t row = 2 * step * tiles.row(tile) + oddRow, column = 2 * step * tiles.column(tile) + oddColumn;
    for (int64_t start = 0; start < all.outputs; start += channelBlock) {
      const int64_t count = std::min(channelBlock, all.outputs - start);
      for (int x = oddColumn; x < places; ++x) {
        const T *m[places] = {zeros};
        for (int y = oddRow; y < places; ++y) {
          const Products::Product &product = all.at(y, x);
          // The odd ones' term comes after that of the even ones, where there is one.
          const int termRow = all.outputTerms.firsts[y] + (all.outputTerms.count(y) - 1) * oddRow, termColumn = all.outputTerms.firsts[x] + (all.outputTerms.count(x) - 1) * oddColumn;
          m[y] = products + product.output * (end - begin) + (tile - begin) * product.width + Products::among(all.outputTerms, termRow, termColumn, all.panels * panelWidth) + start;
        }
        sumPlaces(m, sums[0][x], sums[1][x], zeros, count);
      }
      for (int y = 0; y < 2; ++y) {
        const T *m[places] = {zeros};
        for (int x = oddColumn; x < places; ++x) m[x] = sums[y][x];
        T *to[2];
        for (int x = 0; x < 2; ++x) {
          T *channels = tiles.to(tiles.image(tile), row + y * step, column + x * step);
          to[x] = channels ? channels + start : ignored;
        }
        sumPlaces(m, to[0], to[1], tiles.bias ? tiles.bias + start : zeros, count);
      }
    }
  }
}

#define CT_TILE_LOOPS(T)                                                                                                            \
  CT_VECTORIZED void gatherTiles(const Tiles<T> &tiles, int64_t begin, int64_t end, T *inputs) { gatherTilesOf(tiles, begin, end, inputs); } \
  CT_VECTORIZED void scatterTiles(const Tiles<T> &tiles, int64_t begin, int64_t end, int oddRow, int oddColumn, const T *products) { \
    scatterTilesOf(tiles, begin, end, oddRow, oddColumn, products);                                                                \
  }
CT_TILE_LOOPS(float)
CT_TILE_LOOPS(double)

template <typename T>
void convolve(const Tiles<T> &tiles, int64_t batch, const T *weight) {
  const Products &products = tiles.products;
  const int64_t tileCount = batch * tiles.down * tiles.across;
  ct::parallelChunks(tileCount, std::clamp(tileCount / 16, fewestTiles, mostTiles), [&](int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    // Not filled with zeros: all of it is written before it is read.
    const std::unique_ptr<T[]> inputs(new T[products.inputCount * count]), sums(new T[products.outputCount * count]);
    gatherTiles(tiles, begin, end, inputs.get());
    for (const Products::Product &product : products.all)
      for (int64_t column = 0; column < product.width; column += panelWidth)
        ct::multiplyByPanel(
            inputs.get() + product.input * count, product.depth, weight + product.weight + column * product.depth, nullptr, count, product.depth,
            sums.get() + product.output * count + column, product.width);
    for (int oddRow = 0; oddRow < (products.transposed ? 2 : 1); ++oddRow)
      for (int oddColumn = 0; oddColumn < (products.transposed ? 2 : 1); ++oddColumn) scatterTiles(tiles, begin, end, oddRow, oddColumn, sums.get());
  });
}

// MARK: Doubling to few channels

// A panel would be nearly empty. Here each input is multiplied with all of its taps, rows of taps side by side as their outputs are, and
// what falls on the same outputs is added up.
constexpr int64_t mostFew = 6;
constexpr int64_t vectorWidth = 16;
constexpr int64_t bandRows = 32;  // of outputs that a worker makes at once

bool isFew(int64_t channels, bool transposed) { return transposed && channels <= mostFew; }

// Outputs of a row of taps, and as many of them as fill vectors.
int64_t tapRow(int64_t channels) { return (filterSize * channels + vectorWidth - 1) / vectorWidth * vectorWidth; }
int64_t tapCount(int64_t channels) { return (filterSize * tapRow(channels) + panelWidth - 1) / panelWidth * panelWidth; }

// Panels of a weight [inputs, channels, 5, 5].
template <typename T>
void packTaps(const T *weight, int64_t inputs, int64_t channels, T *packed) {
  std::memset(packed, 0, static_cast<size_t>(tapCount(channels) * inputs) * sizeof(T));
  for (int64_t input = 0; input < inputs; ++input)
    for (int64_t channel = 0; channel < channels; ++channel)
      for (int64_t y = 0; y < filterSize; ++y)
        for (int64_t x = 0; x < filterSize; ++x) {
          const int64_t column = y * tapRow(channels) + x * channels + channel;
          packed[(column / panelWidth * inputs + input) * panelWidth + column % panelWidth] = *weight++;
        }
}

template <typename T>
__attribute__((always_inline)) inline void addEachOf(const T *taps, int64_t tapStep, int64_t count, int64_t channels, T *sums) {
  typedef T Vector __attribute__((ext_vector_type(vectorWidth)));
  const int64_t width = tapRow(channels);
  for (int64_t x = 0; x < count; ++x)
    for (int64_t start = 0; start < width; start += vectorWidth) {
      Vector sum, more;
      T *to = sums + 2 * x * channels + start;
      std::memcpy(&sum, to, sizeof(sum));
      std::memcpy(&more, taps + x * tapStep + start, sizeof(more));
      sum += more;
      std::memcpy(to, &sum, sizeof(sum));
    }
}

// A row of taps of each of some inputs, at outputs two places apart.
CT_VECTORIZED void addEach(const float *taps, int64_t tapStep, int64_t count, int64_t channels, float *sums) { addEachOf(taps, tapStep, count, channels, sums); }
CT_VECTORIZED void addEach(const double *taps, int64_t tapStep, int64_t count, int64_t channels, double *sums) { addEachOf(taps, tapStep, count, channels, sums); }

template <typename T>
void doubleToFew(const Images<const T> &from, const Images<T> &to, int64_t batch, int64_t firstRow, const T *weight, const T *bias) {
  const int64_t channels = to.channels, taps = tapCount(channels), bands = (to.height + bandRows - 1) / bandRows;
  // With what lies outside of the image on both sides.
  const int64_t line = (to.width + filterSize) * channels + tapRow(channels);
  ct::parallelChunks(batch * bands, 1, [&](int64_t place, int64_t) {
    const int64_t image = place / bands, begin = place % bands * bandRows, end = std::min(to.height, begin + bandRows);
    const std::unique_ptr<T[]> sums(new T[(end - begin) * line]()), products(new T[from.width * taps]);
    // Input q falls on outputs 2q − 2 to 2q + 2.
    const int64_t first = std::max<int64_t>(0, (firstRow + begin - 1) / 2), last = std::min(from.height - 1, (firstRow + end + 1) / 2);
    for (int64_t row = first; row <= last; ++row) {
      for (int64_t column = 0; column < taps; column += panelWidth)
        ct::multiplyByPanel(
            from(image, row, 0), from.channels, weight + column * from.channels, nullptr, from.width, from.channels, products.get() + column, taps);
      for (int64_t y = 0; y < filterSize; ++y) {
        const int64_t output = 2 * row + y - filterSize / 2 - firstRow;
        if (begin <= output && output < end) addEach(products.get() + y * tapRow(channels), taps, from.width, channels, sums.get() + (output - begin) * line);
      }
    }
    for (int64_t row = begin; row < end; ++row) {
      const T *inside = sums.get() + (row - begin) * line + filterSize / 2 * channels;
      T *out = to(image, row, 0);
      for (int64_t column = 0; column < to.width; ++column)
        for (int64_t channel = 0; channel < channels; ++channel) *out++ = *inside++ + (bias ? bias[channel] : T(0));
    }
  });
}

// MARK: Operators

void checkWeight(const Tensor &weight) {
  TORCH_CHECK(weight.dim() == 4 && weight.size(2) == filterSize && weight.size(3) == filterSize, "a weight of ", weight.sizes(), " has no filters of 5 × 5");
}

Tensor packCPU(const Tensor &weight, bool transposed) {
  checkWeight(weight);
  const Tensor from = weight.contiguous();
  const int64_t inputs = weight.size(transposed ? 0 : 1), outputs = weight.size(transposed ? 1 : 0);
  const Products products(transposed, inputs, outputs);
  const int64_t filter = filterSize * filterSize, row = from.size(1) * filter;
  const bool few = isFew(outputs, transposed);
  Tensor packed = at::empty({few ? tapCount(outputs) * inputs : products.weightCount}, from.options());
  AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "condense::stride2_packed_weight", [&] {
    const scalar_t *data = ct::constData<scalar_t>(from);
    scalar_t *to = packed.mutable_data_ptr<scalar_t>();
    if (few) return packTaps(data, inputs, outputs, to);
    ct::parallelChunks(products.panels, 1, [&](int64_t panel, int64_t) {
      packPanel(products, data, transposed ? row : filter, transposed ? filter : row, panel, to);
    });
  });
  return packed;
}

// Rows from `firstRow` of what a whole image gives, which may begin before it and end behind it.
Tensor convolvePackedCPU(
    const Tensor &input, const Tensor &weight, const OptionalTensor &bias, int64_t channels, bool transposed, int64_t firstRow, int64_t rowCount) {
  TORCH_CHECK(input.dim() == 4, "the input ", input.sizes(), " must be [batch, channels, height, width]");
  TORCH_CHECK(transposed || input.size(3) % 2 == 0, "a width of ", input.size(3), " has no half");
  TORCH_CHECK(!transposed || firstRow % 2 == 0, "rows that are doubled begin with an even one, found ", firstRow);
  TORCH_CHECK(rowCount >= 0 && channels > 0, rowCount, " rows of ", channels, " channels cannot be made");
  const Tensor from = input.contiguous(at::MemoryFormat::ChannelsLast), packed = weight.contiguous();
  const Tensor added = bias ? bias->contiguous() : Tensor();
  const Products products(transposed, input.size(1), channels);
  const bool few = isFew(channels, transposed);
  TORCH_CHECK(weight.numel() == (few ? tapCount(channels) * input.size(1) : products.weightCount), "a packed weight of ", weight.numel(), " numbers is not for ", input.size(1), " and ", channels, " channels");
  TORCH_CHECK(!bias || added.numel() == channels, "a bias of ", added.sizes(), " does not fit ", channels, " channels");
  const int64_t width = transposed ? 2 * input.size(3) : input.size(3) / 2;
  Tensor output = at::empty({input.size(0), channels, rowCount, width}, input.options(), at::MemoryFormat::ChannelsLast);
  AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "condense::stride2_packed", [&] {
    const Images<const scalar_t> seen{ct::constData<scalar_t>(from), from.size(2), from.size(3), from.size(1)};
    const Images<scalar_t> made{output.mutable_data_ptr<scalar_t>(), rowCount, width, channels};
    const scalar_t *numbers = ct::constData<scalar_t>(packed), *start = bias ? ct::constData<scalar_t>(added) : nullptr;
    if (few) return doubleToFew(seen, made, input.size(0), firstRow, numbers, start);
    const int64_t tileSize = transposed ? 4 : 2;
    convolve(Tiles<scalar_t>{products, seen, made, start, firstRow, (rowCount + tileSize - 1) / tileSize, (width + tileSize - 1) / tileSize}, input.size(0), numbers);
  });
  return output;
}

Tensor whole(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, bool transposed) {
  checkWeight(weight);
  TORCH_CHECK(input.dim() == 4 && input.size(1) == weight.size(transposed ? 0 : 1), "the input ", input.sizes(), " does not fit a weight of ", weight.sizes());
  TORCH_CHECK(transposed || (input.size(2) % 2 == 0 && input.size(3) % 2 == 0), "the size of an input of ", input.sizes(), " has no half");
  const int64_t rows = transposed ? 2 * input.size(2) : input.size(2) / 2;
  return convolvePackedCPU(input, packCPU(weight, transposed), bias, weight.size(transposed ? 1 : 0), transposed, 0, rows);
}

constexpr std::array<int64_t, 2> two{2, 2}, one{1, 1}, none{0, 0};

Tensor composite(const Tensor &input, const Tensor &weight, const OptionalTensor &bias, bool transposed) {
  checkWeight(weight);
  return at::convolution(input, weight, bias, two, two, one, transposed, transposed ? one : none, 1);
}

// With fewer the products of matrices are too thin to be worth it.
constexpr int64_t fewestInputs = 16;

struct Stride2Convolution : public torch::autograd::Function<Stride2Convolution> {
  static Tensor forward(AutogradContext *context, const Tensor &input, const Tensor &weight, const OptionalTensor &bias, bool transposed) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({input, weight});
    context->saved_data["transposed"] = transposed;
    context->saved_data["biased"] = bias.has_value();
    return whole(input, weight, bias, transposed);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &input = saved[0], &weight = saved[1], gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const bool transposed = context->saved_data["transposed"].toBool();
    const bool needsBias = context->saved_data["biased"].toBool() && context->needs_input_grad(2);
    // One is the other's adjoint, with the same weight.
    const bool byAdjoint = context->needs_input_grad(0) && gradient.size(1) >= fewestInputs;
    auto [ofInput, ofWeight, ofBias] = at::convolution_backward(
        gradient, input, weight, at::OptionalIntArrayRef(gradient.size(1)), two, two, one, transposed, transposed ? one : none, 1,
        {context->needs_input_grad(0) && !byAdjoint, context->needs_input_grad(1), needsBias});
    if (byAdjoint) ofInput = Stride2Convolution::apply(gradient, weight, std::nullopt, !transposed);
    return {ofInput, ofWeight, ofBias, Tensor()};
  }
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(condense, library) {
  library.def("stride2_convolution(Tensor input, Tensor weight, Tensor? bias, bool transposed) -> Tensor");
  library.def("stride2_packed_weight(Tensor weight, bool transposed) -> Tensor");
  library.def(
      "stride2_packed_convolution(Tensor input, Tensor weight, Tensor? bias, int channels, bool transposed, int first_row, int row_count) -> Tensor");
}

TORCH_LIBRARY_IMPL(condense, CPU, library) {
  library.impl("stride2_convolution", whole);
  library.impl("stride2_packed_weight", packCPU);
  library.impl("stride2_packed_convolution", convolvePackedCPU);
}

TORCH_LIBRARY_IMPL(condense, CompositeExplicitAutograd, library) { library.impl("stride2_convolution", composite); }

TORCH_LIBRARY_IMPL(condense, AutogradCPU, library) {
  library.impl("stride2_convolution", [](const Tensor &input, const Tensor &weight, const OptionalTensor &bias, bool transposed) {
    return Stride2Convolution::apply(input, weight, bias, transposed);
  });
}
