#include "bundle.hpp"

#include <algorithm>

#include "precision.hpp"
#include "provider.hpp"

namespace zscr {
namespace {

constexpr int kSchema = 4;
constexpr char kGallery[] = "gallery";
const Fields kAhead[] = {{"text"}, {"vector"}};  // loaded when a bundle is opened

}  // namespace

Bundle::Bundle(const fs::path& folder, const Runtime& runtime) : runtime_(runtime) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored))
    damaged("there is no bundle " + folder.string() + "; run 'zscr export' or name another");
  manifest = read_manifest(fs::canonical(folder), "bundle", kSchema);
  require_provider(*load_onnxruntime(runtime.onnxruntime), runtime.provider);
  name = manifest.folder.filename().string();
  reading(manifest, [&] {
    const Json& body = manifest.body;
    dim = std::size_t(body.at("dim").integer(1, 1 << 16));
    space = body.at("space").text(200);
    const std::string precision = body.at("default_precision").text(40);
    body.at("graphs").at(kGallery);
    for (const auto& [graph, about] : body.at("graphs").members()) {
      if (!about->at("variants").object().count(precision))
        damaged(manifest.folder.string() + " has no graph '" + graph + "' in " + precision +
                "; make it again");
      if (about->at("role").text() != "pair") add(graph, *about);
    }
    runtime_.precision = chosen_precision(body, runtime);
    Graph& gallery = graphs_[kGallery];
    gallery.key = space;
    if (gallery.fields == Fields{"image"} && !taken(gallery.fields))
      takes_.emplace_back(gallery.fields, kGallery);
    read_compositions();
  });
  for (const Fields& fields : kAhead)
    if (const std::string* const found = taken(fields); found && !graphs_[*found].reranks)
      graph(*found);
}

void Bundle::add(const std::string& graph, const Json& about) {
  const Json& body = manifest.body;
  const bool kept = body.has("reranking") && body.at("reranking").at("kept").flag();
  Graph& made = graphs_[graph];
  made.reranks = kept && about.has("tokens");
  for (const Json& spec : about.at("inputs").list(1, 8)) {
    made.fields.insert(spec.at("field").text());
    made.has_place = made.has_place || spec.at("kind").text() == "prompt";
  }
  if (about.at("role").text() != "query") return;
  const auto known = std::find_if(takes_.begin(), takes_.end(),
                                  [&](const auto& one) { return one.first == made.fields; });
  if (known == takes_.end()) {
    takes_.emplace_back(made.fields, graph);
  } else {
    known->second = graph;
  }
}

void Bundle::read_compositions() {
  const Json& body = manifest.body;
  const std::string first = body.has("composition") ? body.at("composition").text(200) : "";
  Ways stored;
  if (body.has("compositions"))
    for (const auto& [called, entry] : body.at("compositions").members()) {
      const auto place = called == first ? stored.begin() : stored.end();
      stored.insert(place, composition_from(called, *entry));
    }
  std::map<std::string, Fields> fields;
  for (const auto& [graph, one] : graphs_) fields[graph] = one.fields;
  try {
    for (const Composition& one : stored) require_fitting(one, fields);
    composed_ = available(takes_, stored);
  } catch (const Fault& fault) {  // other queries are answered all the same
    composed_fault_ = fault.what();
  }
}

const std::string* Bundle::taken(const Fields& fields) const {
  for (const auto& [known, graph] : takes_)
    if (known == fields) return &graph;
  return nullptr;
}

const Encoder& Bundle::graph(const std::string& called) const {
  const Graph& graph = graphs_.at(called);
  const std::lock_guard<std::mutex> held(graph.loading);
  if (!graph.encoder)
    graph.encoder = reading(manifest, [&] {
      auto made = std::make_unique<Encoder>(manifest, called, dim, runtime_);
      if (!graph.key.empty()) made->key = graph.key;
      return made;
    });
  return *graph.encoder;
}

void Bundle::require(const Fields& fields) const {
  const std::string* const graph = taken(fields);
  if (fields.size() < 2 && graph && graphs_.at(*graph).reranks)
    throw Fault(ZSCR_MISSING, "re-ranking, which '" + name +
                                  "' asks for, is not in this version of libzscr; use the Python "
                                  "runtime");
  if (graph || (fields.size() > 1 && !composed_fault_.empty())) return;
  std::string known;
  for (const auto& [own, _] : takes_) known += (known.empty() ? "" : " or ") + spoken(own);
  for (const auto& [own, _] : composed_) {
    if (own == fields) return;
    if (!taken(own)) known += " or " + spoken(own);
  }
  unusable("'" + name + "' answers queries of " + known + ", not of " +
           (fields.empty() ? "nothing" : spoken(fields)));
}

const Encoder& Bundle::route(const Fields& fields) const {
  require(fields);
  return graph(*taken(fields));
}

const Ways& Bundle::composed(const Fields& fields) const {
  if (!composed_fault_.empty()) damaged(composed_fault_);
  for (const auto& [own, ways] : composed_)
    if (own == fields) return ways;
  require(fields);
  damaged("'" + name + "' has no way to answer queries of " + spoken(fields));
}

bool Bundle::has_place(const Composition& composition) const {
  return !composition.graph.empty() && graphs_.at(composition.graph).has_place;
}

}  // namespace zscr
