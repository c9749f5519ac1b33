// Characters as zscr's tokenizers see them; the tables are made by scripts/unicode-tables.
#pragma once

#include <string>
#include <string_view>

namespace zscr {

// Decodes UTF-8; throws an INPUT fault where it is none.
std::u32string decoded(std::string_view text);
void append_utf8(std::string& text, char32_t one);
std::string encoded(std::u32string_view text);

// Returns a text in Unicode's normal form C.
std::u32string nfc(std::u32string text);

enum class Kind {
  space,             // \s of regular expressions
  letter,            // \p{L}
  number,            // \p{N}
  word,              // \w
  blank,             // what Python's str.strip takes away
  telling,           // letters, digits and pictographs: what says something
  bert_space,        // becomes a space in BERT
  bert_deleted,      // is dropped by it
  bert_alone,        // stands alone in it, as Chinese characters do
  bert_punctuation,  // is split off by it
};
bool is(Kind kind, char32_t one);

std::u32string_view lowered(const char32_t& one);  // what it is in lower case, or itself
std::u32string bert_mapped(char32_t one);          // what BERT makes of one that it keeps

}  // namespace zscr
