// The paper of a drawing: how bright it is at each place, told from what is drawn on it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "image.hpp"

namespace zscr {

using Mask = std::vector<std::uint8_t>;  // 1 where it holds

// One colour of the paper below the strokes.
struct Paper {
  std::vector<float> light;  // (height, width), as if nothing were drawn on it
  float noise;               // by how many levels its pixels scatter about that
};

// Fits a quadratic surface to one colour of an RGB image.
Paper paper_of(const Image& image, int colour);

float median(std::vector<float> numbers);  // as numpy; of none 0
Mask frame_of(int width, int height);      // what lies near to the border

}  // namespace zscr
