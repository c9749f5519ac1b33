#include "split.hpp"

#include <algorithm>

#include "model.hpp"
#include "unicode.hpp"

namespace zscr {

bool starts_with(const Chars& text, std::size_t at, std::u32string_view wanted) {
  if (wanted.empty() || text.size() - at < wanted.size()) return false;
  for (std::size_t n = 0; n < wanted.size(); ++n)
    if (text[at + n].one != wanted[n]) return false;
  return true;
}

Chars part(const Chars& text, std::size_t start, std::size_t stop) {
  return {text.begin() + std::ptrdiff_t(start), text.begin() + std::ptrdiff_t(stop)};
}

namespace {

// Says of which of the three kinds that GPT-2's and CLIP's patterns know a character is.
int sort_of(char32_t one) {
  if (one < 0x80) {
    if ((one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z')) return 1;
    if (one >= '0' && one <= '9') return 2;
    return one == ' ' || (one >= 9 && one <= 13) ? 0 : 3;
  }
  if (is(Kind::space, one)) return 0;
  return is(Kind::letter, one) ? 1 : is(Kind::number, one) ? 2 : 3;
}

// Returns how long an English ending such as 're is that begins at a place, or 0.
std::size_t ending(const Chars& text, std::size_t at) {
  for (const std::u32string_view one : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"})
    if (starts_with(text, at, one)) return one.size();
  return 0;
}

std::size_t run_end(const Chars& text, std::size_t at, int sort) {
  while (at < text.size() && sort_of(text[at].one) == sort) ++at;
  return at;
}

}  // namespace

std::vector<Chars> split_clip(const Chars& text, const std::vector<std::u32string>& literals) {
  std::vector<Chars> made;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t stop = at;
    for (const auto& one : literals)
      if (stop == at && starts_with(text, at, one)) stop = at + one.size();
    if (stop == at) stop += ending(text, at);
    const int sort = sort_of(text[at].one);
    if (stop == at && !sort) {
      ++at;
      continue;
    }
    if (stop == at) stop = sort == 2 ? at + 1 : run_end(text, at, sort);
    made.push_back(part(text, at, stop));
    at = stop;
  }
  return made;
}

std::vector<Chars> split_bytes(const Chars& text) {
  std::vector<Chars> made;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t stop = at + ending(text, at);
    if (stop == at) {
      const std::size_t first = text[at].one == ' ' && at + 1 < text.size() ? at + 1 : at;
      int sort = sort_of(text[first].one);
      if (sort) {
        stop = run_end(text, first, sort);
      } else {
        stop = run_end(text, at, 0);  // of several spaces the last one goes along with what follows
        if (stop < text.size() && stop - at > 1) --stop;
      }
    }
    made.push_back(part(text, at, stop));
    at = stop;
  }
  return made;
}

std::vector<Chars> split_bert(const Chars& text) {
  std::vector<Chars> made;
  Chars word;
  const auto close = [&] {
    if (!word.empty()) made.push_back(std::move(word));
    word.clear();
  };
  for (const Char& one : text) {
    if (one.one == U' ') {
      close();
    } else if (is(Kind::bert_punctuation, one.one)) {
      close();
      made.push_back({one});
    } else {
      word.push_back(one);
    }
  }
  close();
  return made;
}

std::vector<Chars> split_words(const Chars& text) {
  std::vector<Chars> made;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t stop = at;
    while (stop < text.size() && is(Kind::word, text[stop].one)) ++stop;
    if (stop - at > 1) made.push_back(part(text, at, stop));
    at = std::max(stop, at + 1);
  }
  return made;
}

Chars in_bytes(const Chars& word) {
  Chars made;
  for (const Char& one : word) {
    std::string bytes;
    append_utf8(bytes, one.one);
    for (const char byte : bytes)
      made.push_back({sign_of(static_cast<unsigned char>(byte)), one.start, one.stop});
  }
  return made;
}

}  // namespace zscr
