// How one input of a graph is fed: from a query's field to numbers.
#pragma once

#include "image_input.hpp"
#include "manifest.hpp"
#include "prompt_input.hpp"
#include "query.hpp"
#include "runner.hpp"

namespace zscr {

// What an input made of one query: a text, or else numbers.
struct ReadField {
  ReadText text;
  std::vector<float> numbers;
  std::vector<std::string> told;  // what was done to a sketch
};

class GraphInput {
 public:
  // Of its entry in a bundle's manifest; `graph` names its graph in messages.
  GraphInput(const Manifest& bundle, const Json& spec, const std::string& graph);

  // Reads a query that fills its field, its text in normal form C. Throws an INPUT fault.
  ReadField read(const Query& query, const std::u32string& text) const;
  // Feeds rows, of texts padded to the longest, and a mask and places where the graph takes them.
  void feed(const std::vector<const ReadField*>& rows, Feeds& made) const;

  bool is_text() const { return text_ || prompt_ || characters_; }
  bool has_mask() const;  // which tells padding behind a text, so that it says nothing
  std::size_t max_length() const { return max_length_; }
  const std::string& unit() const { return unit_; }  // of its length
  const std::string& field() const { return field_; }

 private:
  std::string field_, unit_;
  std::vector<std::string> names_;
  std::unique_ptr<const TextReader> text_;
  std::unique_ptr<const PromptReader> prompt_;
  std::unique_ptr<const CharacterReader> characters_;
  std::unique_ptr<const ImageReader> image_;
  std::size_t vector_size_ = 0, pad_to_ = 0, max_length_ = 0;
  std::int64_t pad_id_ = 0;
  bool pads_left_ = false;

  void make_text(const Manifest& bundle, const Json& spec, bool prompt);
  void feed_texts(const std::vector<const ReadField*>& rows, Feeds& made) const;
};

}  // namespace zscr
