// What is wanted of a search, and what it found.
#pragma once

#include <limits>

#include "index.hpp"

namespace zscr {

struct Hit {
  int rank;
  double score, above_unrelated;  // -1 where it is not calibrated
  Entry entry;
};

struct Answer {
  std::vector<Hit> hits;
  std::vector<std::string> notes;
  std::string ran, error;
  bool nothing = false;
  std::string composition;  // what answered a query of several fields
};

struct Wanted {
  std::size_t k = 10, ef = 0;
  bool exact = false;
  double min_score = std::numeric_limits<double>::lowest();  // others are left out
};

}  // namespace zscr
