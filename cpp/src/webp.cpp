// WebP, by libwebp.
#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>

#include "decoders.hpp"

namespace zscr {
namespace {

std::string chunk(const WebPDemuxer* demuxer, const char* name) {
  WebPChunkIterator found;
  if (!WebPDemuxGetChunk(demuxer, name, 1, &found)) return "";
  std::string made(reinterpret_cast<const char*>(found.chunk.bytes), found.chunk.size);
  WebPDemuxReleaseChunkIterator(&found);
  return made;
}

Image without_alpha(const std::uint8_t* from, int width, int height) {
  Image made(width, height, 3);
  for (auto to = made.pixels.begin(); to != made.pixels.end(); from += 4, to += 3)
    std::copy_n(from, 3, to);
  return made;
}

}  // namespace

Decoded decode_webp(std::string_view file) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(file.data());
  WebPBitstreamFeatures about;
  if (WebPGetFeatures(bytes, file.size(), &about) != VP8_STATUS_OK) broken("its header is damaged");
  require_size(std::uint64_t(about.width), std::uint64_t(about.height));
  const WebPData data{bytes, file.size()};
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(
      WebPAnimDecoderNew(&data, nullptr), WebPAnimDecoderDelete);
  std::uint8_t* canvas = nullptr;
  int until = 0;
  if (!decoder || !WebPAnimDecoderGetNext(decoder.get(), &canvas, &until))
    broken("failed to decode its first frame");
  Decoded made;
  made.width = about.width;
  made.height = about.height;
  made.box = {0, 0, float(made.width), float(made.height)};
  if (about.has_alpha) {
    made.image = Image(made.width, made.height, 4);
    made.image.pixels.assign(canvas, canvas + made.image.pixels.size());
  } else {
    made.image = without_alpha(canvas, made.width, made.height);
  }
  const WebPDemuxer* demuxer = WebPAnimDecoderGetDemuxer(decoder.get());
  made.exif = chunk(demuxer, "EXIF");
  made.xmp = chunk(demuxer, "XMP ");
  return made;
}

}  // namespace zscr
