// Files of an index.
#include <cstring>
#include <fstream>

#include "../src/index.hpp"
#include "fuzz.hpp"

namespace zscr::fuzz {
namespace {

// The segments of the sample.
const Stack& stack() {
  static const Stack kMade = [] {
    const Manifest index = read_manifest(sample() / "b.index", "index", 5);
    const auto dim = std::size_t(index.body.at("dim").integer(1, 1 << 16));
    std::vector<std::shared_ptr<const Segment>> segments;
    for (const Json& about : index.body.at("segments").list())
      segments.push_back(std::make_shared<const Segment>(index, about, dim, false));
    return Stack(std::move(segments));
  }();
  return kMade;
}

std::size_t dim() {
  static const auto kDim =
      std::size_t(read_json(sample() / "b.index" / "manifest.json").at("dim").integer(1, 1 << 16));
  return kDim;
}

}  // namespace

// The vectors are put right: that they are the index's own is proved before any link is.
void read_hnsw(std::string_view bytes) {
  constexpr std::size_t kHeader = 96, kVector = 4 + 8 * 16;
  const std::size_t node = kVector + 4 * dim() + 8;
  std::string content(bytes);
  std::vector<float> scratch(dim()), query(dim());
  for (std::size_t at = kHeader; at + node <= content.size(); at += node) {
    std::int64_t label;
    std::memcpy(&label, content.data() + at + node - 8, 8);
    if (const std::int64_t row = stack().row_of(label); row >= 0)
      std::memcpy(content.data() + at + kVector, stack().row(std::size_t(row), scratch.data()),
                  4 * dim());
  }
  const Hnsw hnsw(std::make_unique<const Pages>(content), dim(), stack());
  query[0] = 1;
  for (const std::size_t k : {std::size_t(1), std::size_t(7), stack().count()})
    for (const std::int64_t row : hnsw.nearest(query.data(), k, 3))
      require(row >= 0 && std::size_t(row) < stack().count(), "what is found is there");
}

// A line of JSON, as a manifest says it of a segment, and the segment's file.
void read_segment(std::string_view bytes) {
  const std::size_t line = std::min(bytes.find('\n'), bytes.size());
  const Json about = parse_json(bytes.substr(0, line));
  const std::string_view content = bytes.substr(std::min(line + 1, bytes.size()));
  const std::string name =
      "segment." + std::to_string(about.at("number").integer(1, 9)) + ".safetensors";
  Manifest index;
  index.folder = copy();
  index.files[name] = {sha256(content), content.size()};
  write(copy() / name, content);
  const auto made = std::make_shared<const Segment>(index, about, dim(), about.has("half"));
  made->prove_all();
  const Stack whole({stack().segments()[0], made, made});
  std::vector<float> query(dim());
  query[0] = 1;
  for (const Scored& one : whole.exact(query.data(), dim(), 9, 0)) whole.line(std::size_t(one.row));
  for (const std::int64_t label : made->labels()) whole.row_of(label);
}

// The hashes of a segment's blocks, which is one byte larger than a block.
void read_blocks(std::string_view bytes) {
  Manifest index;
  index.folder = copy();
  index.files["segment.7.safetensors"] = {"", kBlock + 1};
  index.files["blocks.7.npy"] = {sha256(bytes), bytes.size()};
  write(copy() / "blocks.7.npy", bytes);
  std::ofstream(copy() / "segment.7.safetensors").put('\0');
  fs::resize_file(copy() / "segment.7.safetensors", kBlock + 1);
  Segment(index, parse_json(R"({"number": 7, "in_hnsw": false})"), dim(), false);
}

void read_line(std::string_view bytes) {
  const Entry found = read_entry(bytes, {{"photos", "/photos"}, {"", "/"}});
  require(!found.id.empty(), "an entry has an id");
}

}  // namespace zscr::fuzz
