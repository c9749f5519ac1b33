#include "orientation.hpp"

#include <algorithm>

namespace zscr {
namespace {

constexpr unsigned kTag = 0x0112;
constexpr std::string_view kWholeOne{"\1\6", 2}, kWholeTwo{"\3\10", 2}, kWholeFour{"\4\11", 2};

// An EXIF block, which is a small TIFF file.
struct Tiff {
  std::string_view bytes;
  bool little;

  std::size_t number(std::size_t at, std::size_t size) const {
    std::size_t made = 0;
    for (std::size_t n = 0; n < size; ++n)
      made = made << 8 | std::uint8_t(bytes[at + (little ? size - 1 - n : n)]);
    return made;
  }
};

std::size_t size_of(unsigned kind) {  // of TIFF's types of whole numbers; 0 for others
  const char one = char(kind);
  if (kind > 9) return 0;
  if (kWholeOne.find(one) != kWholeOne.npos) return 1;
  if (kWholeTwo.find(one) != kWholeTwo.npos) return 2;
  return kWholeFour.find(one) != kWholeFour.npos ? 4 : 0;
}

// Looks at the first directory, of its entries of 12 bytes at those that are whole.
int of_exif(std::string_view block) {
  constexpr std::string_view kHead{"Exif\0\0", 6}, kLittle{"II*\0", 4}, kBig{"MM\0*", 4};
  if (block.substr(0, 6) == kHead) block.remove_prefix(6);
  const std::string_view order = block.substr(0, 4);
  if ((order != kLittle && order != kBig) || block.size() < 10) return 0;
  const Tiff tiff{block, order == kLittle};
  const std::size_t directory = tiff.number(4, 4);
  if (directory + 2 > block.size()) return 0;
  const std::size_t whole = (block.size() - directory - 2) / 12;
  const std::size_t count = std::min(tiff.number(directory, 2), whole);
  for (std::size_t at = directory + 2; at < directory + 2 + 12 * count; at += 12) {
    const std::size_t size = size_of(unsigned(tiff.number(at + 2, 2)));
    if (tiff.number(at, 2) != kTag || !size || tiff.number(at + 4, 4) != 1) continue;
    const std::size_t found = tiff.number(at + 8, size);
    return found >= 1 && found <= 8 ? int(found) : 0;
  }
  return 0;
}

int of_xmp(std::string_view packet) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (std::size_t at = 0; (at = packet.find(kName, at)) != packet.npos;) {
    at += kName.size();
    std::string_view rest = packet.substr(at);
    rest.remove_prefix(rest.substr(0, 1) == ">" ? 1 : rest.substr(0, 2) == "=\"" ? 2 : rest.size());
    if (!rest.empty() && rest[0] >= '1' && rest[0] <= '8') return rest[0] - '0';
  }
  return 0;
}

}  // namespace

int orientation(std::string_view exif, std::string_view xmp) {
  if (const int found = of_exif(exif)) return found;
  const int found = of_xmp(xmp);
  return found ? found : 1;
}

void turn(Image& image, Box& box, int how) {
  if (how == 1) return;
  const bool flips = how == 2 || how == 3 || how == 7 || how == 8;  // from left to right, and first
  const bool tilts = how == 3 || how == 4 || how == 6 || how == 7;  // from top to bottom
  const bool swaps = how >= 5;                                      // rows become columns
  Image made(swaps ? image.height : image.width, swaps ? image.width : image.height,
             image.channels);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const int column = flips ? image.width - 1 - x : x, row = tilts ? image.height - 1 - y : y;
      std::copy_n(image.at(x, y), image.channels,
                  swaps ? made.at(row, column) : made.at(column, row));
    }
  if (flips)
    box = {float(image.width) - box.right, box.top, float(image.width) - box.left, box.bottom};
  if (tilts)
    box = {box.left, float(image.height) - box.bottom, box.right, float(image.height) - box.top};
  if (swaps) box = {box.top, box.left, box.bottom, box.right};
  image = std::move(made);
}

}  // namespace zscr
