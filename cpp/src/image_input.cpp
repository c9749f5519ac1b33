#include "image_input.hpp"

#include <algorithm>

#include "layer.hpp"
#include "sketch.hpp"

namespace zscr {
namespace {

constexpr std::int64_t kMaxResized = 64000000;  // a line is small until its shorter side grows

int whole(const Json& how, const std::string& name, int high, int absent) {
  return how.has(name) ? int(how.at(name).integer(0, high)) : absent;
}

}  // namespace

ImageReader::ImageReader(const Json& how)
    : side_(int(how.at("image_size").integer(1, 2048))),
      square_(whole(how, "resize_square", 8192, side_)),
      shorter_(whole(how, "resize_shorter_side", 8192, 0)),
      least_(whole(how, "decode_shorter_side", 1 << 16, 0)),
      filter_(how.at("resample").text(20)) {
  if (!is_filter(filter_)) how.at("resample").refuse("a filter of Pillow");
  strokes_ = how.has("strokes") && how.at("strokes").flag();
  if (how.has("view"))
    throw Fault(ZSCR_MISSING, "views of images are not in this version of libzscr");
  const auto scale = float(how.at("rescale").number());
  const auto& mean = how.at("mean").list(3, 3);
  const auto& std = how.at("std").list(3, 3);
  for (std::size_t c = 0; c < 3; ++c)
    for (int byte = 0; byte < 256; ++byte)
      levels_[c][byte] = (float(byte) * scale - float(mean[c].number())) / float(std[c].number());
}

// Resizes what the whole fills: to the square, or so that proportions stay.
Image ImageReader::fitted(const Decoded& found, const std::string& name) const {
  std::int64_t width = square_, height = square_;
  if (shorter_) {
    const int shorter = std::min(found.width, found.height);
    width = std::int64_t(shorter_) * found.width / shorter;
    height = std::int64_t(shorter_) * found.height / shorter;
  }
  if (width * height > kMaxResized)
    unusable(name + " of " + std::to_string(found.width) + "x" + std::to_string(found.height) +
             " pixels would be resized to " + std::to_string(width) + "x" + std::to_string(height) +
             ", over the limit of " + std::to_string(kMaxResized) + " pixels; crop it");
  return resized(found.image, found.box, int(width), int(height), filter_);
}

ReadImage ImageReader::read(const ImageFile& file) const {
  ReadImage made;
  Decoded found = upright(file, least_, strokes_ ? shade_under : white);
  if (strokes_) {
    Drawing drawn = drawing(std::move(found.image), file.name());
    made.told = std::move(drawn.told);
    found.image = std::move(drawn.image);
    found.width = found.image.width;
    found.height = found.image.height;
    found.box = {0, 0, float(found.width), float(found.height)};
  }
  const Image image = fitted(found, file.name());
  const int left = (image.width - side_) >> 1, top = (image.height - side_) >> 1;  // rounded down
  made.pixels.reserve(std::size_t(3) * std::size_t(side_) * std::size_t(side_));
  for (int c = 0; c < 3; ++c)
    for (int y = top; y < top + side_; ++y)
      for (int x = left; x < left + side_; ++x) {
        const bool inside = x >= 0 && y >= 0 && x < image.width && y < image.height;
        made.pixels.push_back(levels_[c][inside ? image.at(x, y)[c] : 0]);
      }
  return made;
}

}  // namespace zscr
