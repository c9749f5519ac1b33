#include "sentence.hpp"

#include <algorithm>
#include <cstdio>

#include "error.hpp"
#include "unicode.hpp"

namespace zscr {
namespace {

constexpr std::size_t kShown = 80;  // characters of a text that a message shows
constexpr char32_t kStar = U'*';

std::string escaped(char32_t one, char quote) {
  char made[16];
  if (one == U'\n') return "\\n";
  if (one == U'\r') return "\\r";
  if (one == U'\t') return "\\t";
  if (one == U'\\' || one == char32_t(quote)) return {'\\', char(one)};
  if (one >= 0x20 && one < 0x7F) return {char(one)};
  std::snprintf(made, sizeof made,
                one < 0x100     ? "\\x%02x"
                : one < 0x10000 ? "\\u%04x"
                                : "\\U%08x",
                unsigned(one));
  return made;
}

// Returns a text as Python's `ascii` shows it, its beginning.
std::string shown(const std::u32string& text) {
  const bool single = text.find(U'\'') != text.npos && text.find(U'"') == text.npos;
  const char quote = single ? '"' : '\'';
  std::string made{quote};
  for (const char32_t one : text) {
    made += escaped(one, quote);
    if (made.size() > kShown) break;
  }
  return (made + quote).substr(0, kShown);
}

std::size_t captions(const std::u32string& text) {
  std::size_t made = 0;
  for (std::size_t at = text.find(U"{}"); at != text.npos; at = text.find(U"{}", at + 2)) ++made;
  return made;
}

// Splits a text at its place, without the space before it.
void split(const std::u32string& text, const std::string& what, std::u32string (&sides)[2]) {
  const auto stars = std::count(text.begin(), text.end(), kStar);
  if (stars != 1)
    unusable(what + " has " + (stars ? std::to_string(stars) : "no") +
             " places for the image; write one *, as in 'a sketch of *'");
  const std::size_t at = text.find(kStar);
  const auto free = [&](std::size_t place) { return is(Kind::blank, text[place]); };
  if ((at > 0 && !free(at - 1)) || (at + 1 < text.size() && !free(at + 1)))
    unusable(what +
             " has a * that touches another character; put a space on each side of it, as in 'a "
             "photo of * , in red', or leave it out");
  std::size_t end = at;
  while (end > 0 && free(end - 1)) --end;
  sides[0] = text.substr(0, end);
  sides[1] = text.substr(at + 1);
}

}  // namespace

std::pair<std::size_t, std::size_t> Sentence::asked(int side) const {
  if (whole) return {0, sides[side].size()};
  return side == own ? std::pair{start, stop} : std::pair<std::size_t, std::size_t>{0, 0};
}

Template::Template(std::u32string text) : text_(std::move(text)) {
  const std::string what = "the template " + shown(text_);
  if (const std::size_t places = captions(text_); places != 1)
    unusable(what + " has " + (places ? std::to_string(places) : "no") +
             " places for the text; write one {}, as in 'a photo of * , {}'");
  std::u32string sides[2];
  split(text_, what, sides);
}

Sentence Template::sentence(const std::u32string& text) const {
  Sentence made;
  made.whole = text.find(kStar) != text.npos;
  if (made.whole) {
    split(text, "the text " + shown(text), made.sides);
    made.own = 1;
    made.start = 0;
    made.stop = made.sides[1].size();
    return made;
  }
  split(text_, "the template", made.sides);
  made.own = made.sides[1].find(U"{}") != text.npos;
  std::u32string& side = made.sides[made.own];
  made.start = side.find(U"{}");
  made.stop = made.start + text.size();
  side.replace(made.start, 2, text);
  return made;
}

}  // namespace zscr
