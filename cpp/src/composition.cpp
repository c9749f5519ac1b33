#include "composition.hpp"

#include <algorithm>
#include <cmath>

namespace zscr {
namespace {

std::string file(const Json& entry, const char* name) {
  if (!entry.has(name)) return "";
  const std::string& made = entry.at(name).text(255);
  if (made.empty() || made.find('/') != made.npos)
    entry.at(name).refuse("a file of the bundle's own folder");
  return made;
}

double number(const Json& one, double low, double high) {
  const double made = one.number();
  if (!std::isfinite(made) || made < low || made > high)
    one.refuse("a number from " + std::to_string(low) + " to " + std::to_string(high));
  return made;
}

std::size_t count(const Json& entry, const char* name, std::size_t otherwise, std::int64_t most) {
  return entry.has(name) ? std::size_t(entry.at(name).integer(1, most)) : otherwise;
}

Channel channel_from(const Json& entry) {
  Channel made;
  made.field = entry.at("field").text(40);
  if (made.field != "text" && made.field != "image" && made.field != "sketch")
    entry.at("field").refuse("one of text, image, sketch");
  made.graph = entry.at("graph").text(200);
  if (entry.has("template")) made.pattern = entry.at("template").text(1000);
  made.centred = entry.has("centred") && entry.at("centred").flag();
  made.replaces = entry.has("replaces") && entry.at("replaces").flag();
  made.mean = file(entry, "mean");
  made.instead = file(entry, "instead");
  made.context = file(entry, "context");
  made.projection = file(entry, "projection");
  made.samples = file(entry, "samples");
  if (entry.has("least")) made.least = number(entry.at("least"), -HUGE_VAL, HUGE_VAL);
  return made;
}

Fusion fusion_from(const Json& entry) {
  Fusion made;
  made.kind = entry.at("kind").text(40);
  if (made.kind == "weights") {
    for (const Json& one : entry.at("weights").list(1, 8))
      made.weights.push_back(number(one, -HUGE_VAL, HUGE_VAL));
  } else if (made.kind == "slerp" || made.kind == "cdf") {
    made.value = number(entry.at("value"), 0, 1);
  } else if (made.kind == "harris") {
    made.value = number(entry.at("value"), 1e-6, 0.249);
    if (entry.has("divisor")) made.own_divisor = entry.at("divisor").text(40) == "own";
  } else if (made.kind != "sum" && made.kind != "product") {
    entry.at("kind").refuse("one of sum, weights, product, slerp, cdf, harris");
  }
  return made;
}

// Returns what is wrong with it, or nothing.
std::string fault_of(const Composition& one, const std::map<std::string, Fields>& graphs) {
  if (one.graph.empty() == one.channels.empty()) return "has not just one of a graph and channels";
  if (!one.graph.empty())
    return graphs.count(one.graph) ? "" : "names no graph: '" + one.graph + "'";
  for (const Channel& each : one.channels) {
    const auto found = graphs.find(each.graph);
    if (found == graphs.end() || found->second != Fields{each.field})
      return "has a channel of " + each.field + " by '" + each.graph +
             "', which does not take it alone";
    if (each.pattern.find("{}") == each.pattern.npos)
      return "has a template without a place for the text, '" + each.pattern.substr(0, 40) + "'";
  }
  const std::size_t channels = one.channels.size();
  if (one.fields().size() < channels) return "has two channels of one field";
  if (one.vocabulary && (channels != 2 || one.channels[1].field != "text"))
    return "has a vocabulary, but is not of an image and then a text";
  const std::string& kind = one.fusion.kind;
  const bool pair = kind == "slerp" || kind == "harris" || kind == "cdf";
  const std::size_t wanted = pair ? 2 : kind == "weights" ? one.fusion.weights.size() : channels;
  if (channels != wanted)
    return "cannot be computed (the fusion " + kind + " takes " + std::to_string(wanted) +
           " channels, not " + std::to_string(channels) +
           "; use another for a query of so many fields)";
  return "";
}

}  // namespace

Fields Composition::fields() const {
  Fields made;
  for (const Channel& one : channels) made.insert(one.field);
  return made;
}

bool Composition::takes_instead() const {
  return std::any_of(channels.begin(), channels.end(),
                     [](const Channel& one) { return one.replaces; });
}

bool Composition::needs_instead() const {
  return takes_instead() && std::all_of(channels.begin(), channels.end(),
                                        [](const Channel& one) { return one.instead.empty(); });
}

Composition composition_from(const std::string& name, const Json& entry) {
  Composition made;
  made.name = name;
  entry.at("about").text(1000);
  if (entry.has("graph")) made.graph = entry.at("graph").text(200);
  if (entry.has("channels"))
    for (const Json& one : entry.at("channels").list(1, 8))
      made.channels.push_back(channel_from(one));
  if (entry.has("fusion")) made.fusion = fusion_from(entry.at("fusion"));
  made.gallery_mean = file(entry, "gallery_mean");
  made.moments = file(entry, "moments");
  if (entry.has("expansion")) {
    const Json& how = entry.at("expansion");
    made.expansion = {std::size_t(how.at("images").integer(1, 1000)),
                      number(how.at("sharpness"), 0, 1000)};
  }
  if (entry.has("vocabulary")) {
    const Json& how = entry.at("vocabulary");
    how.at("words").text(255), how.at("vectors").text(255);
    made.vocabulary = {file(how, "words"), file(how, "vectors"), count(how, "images", 20, 1000),
                       count(how, "nearest", 7, 100), count(how, "kept", 7, 100)};
  }
  return made;
}

void require_fitting(const Composition& one, const std::map<std::string, Fields>& graphs) {
  if (const std::string fault = fault_of(one, graphs); !fault.empty())
    damaged("the composition '" + one.name + "' " + fault + "; make the bundle anew");
}

}  // namespace zscr
