// What an image becomes for a graph: pixels of a square, normalised.
#pragma once

#include "image_file.hpp"
#include "json.hpp"

namespace zscr {

struct ReadImage {
  std::vector<float> pixels;      // (3, side, side)
  std::vector<std::string> told;  // what was done to a sketch
};

// The preprocessing of a manifest: prepare a sketch, resize, crop the centre, scale, normalise.
class ImageReader {
 public:
  // Throws a MISSING fault for what this library lacks, a JsonFault for what is none.
  explicit ImageReader(const Json& preprocess);
  ReadImage read(const ImageFile& file) const;  // throws an INPUT fault
  int side() const { return side_; }

 private:
  int side_, square_, shorter_ = 0, least_ = 0;
  std::string filter_;
  bool strokes_ = false;  // it is made a drawing first
  float levels_[3][256];  // what each byte of a channel becomes

  Image fitted(const Decoded& found, const std::string& name) const;
};

}  // namespace zscr
