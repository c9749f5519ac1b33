// How a query of several fields is answered, as a bundle's manifest says; see docs/formats.md.
#pragma once

#include <optional>

#include "json.hpp"
#include "query.hpp"

namespace zscr {

// One field of a query as a score.
struct Channel {
  std::string field, graph, pattern = "{}";  // of a text, with its place
  bool centred = false, replaces = false;
  std::string mean, instead, context, projection, samples;  // files; empty where there is none
  std::optional<double> least;
};

// How the channels' scores, or their vectors, become one.
struct Fusion {
  std::string kind = "sum";
  std::vector<double> weights;
  double value = 0;
  bool own_divisor = false;  // of `harris`: each channel's own, not the first one's

  bool is_linear() const { return kind == "sum" || kind == "weights" || kind == "slerp"; }
};

struct Expansion {
  std::size_t images;
  double sharpness;
};

struct Vocabulary {
  std::string words, vectors;  // files
  std::size_t images, nearest, kept;
};

struct Composition {
  std::string name, graph;  // of all fields at once; empty: of channels
  std::vector<Channel> channels;
  Fusion fusion;
  std::string gallery_mean, moments;
  std::optional<Expansion> expansion;
  std::optional<Vocabulary> vocabulary;

  Fields fields() const;       // of the channels
  bool takes_instead() const;  // it subtracts what a text replaces
  bool needs_instead() const;  // which a query must say then, as nothing stored stands for it
};

using Ways = std::vector<Composition>;                      // the default first
using Takes = std::vector<std::pair<Fields, std::string>>;  // fields of a query -> their graph

// Reads an entry of a manifest; throws a JsonFault.
Composition composition_from(const std::string& name, const Json& entry);
// Refuses a composition that graphs, by the fields that they take, do not bear out.
void require_fitting(const Composition& one, const std::map<std::string, Fields>& graphs);
// Returns the ways to answer queries of several fields: stored ones, those of graphs that take
// them, stored ones of an image for a sketch, and those that need no data.
std::vector<std::pair<Fields, Ways>> available(const Takes& takes, const Ways& stored);

}  // namespace zscr
