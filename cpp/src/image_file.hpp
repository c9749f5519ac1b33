// A stranger's image: told by its content, bounded, checked, turned upright.
#pragma once

#include <optional>

#include "decoders.hpp"

namespace zscr {

// A file by its path, or the content of one.
struct ImageFile {
  std::string path, bytes;

  std::string name() const { return path.empty() ? "the image" : path; }
};

using Under = std::uint8_t (*)(const Image& layer);
inline std::uint8_t white(const Image&) { return 255; }

// Returns it upright, RGB, transparency laid over a shade; `least` as for `decode_jpeg`. Throws an
// INPUT fault: it cannot be read, is of no format that this build reads, damaged, or too large.
Decoded upright(const ImageFile& file, int least, Under under = white);

}  // namespace zscr
