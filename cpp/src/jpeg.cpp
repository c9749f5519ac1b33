// JPEG, by libjpeg-turbo.
#include <algorithm>
#include <csetjmp>

#include "decoders.hpp"

// clang-format off
#include <cstdio>  // which jpeglib.h needs
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

namespace zscr {
namespace {

constexpr std::string_view kExif{"Exif\0\0", 6}, kXmp{"http://ns.adobe.com/xap/1.0/\0", 29};
constexpr int kScans = 500;  // encoders write about 10

// libjpeg's state. Its errors jump out of the calls in `guarded`, which may own nothing.
struct Reader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf back;
  char reason[JMSG_LENGTH_MAX] = "";
  bool ran_out = false;  // the file ends before the image: libjpeg would go on in grey

  Reader() {
    info.err = jpeg_std_error(&errors);
    info.client_data = this;
    errors.error_exit = [](j_common_ptr one) {
      one->err->format_message(one, of(one).reason);
      std::longjmp(of(one).back, 1);
    };
    errors.emit_message = [](j_common_ptr one, int) {
      of(one).ran_out = of(one).ran_out || one->err->msg_code == JWRN_JPEG_EOF;
    };
  }
  ~Reader() { jpeg_destroy_decompress(&info); }

  // Each scan of a progressive JPEG goes through all of its pixels, and may take 14 bytes.
  static void count_scans(j_common_ptr one) {
    if (of(one).info.input_scan_number <= kScans) return;
    std::snprintf(of(one).reason, sizeof of(one).reason, "it has over %d scans", kScans);
    std::longjmp(of(one).back, 1);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  static Reader& of(j_common_ptr one) { return *static_cast<Reader*>(one->client_data); }

  template <typename Calls>
  void guarded(Calls calls) {
    if (setjmp(back)) broken(reason);
    calls();
  }
};

void read_header(Reader& reader, std::string_view file) {
  reader.guarded([&] {
    jpeg_CreateDecompress(&reader.info, JPEG_LIB_VERSION, sizeof reader.info);
    reader.info.client_data = &reader;
    reader.progress.progress_monitor = Reader::count_scans;
    reader.info.progress = &reader.progress;
    jpeg_save_markers(&reader.info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_mem_src(&reader.info, reinterpret_cast<const unsigned char*>(file.data()),
                 static_cast<unsigned long>(file.size()));
    jpeg_read_header(&reader.info, TRUE);
  });
  require_size(reader.info.image_width, reader.info.image_height);
  const int layers = reader.info.num_components;
  if (layers != 1 && layers != 3 && layers != 4)
    broken("cannot handle " + std::to_string(layers) + "-layer images");
}

void keep_metadata(const Reader& reader, Decoded& made) {
  for (auto one = reader.info.marker_list; one; one = one->next) {
    const std::string_view held(reinterpret_cast<const char*>(one->data), one->data_length);
    if (held.substr(0, kExif.size()) == kExif)
      made.exif += made.exif.empty() ? held : held.substr(kExif.size());
    if (held.substr(0, kXmp.size()) == kXmp) made.xmp = held.substr(kXmp.size());
  }
}

// Chooses the fraction; the box is the part of it that the whole fills.
void set_scale(Reader& reader, Decoded& made, int least) {
  unsigned scale = 1;
  if (least > 0)
    for (const int one : {2, 4, 8})
      if (std::min(made.width, made.height) / least >= one) scale = unsigned(one);
  reader.info.scale_num = 1;
  reader.info.scale_denom = scale;
  made.box = {0, 0, float(made.width) / float(scale), float(made.height) / float(scale)};
}

void read_pixels(Reader& reader, Decoded& made) {
  const bool inks = reader.info.num_components == 4;
  reader.guarded([&] {
    reader.info.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&reader.info);
  });
  Image image(int(reader.info.output_width), int(reader.info.output_height), inks ? 4 : 3);
  reader.guarded([&] {
    while (reader.info.output_scanline < reader.info.output_height) {
      JSAMPROW row = image.at(0, int(reader.info.output_scanline));
      jpeg_read_scanlines(&reader.info, &row, 1);
    }
    jpeg_finish_decompress(&reader.info);
  });
  made.image = std::move(image);
}

// Makes RGB of what Adobe's programs write: not the inks, but the paper that they leave.
Image of_inks(const Image& paper) {
  Image made(paper.width, paper.height, 3);
  const std::uint8_t* from = paper.pixels.data();
  for (std::uint8_t* to = made.pixels.data(); from != paper.pixels.data() + paper.pixels.size();
       from += 4, to += 3)
    for (int c = 0; c < 3; ++c)
      to[c] = std::uint8_t(from[3] - over_255((255U - from[c]) * from[3]));
  return made;
}

Decoded read_once(std::string_view file, int least, bool& ran_out) {
  Reader reader;
  Decoded made;
  read_header(reader, file);
  made.width = int(reader.info.image_width);
  made.height = int(reader.info.image_height);
  keep_metadata(reader, made);
  set_scale(reader, made, least);
  read_pixels(reader, made);
  if (made.image.channels == 4) made.image = of_inks(made.image);
  ran_out = reader.ran_out;
  return made;
}

}  // namespace

Decoded decode_jpeg(std::string_view file, int least) {
  bool ran_out = false;
  Decoded made = read_once(file, least, ran_out);
  if (!ran_out) return made;
  // It lacks its end. If no pixels are missing, whatever stands before an end changes nothing.
  std::string whole(file.substr(0, file.find_last_not_of('\xFF') + 1)), other;
  for (int one = 64; one < 192; one += 2) other += char(one);
  made = read_once(whole + "\xFF\xD9", least, ran_out);
  const Decoded full = least ? read_once(whole + "\xFF\xD9", 0, ran_out) : made;
  if (ran_out ||
      full.image.pixels != read_once(whole + other + "\xFF\xD9", 0, ran_out).image.pixels)
    broken("image file is truncated");
  return made;
}

}  // namespace zscr
