// Texts as token ids, by a file of the `tokenizers` library: WordPiece, BPE of bytes and words.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "json.hpp"

namespace zscr {

// A token of a text, and the characters that it was made of.
struct Token {
  std::int64_t id;
  std::size_t start, stop;
};

// A piece of a text as it is normalised, each character with where it comes from.
struct Char {
  char32_t one;
  std::size_t start, stop;
};
using Chars = std::vector<Char>;

class Model;  // from a word to its tokens

class Tokenizer {
 public:
  // Throws a JsonFault where the file is none, a MISSING fault where it is of another kind.
  explicit Tokenizer(const Json& file);
  ~Tokenizer();

  // Returns the tokens of a text in normal form C, without those that stand around every text.
  std::vector<Token> tokens(const std::u32string& text) const;

  std::vector<std::int64_t> before, behind;  // stand around every text
  std::int64_t pad_id = 0;
  bool pads_left = false, cuts_left = false;
  std::optional<std::int64_t> unknown_id;
  bool spells_bytes = false;

 private:
  enum class Step { bert, spaces, lower };
  enum class Split { bert, clip, bytes, words };
  struct Added {
    std::u32string text;
    std::int64_t id;
  };

  std::vector<Step> steps_;
  Split split_ = Split::bert;
  bool prefix_space_ = false, regular_ = true;
  std::vector<std::u32string> literals_;  // that CLIP's pattern keeps whole
  std::vector<Added> raw_, normal_;       // tokens that are found before, and after normalising
  std::unique_ptr<Model> model_;

  void read_normalizer(const Json& one);
  void read_split(const Json& one);
  void read_bytes(const Json& one);
  void read_template(const Json& one);
  void read_added(const Json& list);
  Chars normalised(const Chars& text) const;
  std::vector<Chars> words(Chars text) const;
  void add_raw(const Chars& piece, std::vector<Token>& made) const;
  void add_normal(const Chars& piece, std::vector<Token>& made) const;
};

}  // namespace zscr
