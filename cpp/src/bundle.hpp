// A bundle: graphs by name, each loaded with what is needed to feed it, and how they are composed.
#pragma once

#include <mutex>

#include "composition.hpp"
#include "encoder.hpp"

namespace zscr {

class Bundle {
 public:
  // Opens a bundle and loads its graphs of texts and of vectors; those of images are loaded when
  // they are first asked for. Throws a fault.
  Bundle(const fs::path& folder, const Runtime& runtime);

  // Refuses fields that no graph and no composition takes; throws an INPUT or MISSING fault.
  void require(const Fields& fields) const;
  // Returns the graph of queries that fill a single field; throws as `require` and `graph`.
  const Encoder& route(const Fields& fields) const;
  const Encoder& graph(const std::string& name) const;  // throws as loading it does
  // Returns the ways to answer queries of several fields, the default first; throws as `require`,
  // or an ARTEFACT fault where what is stored does not fit the graphs.
  const Ways& composed(const Fields& fields) const;
  // Whether the texts of a composition are sentences in which the image has a place.
  bool has_place(const Composition& composition) const;

  Manifest manifest;
  std::string name, space;
  std::size_t dim;

 private:
  struct Graph {
    std::string key;  // what names it in an index's calibration; empty: its own sha256
    Fields fields;
    bool reranks = false, has_place = false;
    mutable std::mutex loading;
    mutable std::unique_ptr<const Encoder> encoder;
  };
  Runtime runtime_;  // with the precision that was chosen
  std::map<std::string, Graph> graphs_;
  Takes takes_;
  std::vector<std::pair<Fields, Ways>> composed_;
  std::string composed_fault_;

  void add(const std::string& graph, const Json& about);
  void read_compositions();
  const std::string* taken(const Fields& fields) const;
};

}  // namespace zscr
