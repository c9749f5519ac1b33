#include "ink.hpp"

#include <algorithm>
#include <cmath>

namespace zscr {
namespace {

constexpr float kWhite = 250, kCalm = 1;    // levels of white paper, and by which it may scatter
constexpr float kFloor = 0.08F, kSure = 5;  // ink that is surely none, and in deviations
constexpr float kTop = 0.9F;                // the quantile of the strokes' ink that becomes black

// Finds the box of the strokes and their strength, numpy's quantile.
void measure(Ink& ink) {
  std::vector<float> amounts;
  ink.left = ink.width;
  for (int y = 0; y < ink.height; ++y)
    for (int x = 0; x < ink.width; ++x) {
      const std::size_t at = std::size_t(y) * std::size_t(ink.width) + std::size_t(x);
      if (!ink.strokes[at]) continue;
      amounts.push_back(ink.amount[at]);
      if (ink.top < 0) ink.top = y;
      ink.left = std::min(ink.left, x);
      ink.right = std::max(ink.right, x + 1);
      ink.bottom = y + 1;
    }
  ink.count = int(amounts.size());
  if (!ink.count) return;
  std::sort(amounts.begin(), amounts.end());
  const double where = double(kTop) * (ink.count - 1);
  const auto low = std::size_t(where);
  const float share = float(where - double(low));
  const float next = amounts[std::min(low + 1, amounts.size() - 1)];
  ink.strong = amounts[low] + (next - amounts[low]) * share;
}

}  // namespace

Mask spread(const Mask& mask, int width, int height, int least) {
  Mask made(mask.size());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      int count = 0;
      for (int n = 0; n < 9; ++n) {
        const int row = std::clamp(y + n / 3 - 1, 0, height - 1);
        const int column = std::clamp(x + n % 3 - 1, 0, width - 1);
        count += mask[std::size_t(row) * std::size_t(width) + std::size_t(column)];
      }
      made[std::size_t(y) * std::size_t(width) + std::size_t(x)] = count >= least;
    }
  return made;
}

// Tells ink from paper: a pixel is light times what the paper reflects, so ink that leaves the
// level v on paper of the level p is 1 - v / p; of light strokes it is (v - p) / (255 - p).
Ink ink_of(const Image& small) {
  Ink made{};
  made.width = small.width;
  made.height = small.height;
  made.on_white = true;
  made.top = -1;
  const std::size_t size = small.pixels.size() / 3;
  std::vector<Paper> papers;
  double balance = 0;
  for (int c = 0; c < 3; ++c) {
    const Paper& paper = papers.emplace_back(paper_of(small, c));
    const float sure = std::max(kFloor * 255, kSure * paper.noise);
    made.on_white = made.on_white && paper.noise <= kCalm;
    for (std::size_t n = 0; n < size; ++n) {
      const float rest = float(small.pixels[3 * n + std::size_t(c)]) - paper.light[n];
      if (std::abs(rest) > sure) balance += rest;
      made.on_white = made.on_white && paper.light[n] >= kWhite;
    }
  }
  made.is_light = balance > 0;
  made.amount.assign(size, 0);
  made.floor.assign(size, kFloor);
  for (int c = 0; c < 3; ++c)
    for (std::size_t n = 0; n < size; ++n) {
      const float light = papers[std::size_t(c)].light[n];
      const float room = std::max(made.is_light ? 255 - light : light, 1.F);
      const float rest = float(small.pixels[3 * n + std::size_t(c)]) - light;
      made.amount[n] = std::max(made.amount[n], (made.is_light ? rest : -rest) / room);
      made.floor[n] = std::max(made.floor[n], kSure * papers[std::size_t(c)].noise / room);
    }
  for (std::size_t n = 0; n < size; ++n) {
    made.amount[n] = std::min(made.amount[n], 1.F);
    made.floor[n] = std::min(made.floor[n], 1.F);
    made.strokes.push_back(made.amount[n] > made.floor[n]);
  }
  const Mask crowded = spread(made.strokes, made.width, made.height, 3);  // two neighbours
  for (std::size_t n = 0; n < size; ++n) made.strokes[n] = made.strokes[n] && crowded[n];
  measure(made);
  return made;
}

}  // namespace zscr
