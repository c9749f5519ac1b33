#include "sketch.hpp"

#include <algorithm>
#include <cmath>

#include "error.hpp"
#include "ink.hpp"

namespace zscr {
namespace {

constexpr int kSide = 512;                     // at which a drawing is looked at, and drawn anew
constexpr int kLeast = 16, kRounds = 6;        // pixels that make a drawing; steps
constexpr double kSmall = 0.15, kFill = 0.66;  // shares of a side that a drawing fills

// Returns the side that keeps an image's proportions best: the one below or above.
int best_side(double exact, double (*off)(double aspect, double other, int side), double aspect,
              double other) {
  const int low = int(std::floor(exact)), high = int(std::ceil(exact));
  return std::max(off(aspect, other, high) < off(aspect, other, low) ? high : low, 1);
}

Image thumbnail(const Image& image) {
  if (image.width <= kSide && image.height <= kSide) return image;
  const double aspect = double(image.width) / image.height;
  int width = kSide, height = kSide;
  if (1 >= aspect) {
    width = best_side(
        kSide * aspect,
        [](double ratio, double other, int side) { return std::abs(ratio - side / other); }, aspect,
        kSide);
  } else {
    height = best_side(
        kSide / aspect,
        [](double ratio, double other, int side) {
          return side ? std::abs(ratio - other / side) : 0;
        },
        aspect, kSide);
  }
  return resized(image, {0, 0, float(image.width), float(image.height)}, width, height, "bilinear");
}

// Draws it anew: from the floor to the top of the strokes, white becomes black.
Image drawn_anew(const Ink& ink) {
  Image made(ink.width, ink.height, 3);
  const Mask near = spread(ink.strokes, ink.width, ink.height, 1);
  for (std::size_t n = 0; n < near.size(); ++n) {
    const float share = (ink.amount[n] - ink.floor[n]) / std::max(ink.strong - ink.floor[n], 1e-6F);
    const float grey = near[n] ? 255 * (1 - std::clamp(share, 0.F, 1.F)) : 255;
    std::fill_n(&made.pixels[3 * n], 3, std::uint8_t(std::nearbyint(grey)));
  }
  return made;
}

// Returns where `side` pixels about a middle begin within a whole, and how many they are.
std::pair<int, int> span(double middle, int side, int whole) {
  const int length = std::min(side, whole);
  return {std::max(0, std::min(int(std::nearbyint(middle - side / 2.0)), whole - length)), length};
}

// Copies a part of an image to a place on a white sheet of the size.
Image placed(const Image& from, int left, int top, int across, int down, Image sheet) {
  std::fill(sheet.pixels.begin(), sheet.pixels.end(), 255);
  const int width = std::min(from.width, sheet.width);
  for (int y = 0; y < std::min(from.height, sheet.height); ++y)
    std::copy_n(from.at(left, top + y), 3 * width, sheet.at(across, down + y));
  return sheet;
}

Image cut_out(const Image& image, const Ink& ink) {
  const double scale = double(std::max(image.width, image.height)) / ink.longer();
  const double left = ink.left * scale, right = ink.right * scale;
  const double top = ink.top * scale, bottom = ink.bottom * scale;
  const int side = int(std::nearbyint(std::max(right - left, bottom - top) / kFill));
  const auto [x, width] = span((left + right) / 2, side, image.width);
  const auto [y, height] = span((top + bottom) / 2, side, image.height);
  return placed(image, x, y, 0, 0, Image(width, height, 3));
}

Image on_square(const Image& image) {
  const int side = std::max(image.width, image.height);
  return placed(image, 0, 0, (side - image.width) / 2, (side - image.height) / 2,
                Image(side, side, 3));
}

void require_drawing(const Ink& ink, const std::string& name) {
  if (ink.count >= kLeast) return;
  const std::string seen = ink.count ? "only " + std::to_string(ink.count) + " pixels stand out"
                                     : std::string("no stroke stands out");
  unusable(name + " shows no drawing: " + seen +
           " from the paper; draw larger and with a thicker " +
           "pen, or give another file; a photo is no sketch");
}

}  // namespace

Drawing drawing(Image image, const std::string& name) {
  Drawing made{std::move(image), {}};
  const auto tell = [&](const std::string& what) {
    if (std::find(made.told.begin(), made.told.end(), what) == made.told.end())
      made.told.push_back(what);
  };
  for (int round = 0; round < kRounds; ++round) {
    const Ink ink = ink_of(thumbnail(made.image));
    require_drawing(ink, name);
    if (double(ink.drawn()) / ink.longer() < kSmall) {
      tell("the drawing filled a small part of its sheet and was cut out");
      made.image = cut_out(made.image, ink);
    } else if (!ink.is_clean()) {
      tell(ink.is_light   ? "the drawing was light on dark and was turned over"
           : ink.on_white ? "the strokes were faint and were made dark"
                          : "the paper was not white and was evened out");
      made.image = drawn_anew(ink);
    } else if (made.image.width != made.image.height) {
      made.image = on_square(made.image);
    } else {
      break;
    }
  }
  return made;
}

}  // namespace zscr
