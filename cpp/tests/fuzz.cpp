// Feeds bytes to each reader of strangers' files, behind the hashes that would refuse them.
//
// By clang it becomes a libFuzzer target, see scripts/fuzz-cpp; by others a program that reads
// files. $ZSCR_READER names the reader, $ZSCR_SAMPLE a folder with a sound bundle `b`, the index
// `b.index`, `tokenizers` and `image.png`. What is no fault in one sentence ends the program.
#include "fuzz.hpp"

#include <unistd.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

namespace zscr::fuzz {

fs::path sample() { return std::getenv("ZSCR_SAMPLE"); }

const fs::path& copy() {
  static const fs::path kMade = [] {
    std::string name = (fs::temp_directory_path() / "zscr-fuzz-XXXXXX").string();
    require(mkdtemp(name.data()), "a folder can be made");
    fs::copy(sample(), name, fs::copy_options::recursive);
    std::atexit([] { fs::remove_all(copy()); });
    return fs::path(name);
  }();
  return kMade;
}

void write(const fs::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary).write(content.data(), std::streamsize(content.size()));
}

Json read_json(const fs::path& path) { return parse_json(read_file(path, 1 << 28)); }

namespace {

const std::map<std::string, Reader> kReaders{
    {"json", read_anything},     {"manifest", read_signed_manifest},
    {"bundle", read_bundle},     {"index", read_index},
    {"hnsw", read_hnsw},         {"segment", read_segment},
    {"blocks", read_blocks},     {"entry", read_line},
    {"text", read_text},         {"tokenizer", read_tokenizer},
    {"graph", read_graph},       {"jpeg", read_image},
    {"png", read_image},         {"webp", read_image},
    {"pixels", read_pixels},     {"orientation", read_orientation},
    {"array", read_array},       {"composition", read_composition},
    {"sentence", read_sentence},
};

}  // namespace
}  // namespace zscr::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const zscr::fuzz::Reader kRead = zscr::fuzz::kReaders.at(std::getenv("ZSCR_READER"));
  zscr::fuzz::tried([&] { kRead({reinterpret_cast<const char*>(bytes), size}); });
  return 0;
}

#ifdef ZSCR_REPLAY
int main(int count, char** files) {
  for (int n = 1; n < count; ++n) {
    std::cout << files[n] << std::endl;  // the last one is at fault
    std::ifstream file(files[n], std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) std::cout << line << '\n';  // the most memory that it had
}
#endif
