// A drawing on a transparent layer: which paper it was made for.
#pragma once

#include "image.hpp"

namespace zscr {

// Returns the shade that an RGBA layer lies on: the paper that its strokes are seen on.
std::uint8_t shade_under(const Image& layer);

}  // namespace zscr
