// What is asked for: a query of one field, or of several at once.
#pragma once

#include <set>

#include "image_file.hpp"

namespace zscr {

using Fields = std::set<std::string>;

struct Query {
  std::string id;
  std::optional<std::string> text;
  std::optional<std::vector<float>> vector;
  std::optional<ImageFile> image, sketch;
  std::optional<std::string> instead_of;  // what the text replaces
  std::optional<std::string> compose;     // the composition that is to answer

  Fields fields() const;
};

std::string spoken(const Fields& fields);  // "image and text"

}  // namespace zscr
