// What the readers that are fuzzed share: promises, a sound sample, and a copy of it.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "../src/file.hpp"
#include "../src/json.hpp"

namespace zscr::fuzz {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "zscr-fuzz: it is not true that %s\n", what);
  std::abort();
}

// Lets bytes be refused, in one sentence.
template <typename Work>
void tried(Work work) {
  try {
    work();
  } catch (const Fault& fault) {
    require(printable(fault.what()) == fault.what(), "a fault is one line of UTF-8");
    require(fault.code != ZSCR_INTERNAL, "no fault is the library's");
  } catch (const JsonFault&) {
  }
}

fs::path sample();       // $ZSCR_SAMPLE
const fs::path& copy();  // of it, in which files may be written over
void write(const fs::path& path, std::string_view content);
Json read_json(const fs::path& path);

// Each reads what somebody's file holds.
using Reader = void (*)(std::string_view bytes);
void read_text(std::string_view bytes);
void read_tokenizer(std::string_view bytes);
void read_image(std::string_view bytes);
void read_orientation(std::string_view bytes);
void read_pixels(std::string_view bytes);
void read_anything(std::string_view bytes);
void read_signed_manifest(std::string_view bytes);
void read_bundle(std::string_view bytes);
void read_index(std::string_view bytes);
void read_hnsw(std::string_view bytes);
void read_segment(std::string_view bytes);
void read_blocks(std::string_view bytes);
void read_line(std::string_view bytes);
void read_graph(std::string_view bytes);
void read_composition(std::string_view bytes);
void read_array(std::string_view bytes);
void read_sentence(std::string_view bytes);

}  // namespace zscr::fuzz
