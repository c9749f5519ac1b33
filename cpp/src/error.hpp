// What cannot be done: a code of zscr.h and one sentence with the values and the fix.
#pragma once

#include <stdexcept>
#include <string>

#include "zscr.h"

namespace zscr {

struct Fault : std::runtime_error {
  Fault(zscr_code code, const std::string& message) : std::runtime_error(message), code(code) {}
  zscr_code code;
};

[[noreturn]] inline void damaged(const std::string& message) {
  throw Fault(ZSCR_ARTEFACT, message);
}

[[noreturn]] inline void unusable(const std::string& message) { throw Fault(ZSCR_INPUT, message); }

}  // namespace zscr
