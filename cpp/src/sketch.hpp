// Preparing a sketch: from whatever somebody drew or photographed to dark strokes on white. A
// drawing that is such already stays as it is, bit for bit.
#pragma once

#include "image.hpp"

namespace zscr {

struct Drawing {
  Image image;                    // RGB, square
  std::vector<std::string> told;  // what was done to it, a clause each
};

// Prepares an upright RGB image; throws an INPUT fault where it shows no drawing.
Drawing drawing(Image image, const std::string& name);

}  // namespace zscr
