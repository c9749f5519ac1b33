#include "sketch.hpp"

#include <algorithm>
#include <cmath>

#include "error.hpp"
#include "paper.hpp"

namespace zscr {
namespace {

constexpr int kLayer = 64;                     // at which a transparent one is looked at
constexpr int kSide = 512;                     // at which a drawing is looked at, and drawn anew
constexpr float kWhite = 250, kCalm = 1;       // levels of white paper, and by which it may scatter
constexpr float kFloor = 0.08F, kSure = 5;     // ink that is surely none, and in deviations
constexpr float kDark = 0.5F, kTop = 0.9F;     // ink of dark strokes; which quantile becomes black
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

// Where at least `least` of nine pixels are set; beyond the border its pixels go on.
Mask spread(const Mask& mask, int width, int height, int least) {
  Mask made(mask.size());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      int count = 0;
      for (int n = 0; n < 9; ++n) {
        const int row = std::clamp(y + n / 3 - 1, 0, height - 1);
        const int column = std::clamp(x + n % 3 - 1, 0, width - 1);
        count += mask[std::size_t(row) * std::size_t(width) + std::size_t(column)];
      }
      made[std::size_t(y) * std::size_t(width) + std::size_t(x)] = count >= least;
    }
  return made;
}

// What is seen of a drawing at its reduced size.
struct Ink {
  int width, height, count = 0;      // of pixels in strokes
  std::vector<float> amount, floor;  // from 0, paper, to 1; how much of it may still be paper
  Mask strokes;                      // where there is more, without specks
  bool is_light = false, on_white = true;
  int left, top = -1, right = 0, bottom = 0;  // of what is drawn
  float strong = 0;                           // the amount in the stronger strokes

  bool is_clean() const { return on_white && !is_light && strong >= kDark; }
  int longer() const { return std::max(width, height); }
  int drawn() const { return std::max(right - left, bottom - top); }
};

// Finds the box of the strokes and their strength, numpy's quantile.
void measure(Ink& ink) {
  std::vector<float> amounts;
  ink.left = ink.width;
  for (int y = 0; y < ink.height; ++y)
    for (int x = 0; x < ink.width; ++x) {
      const std::size_t at = std::size_t(y) * std::size_t(ink.width) + std::size_t(x);
      if (!ink.strokes[at]) continue;
      amounts.push_back(ink.amount[at]);
      if (ink.top < 0) ink.top = y;
      ink.left = std::min(ink.left, x);
      ink.right = std::max(ink.right, x + 1);
      ink.bottom = y + 1;
    }
  ink.count = int(amounts.size());
  if (!ink.count) return;
  std::sort(amounts.begin(), amounts.end());
  const double where = double(kTop) * (ink.count - 1);
  const auto low = std::size_t(where);
  const float share = float(where - double(low));
  const float next = amounts[std::min(low + 1, amounts.size() - 1)];
  ink.strong = amounts[low] + (next - amounts[low]) * share;
}

// Tells ink from paper: a pixel is light times what the paper reflects, so ink that leaves the
// level v on paper of the level p is 1 - v / p; of light strokes it is (v - p) / (255 - p).
Ink ink_of(const Image& small) {
  Ink made{};
  made.width = small.width;
  made.height = small.height;
  made.on_white = true;
  made.top = -1;
  const std::size_t size = small.pixels.size() / 3;
  std::vector<Paper> papers;
  double balance = 0;
  for (int c = 0; c < 3; ++c) {
    const Paper& paper = papers.emplace_back(paper_of(small, c));
    const float sure = std::max(kFloor * 255, kSure * paper.noise);
    made.on_white = made.on_white && paper.noise <= kCalm;
    for (std::size_t n = 0; n < size; ++n) {
      const float rest = float(small.pixels[3 * n + std::size_t(c)]) - paper.light[n];
      if (std::abs(rest) > sure) balance += rest;
      made.on_white = made.on_white && paper.light[n] >= kWhite;
    }
  }
  made.is_light = balance > 0;
  made.amount.assign(size, 0);
  made.floor.assign(size, kFloor);
  for (int c = 0; c < 3; ++c)
    for (std::size_t n = 0; n < size; ++n) {
      const float light = papers[std::size_t(c)].light[n];
      const float room = std::max(made.is_light ? 255 - light : light, 1.F);
      const float rest = float(small.pixels[3 * n + std::size_t(c)]) - light;
      made.amount[n] = std::max(made.amount[n], (made.is_light ? rest : -rest) / room);
      made.floor[n] = std::max(made.floor[n], kSure * papers[std::size_t(c)].noise / room);
    }
  for (std::size_t n = 0; n < size; ++n) {
    made.amount[n] = std::min(made.amount[n], 1.F);
    made.floor[n] = std::min(made.floor[n], 1.F);
    made.strokes.push_back(made.amount[n] > made.floor[n]);
  }
  const Mask crowded = spread(made.strokes, made.width, made.height, 3);  // two neighbours
  for (std::size_t n = 0; n < size; ++n) made.strokes[n] = made.strokes[n] && crowded[n];
  measure(made);
  return made;
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
