// A bundle: graphs by name, each loaded with what is needed to feed it.
#pragma once

#include <mutex>

#include "encoder.hpp"

namespace zscr {

class Bundle {
 public:
  // Opens a bundle and loads its graphs of texts and of vectors; those of images are loaded when
  // they are first asked for. Throws a fault.
  Bundle(const fs::path& folder, const Runtime& runtime);

  // Returns the graph of queries that fill these fields; throws an INPUT or MISSING fault, or as
  // loading it does.
  const Encoder& route(const std::set<std::string>& fields) const;

  Manifest manifest;
  std::string name, space;
  std::size_t dim;

 private:
  struct Graph {
    std::string name, key;  // what names it in an index's calibration; empty: its own sha256
    mutable std::mutex loading;
    mutable std::unique_ptr<const Encoder> encoder;
  };
  Runtime runtime_;                                       // with the precision that was chosen
  std::map<std::set<std::string>, Graph> graphs_;         // by the fields that they take
  std::map<std::set<std::string>, std::string> missing_;  // fields -> what this library lacks

  void add(const std::string& graph, const Json& about, const std::string& key);
  const Encoder& loaded(const Graph& graph) const;
};

}  // namespace zscr
