// What cannot be done: a code of zscr.h and one sentence with the values and the fix.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "zscr.h"

namespace zscr {

// Returns words as UTF-8 on one line: of strangers' bytes that are neither, a `?` stands for each.
std::string printable(std::string_view words);

struct Fault : std::runtime_error {
  Fault(zscr_code kind, const std::string& message)
      : std::runtime_error(printable(message)), code(kind) {}
  zscr_code code;
};

[[noreturn]] inline void damaged(const std::string& message) {
  throw Fault(ZSCR_ARTEFACT, message);
}

[[noreturn]] inline void unusable(const std::string& message) { throw Fault(ZSCR_INPUT, message); }

}  // namespace zscr
