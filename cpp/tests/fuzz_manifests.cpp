// JSON, and the manifests of bundles and indexes, whose checksums are put right.
#include "../src/bundle.hpp"
#include "../src/index.hpp"
#include "fuzz.hpp"

namespace zscr::fuzz {
namespace {

// Gives a text the checksum that its fields have.
std::string with_checksum(std::string_view text) {
  std::string canonical;
  parse_json(text, canonical);
  if (canonical.empty() || canonical.back() != '}') return std::string(text);
  const std::string fields = canonical.substr(0, canonical.size() - 1);
  return fields + (fields.size() > 1 ? ", " : "") + "\"checksum\": \"" + sha256(canonical) + "\"}";
}

// Fails to read every value as what it is not: their messages name the way to it.
void refuse_all(const Json& one) {
  try {
    one.refuse("that");
  } catch (const JsonFault&) {
  }
  if (auto* list = std::get_if<Json::List>(&one.value))
    for (const Json& each : *list) refuse_all(each);
  if (auto* object = std::get_if<Json::Object>(&one.value))
    for (const auto& [name, each] : *object) refuse_all(each);
}

}  // namespace

void read_anything(std::string_view bytes) {
  std::string canonical, again;
  const Json found = parse_json(bytes, canonical);
  refuse_all(found);
  tried([&] { parse_json(canonical, again); });
  require(canonical == again, "the canonical text of a canonical text is itself");
}

void read_signed_manifest(std::string_view bytes) {
  static const fs::path kFolder = copy() / "manifest";
  fs::create_directory(kFolder);
  write(kFolder / "manifest.json", with_checksum(bytes));
  for (const auto& [kind, schema] : {std::make_pair("bundle", 4), std::make_pair("index", 5)})
    tried([kind = kind, schema = schema] {
      const Manifest found = read_manifest(kFolder, kind, schema);
      for (const auto& [name, entry] : found.files) found.verified(name);
    });
}

void read_bundle(std::string_view bytes) {
  write(copy() / "b" / "manifest.json", with_checksum(bytes));
  const Bundle bundle(copy() / "b", {});
  Query text, image;
  text.text = "a red bird";
  image.image = ImageFile{(sample() / "image.png").string(), ""};
  for (const Query& query : {text, image}) bundle.route(query.fields()).embed({query});
}

void read_index(std::string_view bytes) {
  write(copy() / "b.index" / "manifest.json", with_checksum(bytes));
  const auto index = Index::read(copy() / "b.index");
  std::vector<float> query(index->dim);
  query[0] = 1;
  for (const bool exact : {true, false})
    for (const Scored& one : index->search(query.data(), 5, 0, exact).rows)
      index->entry(std::size_t(one.row));
  index->prove();
}

void read_graph(std::string_view bytes) { refuse_external_data(bytes, "graph.onnx"); }

}  // namespace zscr::fuzz
