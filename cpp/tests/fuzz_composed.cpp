// What compositions are made of: their entries, the files that these name, sentences of prompts.
#include "../src/composition.hpp"
#include "../src/composition_files.hpp"
#include "../src/sentence.hpp"
#include "../src/unicode.hpp"
#include "fuzz.hpp"

namespace zscr::fuzz {

// An entry of a manifest, beside a bundle's graphs of texts, images and sketches.
void read_composition(std::string_view bytes) {
  const Json entry = parse_json(bytes);
  const Composition one = composition_from("corner", entry);
  const Takes takes{{{"text"}, "text"}, {{"image"}, "gallery"}, {{"sketch"}, "sketch"}};
  std::map<std::string, Fields> graphs;
  for (const auto& [fields, graph] : takes) graphs[graph] = fields;
  require_fitting(one, graphs);
  for (const auto& [fields, ways] : available(takes, {one}))
    for (const Composition& way : ways) require_fitting(way, graphs);
}

// What it holds as, by its first byte: numbers of a shape, or words.
void read_array(std::string_view bytes) {
  static const fs::path kFolder = copy() / "array";
  fs::create_directory(kFolder);
  if (bytes.empty()) return;
  const std::string_view content = bytes.substr(1);
  write(kFolder / "file", content);
  Manifest bundle{kFolder, "bundle", {{"file", {sha256(content), content.size()}}}, {}, ""};
  const CompositionFiles files(bundle, 4);
  const unsigned kind = static_cast<unsigned char>(bytes[0]) % 4;
  if (kind == 0) require(files.row("file").size() == 4, "a row has as many numbers as it should");
  if (kind == 3) require(!files.words("file").empty(), "a list of words has some");
  if (kind != 1 && kind != 2) return;
  const Matrix& found = kind == 1 ? files.rows("file") : files.columns("file");
  require((kind == 1 ? found.columns : found.rows) == 4, "a matrix has the shape that it should");
  for (std::size_t n = 0; n < found.rows; ++n)
    require(found.row(n).size() == found.columns, "each of its rows is there");
}

// A template and, behind a line end, a text.
void read_sentence(std::string_view bytes) {
  const std::size_t line = std::min(bytes.find('\n'), bytes.size());
  const std::u32string text = decoded(bytes.substr(std::min(line + 1, bytes.size())));
  const Sentence made = Template(decoded(bytes.substr(0, line))).sentence(text);
  require(made.own == 0 || made.own == 1, "one of two sides may be cut");
  require(made.start <= made.stop && made.stop <= made.sides[made.own].size(),
          "what may be cut is there");
  for (const int side : {0, 1})
    require(made.asked(side).second <= made.sides[side].size(), "what was asked is there");
}

}  // namespace zscr::fuzz
