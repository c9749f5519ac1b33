// What is done to a PNG's bytes without libpng.
#pragma once

#include <string>
#include <string_view>

namespace zscr {

// Returns a file's chunks that make its pixels, and a sound EXIF block.
std::string needed_chunks(std::string_view file);

// Returns what ImageMagick writes into a text: three lines, then hexadecimal digits.
std::string unhexed(std::string_view text);

}  // namespace zscr
