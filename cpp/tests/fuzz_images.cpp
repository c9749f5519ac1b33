// Images, and what is made of their pixels.
#include "../src/image_input.hpp"
#include "../src/layer.hpp"
#include "../src/orientation.hpp"
#include "../src/sketch.hpp"
#include "fuzz.hpp"

namespace zscr::fuzz {

void read_image(std::string_view bytes) {
  static const auto reader = [](const char* more) {
    return ImageReader(parse_json(std::string(R"({"image_size": 8, "resample": "bicubic",
        "rescale": 0.1, "mean": [0, 0, 0], "std": [1, 1, 1], )") +
                                  more + "}"));
  };
  static const ImageReader kPhotos =
      reader(R"("resize_shorter_side": 9, "decode_shorter_side": 9)");
  static const ImageReader kSketches = reader(R"("strokes": true)");
  const ImageFile file{"", std::string(bytes)};
  for (const ImageReader* one : {&kPhotos, &kSketches})
    tried([&] {
      require(one->read(file).pixels.size() == 3 * 8 * 8, "an image has the pixels of its square");
    });
}

void read_orientation(std::string_view bytes) {
  const int found = orientation(bytes, bytes);
  require(found >= 1 && found <= 8, "an orientation is one of eight");
}

// Sizes in the first bytes, and pixels in the others.
void read_pixels(std::string_view bytes) {
  if (bytes.size() < 5) return;
  const auto size = [&](std::size_t at) { return 1 + std::uint8_t(bytes[at]) % 96; };
  Image layer(size(0), size(1), 4);
  for (std::size_t n = 0; n < layer.pixels.size(); ++n)
    layer.pixels[n] = std::uint8_t(bytes[4 + n % (bytes.size() - 4)]);
  const Image image = laid_over(layer, shade_under(layer));
  const Box box{0.5F, 0, float(image.width), float(image.height)};
  for (const char* filter : {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"})
    resized(image, box, size(2), size(3), filter);
  drawing(image, "drawing");
}

}  // namespace zscr::fuzz
