// A bundle: graphs by name with what is needed to feed them; those of texts and vectors are run.
#pragma once

#include <set>

#include "manifest.hpp"
#include "runner.hpp"
#include "text_input.hpp"

namespace zscr {

struct Query {
  std::string id;
  std::optional<std::string> text;
  std::optional<std::vector<float>> vector;
  bool image = false, sketch = false;

  std::set<std::string> fields() const;
};

// What became of one query of a batch.
struct Embedded {
  std::vector<float> row;  // (dim); empty where there is an error
  std::vector<std::string> notes;
  std::string error;
};

// One graph with the preparation of its inputs.
class Encoder {
 public:
  Encoder(const Manifest& bundle, const std::string& name, std::size_t dim,
          const std::shared_ptr<const Onnxruntime>& library, int threads);

  // Embeds a batch of queries that fill its fields; one that cannot be read costs no other its row.
  std::vector<Embedded> embed(const std::vector<Query>& queries) const;
  const std::string& ran() const { return runner_->ran(); }
  std::string sha256;  // of the graph

 private:
  struct Input {
    std::vector<std::string> names;
    std::unique_ptr<const TextReader> text;
    std::unique_ptr<const CharacterReader> characters;
    std::size_t vector_size = 0, pad_to = 0, max_length = 0;
    std::string unit;
  };
  std::vector<Input> inputs_;
  std::unique_ptr<const Runner> runner_;
  std::size_t dim_;
  bool has_mask_ = false;  // of its one input: padding says nothing

  struct Ready {  // one query, a text an input
    std::size_t number;
    std::vector<ReadText> texts;
    const std::vector<float>* vector;
  };

  static Input make_input(const Manifest& bundle, const Json& spec, const std::string& graph);
  std::optional<Ready> read(const Query& query, std::size_t number, Embedded& made) const;
  void note(const Ready& ready, Embedded& made) const;
  void run(const std::vector<Ready>& group, std::vector<Embedded>& made) const;
  Feeds feeds(const std::vector<Ready>& group) const;
};

class Bundle {
 public:
  // Opens a bundle and loads its graphs of texts and of vectors. Throws a fault.
  Bundle(const fs::path& folder, const std::string& onnxruntime, int threads);

  // Returns the graph of queries that fill these fields; throws an INPUT or MISSING fault.
  const Encoder& route(const std::set<std::string>& fields) const;

  Manifest manifest;
  std::string name, space;
  std::size_t dim;

 private:
  std::map<std::set<std::string>, std::unique_ptr<const Encoder>> encoders_;
  std::map<std::set<std::string>, std::string> missing_;  // fields -> what this library lacks
};

}  // namespace zscr
