#include "text_input.hpp"

#include <set>

#include "unicode.hpp"
#include "unread.hpp"

namespace zscr {
TextReader::TextReader(const Json& file, std::size_t max_length,
                       std::optional<std::int64_t> unknown_id)
    : tokenizer_(file), unknown_id_(unknown_id ? unknown_id : tokenizer_.unknown_id) {
  const std::size_t around = tokenizer_.before.size() + tokenizer_.behind.size();
  if (max_length <= around)
    throw JsonFault("its max_length of " + std::to_string(max_length) + " leaves a text no token");
  room_ = max_length - around;
}

ReadText TextReader::read(const std::u32string& text) const {
  std::vector<Token> tokens = tokenizer_.tokens(text);
  ReadText made;
  made.cut = tokens.size() > room_;
  if (made.cut && tokenizer_.cuts_left) {
    tokens.erase(tokens.begin(), tokens.end() - std::ptrdiff_t(room_));
  } else if (made.cut) {
    tokens.resize(room_);
  }
  const Seen seen(text, tokens, made.cut, unknown_id_, tokenizer_.spells_bytes);
  made.unknown = seen.unknown(0, text.size());
  made.blank = !seen.says(0, text.size());
  made.ids = tokenizer_.before;
  for (const Token& one : tokens) made.ids.push_back(one.id);
  made.ids.insert(made.ids.end(), tokenizer_.behind.begin(), tokenizer_.behind.end());
  return made;
}

CharacterReader::CharacterReader(const std::u32string& alphabet, std::size_t length)
    : length_(length) {
  std::int64_t number = 0;
  for (const char32_t one : alphabet) numbers_[one] = ++number;
  for (char32_t one = 'a'; one <= 'z'; ++one)
    if (numbers_.count(one)) numbers_[one - 32] = numbers_[one];
}

ReadText CharacterReader::read(const std::u32string& text) const {
  ReadText made;
  made.cut = text.size() > length_;
  made.blank = true;
  const std::u32string held = text.substr(0, length_);
  std::set<char32_t> unknown;
  bool known = false;
  for (const char32_t one : held) {
    const auto found = numbers_.find(one);
    made.ids.push_back(found == numbers_.end() ? 0 : found->second);
    if (found == numbers_.end()) {
      unknown.insert(one);
      continue;
    }
    const auto space = numbers_.find(U' ');
    known = known || space == numbers_.end() || space->second != found->second;
    made.blank = made.blank && !is(Kind::telling, one);
  }
  if (!known)
    unusable("no character of the text '" + encoded(text.substr(0, 40)) +
             "' is known to the encoder; write it with Latin letters and digits");
  for (const char32_t one : unknown) made.unknown.push_back(encoded({&one, 1}));
  made.ids.resize(length_);
  return made;
}

}  // namespace zscr
