// What a tokenizer reads of a text, character by character, and what it cannot.
#pragma once

#include "tokenizer.hpp"

namespace zscr {

using Places = std::vector<bool>;

class Seen {
 public:
  // Of a text, by the tokens that were kept of it. `cut`: others were not.
  Seen(const std::u32string& text, const std::vector<Token>& tokens, bool cut,
       std::optional<std::int64_t> unknown_id, bool spells_bytes);

  // Whether what is read from `start` to `stop` says something.
  bool says(std::size_t start, std::size_t stop) const;
  // The parts of the text between these places that are not read.
  std::vector<std::string> unknown(std::size_t start, std::size_t stop) const;

 private:
  const std::u32string& text_;
  Places covered_, unread_;
};

}  // namespace zscr
