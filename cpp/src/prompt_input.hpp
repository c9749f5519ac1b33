// Texts about an image as token ids, with the place at which the image stands for a word.
#pragma once

#include "sentence.hpp"
#include "text_input.hpp"

namespace zscr {

class PromptReader {
 public:
  // `words`: vectors that stand for an image. Throws as `Tokenizer`, or an INPUT fault.
  PromptReader(const Json& file, const std::u32string& pattern, std::size_t max_length,
               std::size_t words, std::optional<std::int64_t> unknown_id);

  // Reads a text in normal form C; throws an INPUT fault: it has two places, one that touches
  // another character, or one behind what the model reads.
  ReadText read(const std::u32string& text) const;
  std::int64_t pad_id() const { return tokenizer_.pad_id; }
  bool pads_left() const { return tokenizer_.pads_left; }

 private:
  Tokenizer tokenizer_;
  Template template_;
  std::size_t max_length_, words_;
  std::optional<std::int64_t> unknown_id_;
  std::int64_t placeholder_ = 0;

  bool cut(const Sentence& sentence, std::vector<Token> (&sides)[2]) const;
};

}  // namespace zscr
