// Pixels of 8 bits, and Pillow's arithmetic on them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace zscr {

struct Image {
  int width = 0, height = 0, channels = 3;  // RGB, or RGBA
  std::vector<std::uint8_t> pixels;         // rows from the top

  Image() = default;
  Image(int width, int height, int channels)
      : width(width),
        height(height),
        channels(channels),
        pixels(std::size_t(width) * std::size_t(height) * std::size_t(channels)) {}
  std::uint8_t* at(int x, int y) {
    return &pixels[(std::size_t(y) * std::size_t(width) + std::size_t(x)) * std::size_t(channels)];
  }
  const std::uint8_t* at(int x, int y) const { return const_cast<Image*>(this)->at(x, y); }
};

// The part of an image that a whole fills, which was decoded at a fraction of its size.
struct Box {
  float left, top, right, bottom;
};

// Returns a / 255, rounded, as Pillow blends: equal to division for all products of two bytes.
inline std::uint8_t over_255(unsigned a) { return std::uint8_t((((a + 128) >> 8) + a + 128) >> 8); }

// Lays RGBA over one shade -> RGB.
Image laid_over(const Image& layer, std::uint8_t shade);

// Returns the box of an image at another size, as Pillow's `resize(size, filter, box)`, to the bit.
// `filter` is one of its names: nearest, box, bilinear, hamming, bicubic or lanczos.
Image resized(const Image& image, const Box& box, int width, int height, const std::string& filter);
bool is_filter(const std::string& name);

}  // namespace zscr
