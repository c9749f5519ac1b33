// What an image becomes for a graph: pixels of a square, normalised.
#pragma once

#include "image_file.hpp"
#include "json.hpp"

namespace zscr {

// The preprocessing of a manifest: resize, crop the centre, scale, normalise.
class ImageReader {
 public:
  // Throws a MISSING fault for what this library lacks, a JsonFault for what is none.
  explicit ImageReader(const Json& preprocess);
  // Returns pixels (3, side, side); throws an INPUT fault.
  std::vector<float> read(const ImageFile& file) const;
  int side() const { return side_; }

 private:
  int side_, square_, shorter_ = 0, least_ = 0;
  std::string filter_;
  float levels_[3][256];  // what each byte of a channel becomes

  Image fitted(const Decoded& found, const std::string& name) const;
};

}  // namespace zscr
