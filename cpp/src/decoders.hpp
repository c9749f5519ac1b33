// One function a format of images, each in a file of its own and left out where a build has not it.
#pragma once

#include <optional>
#include <stdexcept>
#include <string_view>

#include "image.hpp"

namespace zscr {

// Says what is wrong with an image; its caller knows what that is called.
struct ImageFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] void broken(const std::string& reason);           // its bytes are at fault
void require_size(std::uint64_t width, std::uint64_t height);  // before memory is taken for it

// An image as it lies in its file.
struct Decoded {
  Image image;                // RGB, or RGBA where something in it may be transparent
  int width = 0, height = 0;  // of the whole; the image may be a fraction of it
  Box box{};                  // the part of the image that the whole fills
  std::string exif, xmp;      // blocks as they stand, or empty
};

// Reads a JPEG; with `least` at the smallest half, quarter or eighth whose shorter side has so many
// pixels.
Decoded decode_jpeg(std::string_view file, int least);
Decoded decode_png(std::string_view file);
Decoded decode_webp(std::string_view file);  // of several frames the first

}  // namespace zscr
