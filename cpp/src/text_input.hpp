// What a text becomes for a graph: token or character ids, and what of it was read.
#pragma once

#include <unordered_map>

#include "tokenizer.hpp"

namespace zscr {

struct ReadText {
  std::vector<std::int64_t> ids;  // with the tokens that stand around every text
  bool cut = false;               // the text was longer than the limit
  std::vector<std::string> unknown;
  bool blank = false;      // nothing that says something was read
  std::int64_t slot = -1;  // of a prompt: where the image stands for a word
};

// A tokenizer with a limit of tokens; tells what it cannot read as `zscr query` does.
class TextReader {
 public:
  // Throws as `Tokenizer`. `unknown_id`: of unknown words, where the manifest says it.
  TextReader(const Json& file, std::size_t max_length, std::optional<std::int64_t> unknown_id);
  ReadText read(const std::u32string& text) const;  // in normal form C
  std::int64_t pad_id() const { return tokenizer_.pad_id; }
  bool pads_left() const { return tokenizer_.pads_left; }

 private:
  Tokenizer tokenizer_;
  std::size_t room_;  // for the text's own tokens
  std::optional<std::int64_t> unknown_id_;
};

// Numbers the characters of a text by their last place in an alphabet, from 1.
class CharacterReader {
 public:
  CharacterReader(const std::u32string& alphabet, std::size_t length);
  ReadText read(const std::u32string& text) const;  // `length` ids; throws an INPUT fault

 private:
  std::unordered_map<char32_t, std::int64_t> numbers_;
  std::size_t length_;
};

}  // namespace zscr
