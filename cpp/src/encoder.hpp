// One graph of a bundle with the preparation of its inputs: from queries to rows.
#pragma once

#include "graph_input.hpp"

namespace zscr {

// What became of one query of a batch.
struct Embedded {
  std::vector<float> row;  // (dim); empty where there is an error
  std::vector<std::string> notes;
  std::string error;
  bool cut = false;  // its text was longer than the limit
};

class Encoder {
 public:
  // Loads a graph: of queries' in the runtime's precision, which is there, else in the default one.
  Encoder(const Manifest& bundle, const std::string& name, std::size_t dim, const Runtime& runtime);

  // Embeds a batch of queries that fill its fields; one that cannot be read costs no other its row.
  std::vector<Embedded> embed(const std::vector<Query>& queries) const;
  const std::string& ran() const { return ran_; }
  std::string key;  // what names it in an index's calibration: its sha256 in the default precision

 private:
  std::vector<GraphInput> inputs_;
  const GraphInput* limit_ = nullptr;  // of texts: the first of them
  std::unique_ptr<const Runner> runner_;
  std::string ran_;
  std::size_t dim_;
  bool has_mask_ = false;  // of its one input: padding says nothing

  struct Ready {  // one query, as each input reads it
    std::size_t number;
    std::vector<ReadField> fields;
  };

  std::optional<Ready> read(const Query& query, std::size_t number, Embedded& made) const;
  std::vector<std::string> unknown(const Ready& ready) const;
  bool note(const Ready& ready, Embedded& made) const;
  void run(const std::vector<Ready>& group, std::vector<Embedded>& made) const;
};

}  // namespace zscr
