#include "precision.hpp"

#include <fstream>
#include <sstream>

#include "error.hpp"

namespace zscr {
namespace {

// Returns what the bundle says is fastest here, "" where that is nothing.
std::string fastest_here(const Json& body) {
  const auto found = body.object().find("fastest");
  if (found == body.object().end()) return "";
  const std::string precision = found->second.at("precision").text(40);
  const std::set<std::string> flags = processor_flags();
  bool runs = true;
  for (const Json& one : found->second.at("instructions").list(1, 40))
    runs = flags.count(one.text(40)) && runs;
  return runs ? precision : "";
}

// Returns what an export told of a precision by a name, "" where it told nothing.
std::string told(const Json& body, const std::string& precision, const std::string& name) {
  if (!body.has("precisions") || !body.at("precisions").has("rungs")) return "";
  const Json& rungs = body.at("precisions").at("rungs");
  if (!rungs.has(precision) || !rungs.at(precision).has(name)) return "";
  return rungs.at(precision).at(name).text();
}

// Refuses a precision that was judged on another backend, since onnxruntime cannot run it.
void require_backend(const Json& body, const std::string& precision) {
  const std::string backend = told(body, precision, "backend");
  if (backend.empty() || backend == "ort-cpu") return;
  throw Fault(ZSCR_CONFIG, "onnxruntime does not run " + precision.substr(0, 40) +
                               " on a CPU, and the bundle's was judged on " + backend +
                               ", which libzscr lacks; choose another precision");
}

void require(const Json& body, const std::string& precision) {
  for (const auto& [name, graph] : body.at("graphs").object()) {
    const auto& variants = graph.at("variants").object();
    if (graph.at("role").text() != "query" || variants.count(precision)) continue;
    std::string known, why = told(body, precision, "why");
    if (!why.empty()) why = " (" + why + ")";
    for (const auto& [one, about] : variants) known += (known.empty() ? "" : ", ") + one;
    throw Fault(ZSCR_CONFIG, "the bundle has no graph '" + name + "' in " +
                                 precision.substr(0, 40) + why +
                                 ", only in " + known +
                                 "; choose one of these or run 'zscr export' with --precision " +
                                 precision.substr(0, 40));
  }
}

}  // namespace

std::string chosen_precision(const Json& body, const Runtime& runtime) {
  std::string precision = body.at("default_precision").text(40);
  if (const std::string fastest = fastest_here(body); runtime.is_on_cpu() && !fastest.empty())
    precision = fastest;
  if (!runtime.precision.empty()) precision = runtime.precision;
  require(body, precision);
  if (runtime.is_on_cpu()) require_backend(body, precision);
  return precision;
}

std::set<std::string> processor_flags() {
  std::ifstream told("/proc/cpuinfo");
  for (std::string line; std::getline(told, line);) {
    const std::size_t colon = line.find(':');
    const std::string key = line.substr(0, line.find_first_of(" \t:"));
    if (colon == line.npos || (key != "flags" && key != "Features")) continue;
    std::istringstream words(line.substr(colon + 1));
    std::set<std::string> flags;
    for (std::string word; words >> word;) flags.insert(word);
    return flags;
  }
  return {};
}

}  // namespace zscr
