#include "prompt_input.hpp"

#include <algorithm>

#include "unicode.hpp"
#include "unread.hpp"

namespace zscr {

PromptReader::PromptReader(const Json& file, const std::u32string& pattern, std::size_t max_length,
                           std::size_t words, std::optional<std::int64_t> unknown_id)
    : tokenizer_(file),
      template_(pattern),
      max_length_(max_length),
      words_(words),
      unknown_id_(unknown_id ? unknown_id : tokenizer_.unknown_id) {
  if (tokenizer_.tokens(U"a").empty())
    unusable("the tokenizer reads nothing of the text 'a'; fetch it again");
  if (const auto star = tokenizer_.tokens(U" *"); !star.empty()) placeholder_ = star.back().id;
}

ReadText PromptReader::read(const std::u32string& text) const {
  const Sentence sentence = template_.sentence(text);
  std::vector<Token> sides[2] = {tokenizer_.tokens(sentence.sides[0]),
                                 tokenizer_.tokens(sentence.sides[1])};
  ReadText made;
  made.cut = cut(sentence, sides);
  made.blank = true;
  made.ids = tokenizer_.before;
  for (int side = 0; side < 2; ++side) {
    const bool whole = !made.cut || side != sentence.own;
    const Seen seen(sentence.sides[side], sides[side], !whole, unknown_id_,
                    tokenizer_.spells_bytes);
    const auto [start, stop] = sentence.asked(side);
    for (const std::string& word : seen.unknown(start, stop)) made.unknown.push_back(word);
    made.blank = made.blank && !seen.says(start, stop);
    for (const Token& one : sides[side]) made.ids.push_back(one.id);
    if (side) continue;
    made.slot = std::int64_t(made.ids.size());
    made.ids.insert(made.ids.end(), words_, placeholder_);
  }
  made.ids.insert(made.ids.end(), tokenizer_.behind.begin(), tokenizer_.behind.end());
  return made;
}

// Drops the tokens of the side that may be cut which are over the limit; false where none are.
bool PromptReader::cut(const Sentence& sentence, std::vector<Token> (&sides)[2]) const {
  const std::size_t fixed = tokenizer_.before.size() + words_ + tokenizer_.behind.size();
  const std::size_t all = fixed + sides[0].size() + sides[1].size();
  if (all <= max_length_) return false;
  const std::size_t over = all - max_length_;
  std::vector<Token>& own = sides[sentence.own];
  std::vector<std::size_t> inside;
  for (std::size_t n = 0; n < own.size(); ++n)
    if (sentence.start <= own[n].start && own[n].stop <= sentence.stop) inside.push_back(n);
  if (over + !sentence.whole > inside.size()) {
    const char* const whose = sentence.whole ? "the text up to the image's place" : "the template";
    unusable(std::string(whose) + " takes " + std::to_string(all - inside.size()) +
             " tokens, and the model reads " + std::to_string(max_length_) +
             ", the text's own among them; make it shorter");
  }
  const std::size_t first = tokenizer_.cuts_left ? 0 : inside.size() - over;
  for (std::size_t n = over; n-- > 0;)  // the last first, so that the others keep their places
    own.erase(own.begin() + std::ptrdiff_t(inside[first + n]));
  return true;
}

}  // namespace zscr
