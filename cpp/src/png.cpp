// PNG, by libpng.
#include <png.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstring>

#include "decoders.hpp"
#include "png_chunks.hpp"

namespace zscr {
namespace {

// libpng's state. Its errors jump out of the calls in `guarded`, which may own nothing.
struct Reader {
  png_structp png = nullptr;
  png_infop head = nullptr, tail = nullptr;
  std::jmp_buf back;
  char reason[160] = "there is no memory for it";
  std::string_view rest;  // of the file

  explicit Reader(std::string_view file) : rest(file) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, failed, [](png_structp, auto) {});
    if (png) head = png_create_info_struct(png);
    if (png) tail = png_create_info_struct(png);
    if (!head || !tail) {
      png_destroy_read_struct(&png, &head, &tail);
      broken(reason);
    }
  }
  ~Reader() { png_destroy_read_struct(&png, &head, &tail); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[noreturn]] static void failed(png_structp one, png_const_charp words) {
    auto& reader = *static_cast<Reader*>(png_get_error_ptr(one));
    std::strncpy(reader.reason, words, sizeof reader.reason - 1);
    std::longjmp(reader.back, 1);
  }
  static void take(png_structp one, png_bytep to, std::size_t size) {
    auto& reader = *static_cast<Reader*>(png_get_io_ptr(one));
    if (size > reader.rest.size()) png_error(one, "image file is truncated");
    std::memcpy(to, reader.rest.data(), size);
    reader.rest.remove_prefix(size);
  }

  // Says whether all rows were read, and no more is missing than their checksum: Pillow needs none.
  bool lacks_checksum(int height) const {
    const bool whole = png_get_current_pass_number(png) == 7 ||
                       png_get_current_row_number(png) == png_uint_32(height);
    return whole && std::strcmp(reason, "Not enough image data") == 0;
  }

  template <typename Calls>
  bool tried(Calls calls) {
    if (setjmp(back)) return false;
    calls();
    return true;
  }
  template <typename Calls>
  void guarded(Calls calls) {
    if (!tried(calls)) broken(reason);
  }
};

// What a file says of its pixels: their kind, and the one colour that is clear.
struct Kind {
  int depth, colour;
  bool clears = false;
  std::uint16_t clear[3] = {};  // of grey or red, green and blue, in bits of the pixels as read

  bool deep_grey() const { return depth == 16 && colour == PNG_COLOR_TYPE_GRAY; }
};

Kind kind_of(const Reader& reader) {
  Kind made{png_get_bit_depth(reader.png, reader.head),
            png_get_color_type(reader.png, reader.head)};
  png_color_16p clear = nullptr;
  const bool named = png_get_tRNS(reader.png, reader.head, nullptr, nullptr, &clear) && clear;
  if (!named || made.colour == PNG_COLOR_TYPE_PALETTE) return made;
  made.clears = true;
  const bool grey = made.colour == PNG_COLOR_TYPE_GRAY;
  // Shades of 2 and 4 bits become 8; of 16-bit colours the lower 8 are dropped.
  const int factor =
      grey && (made.depth == 2 || made.depth == 4) ? 255 / ((1 << made.depth) - 1) : 1;
  const std::uint16_t own[] = {clear->red, clear->green, clear->blue};
  for (int c = 0; c < 3; ++c) {
    const int value = grey ? clear->gray * factor : made.depth == 16 ? own[c] >> 8 : own[c];
    made.clear[c] = std::uint16_t(made.deep_grey() ? value : value & 255);
  }
  return made;
}

// Reads rows as grey of 16 bits, or else as RGB or RGBA of 8.
Image read_rows(Reader& reader, const Kind& kind) {
  int passes = 1;
  reader.guarded([&] {
    if (kind.colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(reader.png);
    if (kind.colour == PNG_COLOR_TYPE_GRAY && kind.depth < 8)
      png_set_expand_gray_1_2_4_to_8(reader.png);
    if (kind.depth == 16 && !kind.deep_grey()) png_set_strip_16(reader.png);
    if (!kind.deep_grey()) png_set_gray_to_rgb(reader.png);
    passes = png_set_interlace_handling(reader.png);
    png_read_update_info(reader.png, reader.head);
  });
  const int channels = kind.deep_grey() ? 2 : png_get_channels(reader.png, reader.head);
  Image made(int(png_get_image_width(reader.png, reader.head)),
             int(png_get_image_height(reader.png, reader.head)), channels);
  const std::size_t stride = std::size_t(made.width) * std::size_t(channels);
  if (png_get_rowbytes(reader.png, reader.head) != stride) broken("its rows have an unknown form");
  const bool ended = reader.tried([&] {
    for (int pass = 0; pass < passes; ++pass)
      for (int y = 0; y < made.height; ++y) png_read_row(reader.png, made.at(0, y), nullptr);
  });
  if (!ended && !reader.lacks_checksum(made.height)) broken(reader.reason);
  return made;
}

// Scales big-endian grey of 16 bits, and makes the one clear shade clear.
Image of_deep_grey(const Image& grey, const Kind& kind) {
  Image made(grey.width, grey.height, kind.clears ? 4 : 3);
  const std::uint8_t* from = grey.pixels.data();
  for (auto to = made.pixels.begin(); to != made.pixels.end(); from += 2, to += made.channels) {
    const unsigned shade = unsigned(from[0]) << 8 | from[1];
    std::fill_n(to, 3, std::uint8_t(std::nearbyint(shade * (255.0 / 65535))));
    if (kind.clears) to[3] = shade == kind.clear[0] ? 0 : 255;
  }
  return made;
}

Image with_clear(const Image& opaque, const Kind& kind) {
  Image made(opaque.width, opaque.height, 4);
  const std::uint8_t* from = opaque.pixels.data();
  for (auto to = made.pixels.begin(); to != made.pixels.end(); from += 3, to += 4) {
    std::copy_n(from, 3, to);
    to[3] = std::equal(from, from + 3, kind.clear) ? 0 : 255;
  }
  return made;
}

void keep_metadata(const Reader& reader, png_infop info, Decoded& made, std::string& raw) {
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(reader.png, info, &size, &exif))
    made.exif.assign(reinterpret_cast<const char*>(exif), size);
  png_textp texts = nullptr;
  const int count = png_get_text(reader.png, info, &texts, nullptr);
  for (int n = 0; n < count; ++n) {
    const std::string_view key = texts[n].key;
    const std::string_view text{texts[n].text,
                                std::max(texts[n].text_length, texts[n].itxt_length)};
    if (key == "Raw profile type exif") raw = unhexed(text);
    if (key == "XML:com.adobe.xmp") made.xmp = text;
  }
}

Decoded read_once(std::string_view file) {
  Reader reader(file);
  reader.guarded([&] {
    png_set_user_limits(reader.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // ours come next
    // Texts as Pillow bounds them: they may grow a thousandfold when they are unpacked.
    png_set_chunk_malloc_max(reader.png, 1 << 20);
    png_set_chunk_cache_max(reader.png, 64);
    png_set_crc_action(reader.png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_read_fn(reader.png, &reader, Reader::take);
    png_read_info(reader.png, reader.head);
    // Pillow looks at checksums of what stands before the pixels; those have another one inside.
    png_set_crc_action(reader.png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
  });
  Decoded made;
  require_size(png_get_image_width(reader.png, reader.head),
               png_get_image_height(reader.png, reader.head));
  const Kind kind = kind_of(reader);
  made.image = read_rows(reader, kind);
  if (kind.deep_grey()) {
    made.image = of_deep_grey(made.image, kind);
  } else if (kind.clears && made.image.channels == 3) {
    made.image = with_clear(made.image, kind);
  }
  std::string raw;
  keep_metadata(reader, reader.head, made, raw);
  // What is at fault behind the pixels does not matter.
  if (reader.tried([&] { png_read_end(reader.png, reader.tail); }))
    keep_metadata(reader, reader.tail, made, raw);
  if (made.exif.empty()) made.exif = raw;
  made.width = made.image.width;
  made.height = made.image.height;
  made.box = {0, 0, float(made.width), float(made.height)};
  return made;
}

}  // namespace

// As in Python, what cannot be read with its texts and the like is read without.
Decoded decode_png(std::string_view file) {
  try {
    return read_once(file);
  } catch (const ImageFault& fault) {
    try {
      return read_once(needed_chunks(file));
    } catch (const ImageFault&) {
      throw fault;
    }
  }
}

}  // namespace zscr
