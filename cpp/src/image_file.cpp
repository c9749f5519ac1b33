#include "image_file.hpp"

#include <array>

#include "file.hpp"
#include "orientation.hpp"

namespace zscr {
namespace {

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION  // as fuzzers call it: so that many images fit
constexpr std::uint64_t kMaxPixels = 1 << 16;
#else
constexpr std::uint64_t kMaxPixels = 256000000;
#endif
constexpr std::size_t kMaxBytes = std::size_t(1) << 30;

using Decoder = Decoded (*)(std::string_view file, int least);

// A format: how its files begin, `.` for any byte, and its decoder, if it is in this build.
struct Format {
  std::string_view name, head;
  Decoder decode;
};

#ifdef ZSCR_JPEG
constexpr Decoder kJpeg = decode_jpeg;
#else
constexpr Decoder kJpeg = nullptr;
#endif
#ifdef ZSCR_PNG
constexpr Decoder kPng = [](std::string_view file, int) { return decode_png(file); };
#else
constexpr Decoder kPng = nullptr;
#endif
#ifdef ZSCR_WEBP
constexpr Decoder kWebp = [](std::string_view file, int) { return decode_webp(file); };
#else
constexpr Decoder kWebp = nullptr;
#endif

constexpr std::array<Format, 14> kFormats{{
    {"JPEG", "\xFF\xD8\xFF", kJpeg},
    {"PNG", "\x89PNG\r\n\x1A\n", kPng},
    {"WebP", "RIFF....WEBP", kWebp},
    {"GIF", "GIF87a", nullptr},
    {"GIF", "GIF89a", nullptr},
    {"TIFF", {"II*\0", 4}, nullptr},
    {"TIFF", {"MM\0*", 4}, nullptr},
    {"BMP", "BM", nullptr},
    {"AVIF", "....ftypavi", nullptr},
    {"JPEG 2000", "\xFF\x4F\xFF\x51", nullptr},
    {"JPEG 2000", {"\0\0\0\x0CjP  ", 8}, nullptr},
    {"HEIC", "....ftyphei", nullptr},
    {"HEIC", "....ftypmif1", nullptr},
    {"HEIC", "....ftypmsf1", nullptr},
}};

bool begins(std::string_view file, std::string_view head) {
  if (file.size() < head.size()) return false;
  for (std::size_t n = 0; n < head.size(); ++n)
    if (head[n] != '.' && head[n] != file[n]) return false;
  return true;
}

std::string readable() {  // the formats of this build
  std::string made;
  for (const Format& one : kFormats)
    if (one.decode) made += (made.empty() ? "" : ", ") + std::string(one.name);
  return made.empty() ? "no images" : made;
}

Decoder decoder_of(std::string_view file, const std::string& name) {
  if (file.empty()) unusable(name + " is empty");
  for (const Format& one : kFormats) {
    if (!begins(file, one.head)) continue;
    if (one.decode) return one.decode;
    unusable(name + " is a " + std::string(one.name) + " image; this build of libzscr reads " +
             readable() + ": convert it");
  }
  unusable(name + " is not an image of a known format; this build of libzscr reads " + readable());
}

}  // namespace

void broken(const std::string& reason) {
  throw ImageFault(" cannot be decoded (" + reason + "); mend it or leave it out");
}

void require_size(std::uint64_t width, std::uint64_t height) {
  const std::string size = " has " + std::to_string(width) + "x" + std::to_string(height);
  if (!width || !height) throw ImageFault(size + " pixels: nothing can be seen; leave it out");
  if (width * height > kMaxPixels)
    throw ImageFault(size + " pixels, over the limit of " + std::to_string(kMaxPixels) +
                     "; shrink it");
}

Decoded upright(const ImageFile& file, int least, Under under) {
  const std::string name = file.name();
  const std::string read =
      file.path.empty() ? "" : read_file(file.path, kMaxBytes, ZSCR_INPUT, "name an image's file");
  const std::string_view bytes = file.path.empty() ? file.bytes : read;
  const Decoder decode = decoder_of(bytes, name);
  try {
    Decoded made = decode(bytes, least);
    if (made.image.channels == 4) made.image = laid_over(made.image, under(made.image));
    const int how = orientation(made.exif, made.xmp);
    turn(made.image, made.box, how);
    if (how >= 5) std::swap(made.width, made.height);
    return made;
  } catch (const ImageFault& fault) {
    unusable(name + fault.what());
  }
}

}  // namespace zscr
