// One graph of a bundle with the preparation of its inputs: from queries to rows.
#pragma once

#include <set>

#include "image_input.hpp"
#include "manifest.hpp"
#include "runner.hpp"
#include "text_input.hpp"

namespace zscr {

struct Query {
  std::string id;
  std::optional<std::string> text;
  std::optional<std::vector<float>> vector;
  std::optional<ImageFile> image, sketch;

  std::set<std::string> fields() const;
};

// What became of one query of a batch.
struct Embedded {
  std::vector<float> row;  // (dim); empty where there is an error
  std::vector<std::string> notes;
  std::string error;
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
  struct Input {
    std::string field;
    std::vector<std::string> names;
    std::unique_ptr<const TextReader> text;
    std::unique_ptr<const CharacterReader> characters;
    std::unique_ptr<const ImageReader> image;
    std::size_t vector_size = 0, pad_to = 0, max_length = 0;
    std::string unit;

    bool is_text() const { return text || characters; }
  };
  std::vector<Input> inputs_;
  const Input* limit_ = nullptr;  // of texts: the first of them
  std::unique_ptr<const Runner> runner_;
  std::string ran_;
  std::size_t dim_;
  bool has_mask_ = false;  // of its one input: padding says nothing

  // One query, as each input reads it: a text, or else numbers.
  struct Ready {
    std::size_t number;
    std::vector<ReadText> texts;
    std::vector<std::vector<float>> numbers;
    std::vector<std::string> told;  // what was done to a sketch
  };

  static Input make_input(const Manifest& bundle, const Json& spec, const std::string& graph);
  std::optional<Ready> read(const Query& query, std::size_t number, Embedded& made) const;
  static void read_input(const Input& input, const std::u32string& text, const Query& query,
                         Ready& ready);
  std::vector<std::string> unknown(const Ready& ready) const;
  bool note(const Ready& ready, Embedded& made) const;
  void run(const std::vector<Ready>& group, std::vector<Embedded>& made) const;
  Feeds feeds(const std::vector<Ready>& group) const;
  void feed_texts(std::size_t at, const std::vector<Ready>& group, Feeds& made) const;
};

std::string spoken(const std::set<std::string>& fields);  // "image and text"

}  // namespace zscr
