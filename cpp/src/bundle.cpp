#include "bundle.hpp"

#include "precision.hpp"

namespace zscr {
namespace {

constexpr int kSchema = 4;
const std::set<std::string> kAhead[] = {{"text"}, {"vector"}};  // loaded when a bundle is opened

}  // namespace

Bundle::Bundle(const fs::path& folder, const Runtime& runtime) : runtime_(runtime) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored))
    damaged("there is no bundle " + folder.string() + "; run 'zscr export' or name another");
  manifest = read_manifest(fs::canonical(folder), "bundle", kSchema);
  name = manifest.folder.filename().string();
  reading(manifest, [&] {
    const Json& body = manifest.body;
    dim = std::size_t(body.at("dim").integer(1, 1 << 16));
    space = body.at("space").text(200);
    const std::string precision = body.at("default_precision").text(40);
    for (const auto& [graph, about] : body.at("graphs").object()) {
      if (!about.at("variants").object().count(precision))
        damaged(manifest.folder.string() + " has no graph '" + graph + "' in " + precision +
                "; make it again");
      if (about.at("role").text() == "query") add(graph, about, "");
    }
    runtime_.precision = chosen_precision(body, runtime.precision);
    add("gallery", body.at("graphs").at("gallery"), space);
    for (const auto& fields : kAhead)
      if (const auto found = graphs_.find(fields); found != graphs_.end()) loaded(found->second);
  });
}

// Lets a graph answer queries of its fields; the gallery's an image alone where no other does.
void Bundle::add(const std::string& graph, const Json& about, const std::string& key) {
  std::set<std::string> fields;
  for (const Json& spec : about.at("inputs").list(1, 8)) fields.insert(spec.at("field").text());
  if (!key.empty() && fields != std::set<std::string>{"image"}) return;
  const Json& body = manifest.body;
  const bool reranks = body.has("reranking") && body.at("reranking").at("kept").flag();
  if (graphs_.count(fields) || missing_.count(fields)) return;
  if (fields.size() > 1) {
    missing_[fields] = "queries of " + spoken(fields);
  } else if (reranks && about.has("tokens")) {
    missing_[fields] = "re-ranking, which '" + name + "' asks for";
  } else {
    graphs_[fields].name = graph;
    graphs_[fields].key = key;
  }
}

const Encoder& Bundle::loaded(const Graph& graph) const {
  const std::lock_guard<std::mutex> held(graph.loading);
  if (!graph.encoder) {
    auto made = std::make_unique<Encoder>(manifest, graph.name, dim, runtime_);
    if (!graph.key.empty()) made->key = graph.key;
    graph.encoder = std::move(made);
  }
  return *graph.encoder;
}

const Encoder& Bundle::route(const std::set<std::string>& fields) const {
  if (const auto found = graphs_.find(fields); found != graphs_.end())
    return reading(manifest, [&]() -> const Encoder& { return loaded(found->second); });
  if (const auto found = missing_.find(fields); found != missing_.end())
    throw Fault(ZSCR_MISSING,
                found->second + ", is not in this version of libzscr; use the Python runtime");
  if (fields.size() > 1)
    throw Fault(ZSCR_MISSING, "queries of " + spoken(fields) +
                                  " are not in this version of libzscr; use the Python runtime");
  std::string known;
  for (const auto& [taken, graph] : graphs_) known += (known.empty() ? "" : " or ") + spoken(taken);
  unusable("'" + name + "' answers queries of " +
           (known.empty() ? "nothing that libzscr can embed" : known) + ", not of " +
           (fields.empty() ? "nothing" : spoken(fields)));
}

}  // namespace zscr
