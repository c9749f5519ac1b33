#include "layer.hpp"

#include <algorithm>

#include "paper.hpp"

namespace zscr {
namespace {

constexpr int kLayer = 64;  // the side at which a layer is looked at

// Reduces an RGBA layer to 64 pixels a side, its colours weighed by their alpha, as Pillow does.
Image reduced(Image layer) {
  for (std::size_t n = 0; n < layer.pixels.size(); ++n)
    if (n % 4 < 3) layer.pixels[n] = over_255(unsigned(layer.pixels[n]) * layer.pixels[n | 3]);
  const Box whole{0, 0, float(layer.width), float(layer.height)};
  Image made = resized(layer, whole, kLayer, kLayer, "box");
  for (std::size_t n = 0; n < made.pixels.size(); ++n) {
    const int alpha = made.pixels[n | 3];
    if (n % 4 < 3 && alpha && alpha < 255)
      made.pixels[n] = std::uint8_t(std::min(255, 255 * made.pixels[n] / alpha));
  }
  return made;
}

// Says whether a sheet shows nothing but what is clear in it, and not at its corners alone.
bool is_cut_out(const Image& small) {
  double least = 255, darkest = 255, lightest = 0;
  for (const int y : {0, kLayer - 1})
    for (const int x : {0, kLayer - 1}) least = std::min(least, double(small.at(x, y)[3]));
  for (std::size_t n = 0; n < small.pixels.size(); n += 4) {
    if (small.pixels[n + 3] <= 0.5 * 255) continue;
    const double grey = (small.pixels[n] + small.pixels[n + 1] + small.pixels[n + 2]) / 3.0;
    darkest = std::min(darkest, grey);
    lightest = std::max(lightest, grey);
  }
  return least > 0.9 * 255 && lightest - darkest < 8;
}

}  // namespace

std::uint8_t shade_under(const Image& layer) {
  const Image small = reduced(layer);
  const Mask frame = frame_of(kLayer, kLayer);
  double around = 0, in_frame = 0, bright = 0, seen = 0;
  for (std::size_t n = 0; n < frame.size(); ++n)
    if (frame[n]) ++in_frame, around += small.pixels[4 * n + 3];
  const bool has_paper = around > 0.5 * 255 * in_frame;
  for (std::size_t n = 0; n < frame.size(); ++n) {
    if (has_paper && !frame[n]) continue;
    const std::uint8_t* one = &small.pixels[4 * n];
    bright += one[3] * (one[0] + one[1] + one[2]) / 3.0;
    seen += one[3];
  }
  bool is_light = bright > 127.5 * seen;
  if (has_paper && is_cut_out(small)) is_light = !is_light;
  return is_light == has_paper ? 255 : 0;
}

}  // namespace zscr
