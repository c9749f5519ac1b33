// onnxruntime's library, for the files that call it.
#pragma once

#include <onnxruntime_c_api.h>

#include "graph_memory.hpp"
#include "runner.hpp"

namespace zscr {

class Onnxruntime {
 public:
  const OrtApi* api = nullptr;
  OrtEnv* env = nullptr;
  OrtMemoryInfo* memory = nullptr;
  GraphMemory* graphs = nullptr;  // of the environment, which stays; null where it has another
  std::string version, path;

  // Throws what onnxruntime says, as a fault of one line.
  void check(OrtStatus* status, zscr_code code, const std::string& what,
             const std::string& fix = "make it again or upgrade onnxruntime") const {
    if (status) throw Fault(code, what + " (" + words_of(status) + "); " + fix);
  }

  // Returns an error's words on one line, and frees it.
  std::string words_of(OrtStatus* status) const {
    std::string words = api->GetErrorMessage(status);
    api->ReleaseStatus(status);
    for (char& one : words)
      if (one == '\n' || one == '\r' || one == '\t') one = ' ';
    return words.substr(0, 400);
  }
};

}  // namespace zscr
