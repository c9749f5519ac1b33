#include "unread.hpp"

#include <algorithm>

#include "unicode.hpp"

namespace zscr {

Seen::Seen(const std::u32string& text, const std::vector<Token>& tokens, bool cut,
           std::optional<std::int64_t> unknown_id, bool spells_bytes)
    : text_(text), covered_(text.size()), unread_(text.size()) {
  std::size_t end = cut ? 0 : text.size();  // of what was read
  for (const Token& one : tokens) {
    for (std::size_t at = one.start; at < one.stop; ++at) {
      // A character that BPE spells in several tokens is in none of them whole.
      if (one.id == unknown_id || (spells_bytes && covered_[at])) unread_[at] = true;
    }
    std::fill(covered_.begin() + std::ptrdiff_t(one.start),
              covered_.begin() + std::ptrdiff_t(one.stop), true);
    end = std::max(end, one.stop);
  }
  for (std::size_t at = 0; at < end; ++at) {  // what says something and is in no token
    const bool silent = !covered_[at] && text[at] >= 0x80;
    if (silent && is(Kind::telling, text[at])) unread_[at] = true;
  }
}

bool Seen::says(std::size_t start, std::size_t stop) const {
  for (std::size_t at = start; at < stop; ++at)
    if (covered_[at] && !unread_[at] && is(Kind::telling, text_[at])) return true;
  return false;
}

std::vector<std::string> Seen::unknown(std::size_t start, std::size_t stop) const {
  std::vector<std::string> made;
  for (std::size_t at = start; at < stop; ++at) {
    if (!unread_[at]) continue;
    if (at == start || !unread_[at - 1]) made.emplace_back();
    append_utf8(made.back(), text_[at]);
  }
  return made;
}

}  // namespace zscr
