#include <algorithm>
#include <cmath>
#include <map>

#include "image.hpp"

namespace zscr {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kBits = 22;  // behind the point of a weight: 32, less 8 of a pixel and 2 to spare

struct Filter {
  double support;  // how far it looks to each side, in pixels of the smaller image
  double (*weight)(double distance);
};

double box_weight(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }
double bilinear_weight(double x) { return std::max(0.0, 1 - std::abs(x)); }

double hamming_weight(double x) {
  x = std::abs(x);
  if (x == 0) return 1;
  if (x >= 1) return 0;
  x *= kPi;
  return std::sin(x) / x * (double(0.54F) + double(0.46F) * std::cos(x));
}

double bicubic_weight(double x) {  // Keys, 1981, with a = -1/2
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

double sinc(double x) {
  if (x == 0) return 1;
  x *= kPi;
  return std::sin(x) / x;
}

double lanczos_weight(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

const std::map<std::string, Filter> kFilters{
    {"box", {0.5, box_weight}},       {"bilinear", {1, bilinear_weight}},
    {"hamming", {1, hamming_weight}}, {"bicubic", {2, bicubic_weight}},
    {"lanczos", {3, lanczos_weight}},
};

// What one place of the result sees of a line: from which pixel on, with which weights.
struct Taps {
  int first;
  std::vector<std::int32_t> weights;  // they add up to 1 << kBits, but for rounding
};

// Returns those of `size` places over [low, high) of a line of `length` pixels. An image that
// shrinks widens the filter by as much, so that it does not alias.
std::vector<Taps> taps(const Filter& filter, int length, float low, float high, int size) {
  const double scale = double(high - low) / size, wide = std::max(scale, 1.0), narrow = 1 / wide;
  const double support = filter.support * wide;
  std::vector<Taps> made;
  std::vector<double> exact;
  for (int at = 0; at < size; ++at) {
    const double centre = low + (at + 0.5) * scale;
    const int first = std::max(0, int(centre - support + 0.5));
    const int last = std::min(length, int(centre + support + 0.5));
    exact.clear();
    double sum = 0;
    for (int x = first; x < last; ++x) {
      exact.push_back(filter.weight((x - centre + 0.5) * narrow));
      sum += exact.back();
    }
    Taps& one = made.emplace_back(Taps{first, {}});
    for (const double weight : exact) {
      const double share = (sum != 0 ? weight / sum : weight) * (1 << kBits);
      one.weights.push_back(std::int32_t(share + (share < 0 ? -0.5 : 0.5)));
    }
  }
  return made;
}

std::uint8_t clipped(std::int32_t sum) { return std::uint8_t(std::clamp(sum >> kBits, 0, 255)); }

// Weighs pixels that lie `step` bytes apart.
std::uint8_t weighed(const std::uint8_t* from, std::size_t step, const Taps& one) {
  std::int32_t sum = 1 << (kBits - 1);
  for (const std::int32_t weight : one.weights) {
    sum += *from * weight;
    from += step;
  }
  return clipped(sum);
}

// Resizes the rows from `top` on along their length.
Image across(const Image& from, const std::vector<Taps>& places, int top, int rows) {
  Image made(int(places.size()), rows, from.channels);
  for (int y = 0; y < rows; ++y)
    for (int x = 0; x < made.width; ++x)
      for (int c = 0; c < made.channels; ++c)
        made.at(x, y)[c] = weighed(from.at(places[std::size_t(x)].first, top + y) + c,
                                   std::size_t(from.channels), places[std::size_t(x)]);
  return made;
}

// Resizes columns; `top` is the row of the whole that is the first of `from`.
Image down(const Image& from, const std::vector<Taps>& places, int top) {
  Image made(from.width, int(places.size()), from.channels);
  const std::size_t stride = std::size_t(from.width) * std::size_t(from.channels);
  std::vector<std::int32_t> sums(stride);
  for (int y = 0; y < made.height; ++y) {
    std::fill(sums.begin(), sums.end(), 1 << (kBits - 1));
    const std::uint8_t* row = from.at(0, places[std::size_t(y)].first - top);
    for (const std::int32_t weight : places[std::size_t(y)].weights) {
      for (std::size_t n = 0; n < stride; ++n) sums[n] += row[n] * weight;
      row += stride;
    }
    std::transform(sums.begin(), sums.end(), made.at(0, y), clipped);
  }
  return made;
}

// Takes the pixel that each place lies on; what lies outside is black.
Image nearest(const Image& from, const Box& box, int width, int height) {
  const auto places = [](float low, float high, int size, int length) {
    std::vector<int> made;
    const double step = double(high - low) / size;
    double at = low + step * 0.5;
    for (int n = 0; n < size; ++n, at += step) made.push_back(at < length ? int(at) : -1);
    return made;
  };
  const auto columns = places(box.left, box.right, width, from.width);
  const auto rows = places(box.top, box.bottom, height, from.height);
  Image made(width, height, from.channels);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const int column = columns[std::size_t(x)], row = rows[std::size_t(y)];
      if (column >= 0 && row >= 0) std::copy_n(from.at(column, row), from.channels, made.at(x, y));
    }
  return made;
}

}  // namespace

bool is_filter(const std::string& name) { return name == "nearest" || kFilters.count(name); }

Image resized(const Image& image, const Box& box, int width, int height,
              const std::string& filter) {
  if (filter == "nearest") return nearest(image, box, width, height);
  const Filter& how = kFilters.at(filter);
  const auto columns = taps(how, image.width, box.left, box.right, width);
  const auto rows = taps(how, image.height, box.top, box.bottom, height);
  const bool same_width = width == image.width && box.left == 0 && box.right == float(width);
  const bool same_height = height == image.height && box.top == 0 && box.bottom == float(height);
  if (same_width && same_height) return image;
  if (same_width) return down(image, rows, 0);
  if (same_height) return across(image, columns, 0, image.height);
  // Each pass rounds, so their order shows. Pillow 13 begins with what loses far more pixels.
  const int fewer = image.height - height;
  if (fewer > 0 && fewer > 2 * (image.width - width))
    return across(down(image, rows, 0), columns, 0, height);
  const int top = rows.front().first;
  const int bottom = rows.back().first + int(rows.back().weights.size());
  return down(across(image, columns, top, bottom - top), rows, top);
}

Image laid_over(const Image& layer, std::uint8_t shade) {
  Image made(layer.width, layer.height, 3);
  const std::uint8_t* from = layer.pixels.data();
  for (std::uint8_t* to = made.pixels.data(); from != layer.pixels.data() + layer.pixels.size();
       from += 4, to += 3)
    for (int c = 0; c < 3; ++c) to[c] = over_255(shade * (255U - from[3]) + from[c] * 1U * from[3]);
  return made;
}

}  // namespace zscr
