// How a camera was held: all that is read of an image's metadata.
#pragma once

#include <string_view>

#include "image.hpp"

namespace zscr {

// Returns the orientation 1 to 8 that an EXIF block, or else an XMP packet, names; damaged ones and
// empty ones name 1, the image as it lies.
int orientation(std::string_view exif, std::string_view xmp);

// Turns an image upright that was taken so, and the box in it.
void turn(Image& image, Box& box, int orientation);

}  // namespace zscr
