// From a text to its words, as the pre-tokenizers of the `tokenizers` library split it.
#pragma once

#include <string_view>

#include "tokenizer.hpp"

namespace zscr {

bool starts_with(const Chars& text, std::size_t at, std::u32string_view wanted);
Chars part(const Chars& text, std::size_t start, std::size_t stop);

// As CLIP does; `literals` are kept whole.
std::vector<Chars> split_clip(const Chars& text, const std::vector<std::u32string>& literals);
// As GPT-2 does: a space goes along with what follows it.
std::vector<Chars> split_bytes(const Chars& text);
// At white space, and around each punctuation mark.
std::vector<Chars> split_bert(const Chars& text);
// Into runs of two or more letters, digits or underscores.
std::vector<Chars> split_words(const Chars& text);
// Replaces each character by the signs that stand for its bytes.
Chars in_bytes(const Chars& word);

}  // namespace zscr
