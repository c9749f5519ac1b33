// The ink of a drawing, told from its paper.
#pragma once

#include "paper.hpp"

namespace zscr {

constexpr float kDark = 0.5F;  // ink of dark strokes

// What is seen of a drawing at its reduced size.
struct Ink {
  int width, height, count = 0;      // of pixels in strokes
  std::vector<float> amount, floor;  // from 0, paper, to 1; how much of it may still be paper
  Mask strokes;                      // where there is more, without specks
  bool is_light = false, on_white = true;
  int left, top = -1, right = 0, bottom = 0;  // of what is drawn
  float strong = 0;                           // the amount in the stronger strokes

  bool is_clean() const { return on_white && !is_light && strong >= kDark; }
  int longer() const { return std::max(width, height); }
  int drawn() const { return std::max(right - left, bottom - top); }
};

// Looks at an RGB image at the size given.
Ink ink_of(const Image& small);

// Where at least `least` of nine pixels are set; beyond the border its pixels go on.
Mask spread(const Mask& mask, int width, int height, int least);

}  // namespace zscr
