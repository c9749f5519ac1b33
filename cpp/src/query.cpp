#include "query.hpp"

namespace zscr {

Fields Query::fields() const {
  Fields made;
  if (text) made.insert("text");
  if (vector) made.insert("vector");
  if (image) made.insert("image");
  if (sketch) made.insert("sketch");
  return made;
}

std::string spoken(const Fields& fields) {
  std::string made;
  for (const auto& one : fields) made += (made.empty() ? "" : " and ") + one;
  return made;
}

}  // namespace zscr
