#include <algorithm>

#include "composition.hpp"

namespace zscr {
namespace {

constexpr double kSlerp = 0.8;  // the text's share of the way: of Jang et al. for CIRCO

const std::string* graph_of(const Takes& takes, const Fields& fields) {
  for (const auto& [taken, graph] : takes)
    if (taken == fields) return &graph;
  return nullptr;
}

// Graphs of several fields that no stored composition names.
void add_graphs(const Takes& takes, const Ways& stored, Ways& made) {
  for (const auto& [fields, graph] : takes) {
    const bool named = std::any_of(stored.begin(), stored.end(),
                                   [&name = graph](const auto& one) { return one.graph == name; });
    if (fields.size() < 2 || named) continue;
    Composition& one = made.emplace_back();
    one.name = one.graph = graph;
  }
}

// Stored compositions with a sketch in the image's place: its graph embeds into the same space.
void add_sketched(const Takes& takes, const Ways& stored, Ways& made) {
  const std::string* const graph = graph_of(takes, {"sketch"});
  if (!graph) return;
  for (const Composition& one : stored) {
    if (!one.fields().count("image") || one.fields().count("sketch")) continue;
    Composition& sketched = made.emplace_back(one);
    for (Channel& part : sketched.channels)
      if (part.field == "image") part.field = "sketch", part.graph = *graph;
  }
}

void add_without_data(const Takes& takes, Ways& made) {
  const std::string* const text = graph_of(takes, {"text"});
  for (const char* const field : {"image", "sketch"}) {
    const std::string* const graph = graph_of(takes, {field});
    if (!text || !graph) continue;
    const auto add = [&](const char* name, const char* kind, double value) -> Composition& {
      Composition& one = made.emplace_back();
      one.name = name;
      one.channels.resize(2);
      one.channels[0].field = field, one.channels[0].graph = *graph;
      one.channels[1].field = "text", one.channels[1].graph = *text;
      one.fusion.kind = kind, one.fusion.value = value;
      return one;
    };
    add("average", "sum", 0);
    add("product", "product", 0);
    add("slerp", "slerp", kSlerp);
    add("weicom", "cdf", 0.5);
    add("arithmetic", "sum", 0).channels[1].replaces = true;
  }
}

Fields fields_of(const Composition& one, const Takes& takes) {
  if (!one.channels.empty()) return one.fields();
  for (const auto& [fields, graph] : takes)
    if (graph == one.graph) return fields;
  return {};
}

}  // namespace

std::vector<std::pair<Fields, Ways>> available(const Takes& takes, const Ways& stored) {
  Ways all = stored;
  add_graphs(takes, stored, all);
  add_sketched(takes, stored, all);
  add_without_data(takes, all);
  std::vector<std::pair<Fields, Ways>> made;
  for (Composition& one : all) {
    const Fields fields = fields_of(one, takes);
    if (fields.size() < 2) continue;
    auto found = std::find_if(made.begin(), made.end(),
                              [&](const auto& pair) { return pair.first == fields; });
    if (found == made.end()) found = made.insert(made.end(), {fields, {}});
    Ways& ways = found->second;
    const bool known = std::any_of(ways.begin(), ways.end(),
                                   [&](const Composition& way) { return way.name == one.name; });
    if (!known) ways.push_back(std::move(one));
  }
  return made;
}

}  // namespace zscr
