#include "unicode.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "error.hpp"

namespace zscr {
namespace {

struct Range {
  char32_t first, last;
};
struct Mapping {
  char32_t from;
  std::uint16_t at, size;
};
struct Pair {
  char32_t first, second, composed;
};
struct Order {
  char32_t first, last;
  int rank;
};
#include "unicode_tables.inc"

template <typename Row, std::size_t N>
const Row* find_range(const Row (&rows)[N], char32_t one) {
  const Row* const next =
      std::upper_bound(std::begin(rows), std::end(rows), one,
                       [](char32_t value, const Row& row) { return value < row.first; });
  return next != std::begin(rows) && one <= (next - 1)->last ? next - 1 : nullptr;
}

template <std::size_t N, std::size_t P>
std::u32string_view mapped(const Mapping (&rows)[N], const char32_t (&pool)[P],
                           const char32_t& one) {
  const Mapping* const found =
      std::lower_bound(std::begin(rows), std::end(rows), one,
                       [](const Mapping& row, char32_t value) { return row.from < value; });
  if (found == std::end(rows) || found->from != one) return {&one, 1};
  return {pool + found->at, found->size};
}

// Hangul is composed by arithmetic: the Unicode Standard, section 3.12.
constexpr char32_t kS = 0xAC00, kL = 0x1100, kV = 0x1161, kT = 0x11A7;
constexpr int kLs = 19, kVs = 21, kTs = 28, kSs = kLs * kVs * kTs;

bool is_hangul(char32_t one) { return one >= kS && one < kS + kSs; }

std::u32string split_hangul(char32_t one) {
  const char32_t number = one - kS, last = number % kTs;
  std::u32string parts{kL + number / (kVs * kTs), kV + number % (kVs * kTs) / kTs};
  if (last) parts += kT + last;
  return parts;
}

int rank_of(char32_t one) {
  if (one < 0x300) return 0;
  const Order* const found = find_range(kOrdered, one);
  return found ? found->rank : 0;
}

// Returns what two characters compose to, or 0.
char32_t composed(char32_t first, char32_t second) {
  if (first >= kL && first < kL + kLs && second >= kV && second < kV + kVs)
    return kS + ((first - kL) * kVs + (second - kV)) * kTs;
  if (is_hangul(first) && (first - kS) % kTs == 0 && second > kT && second < kT + kTs)
    return first + (second - kT);
  const Pair* const found =
      std::lower_bound(std::begin(kComposed), std::end(kComposed), std::make_pair(first, second),
                       [](const Pair& row, const std::pair<char32_t, char32_t>& value) {
                         return std::make_pair(row.first, row.second) < value;
                       });
  const bool there =
      found != std::end(kComposed) && found->first == first && found->second == second;
  return there ? found->composed : 0;
}

std::u32string decomposed(const std::u32string& text) {
  std::u32string parts;
  for (const char32_t& one : text)
    parts += is_hangul(one) ? split_hangul(one)
                            : std::u32string(mapped(kDecomposedMap, kDecomposedPool, one));
  for (std::size_t start = 0; start < parts.size();) {  // marks behind a letter, in their order
    std::size_t stop = start + 1;
    if (rank_of(parts[start])) {
      while (stop < parts.size() && rank_of(parts[stop])) ++stop;
      std::stable_sort(parts.begin() + std::ptrdiff_t(start), parts.begin() + std::ptrdiff_t(stop),
                       [](char32_t a, char32_t b) { return rank_of(a) < rank_of(b); });
    }
    start = stop;
  }
  return parts;
}

}  // namespace

std::u32string nfc(std::u32string text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t one) { return one < 0x300; })) return text;
  const std::u32string parts = decomposed(text);
  std::u32string made;
  std::size_t starter = std::u32string::npos;
  int before = 0;  // the rank of the last mark that was kept behind the starter
  for (const char32_t one : parts) {
    const int rank = rank_of(one);
    const bool touches = starter != made.npos && (made.size() == starter + 1 || before < rank);
    const char32_t whole = touches ? composed(made[starter], one) : 0;
    if (whole) {
      made[starter] = whole;
      continue;
    }
    if (!rank) starter = made.size();
    before = rank;
    made += one;
  }
  return made;
}

namespace {

// Reads one character from `at` on and moves behind it; returns whether it is one.
bool next_character(std::string_view text, std::size_t& at, char32_t& one) {
  static constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const auto byte = static_cast<unsigned char>(text[at]);
  const std::size_t size = byte < 0x80       ? 1
                           : byte >> 5 == 6  ? 2
                           : byte >> 4 == 14 ? 3
                           : byte >> 3 == 30 ? 4
                                             : 0;
  if (!size || at + size > text.size()) return false;
  one = size == 1 ? byte : byte & (0xFFU >> (size + 1));
  for (std::size_t n = 1; n < size; ++n) {
    const auto next = static_cast<unsigned char>(text[at + n]);
    if (next >> 6 != 2) return false;
    one = one << 6 | (next & 63);
  }
  if (one < kLeast[size] || one > 0x10FFFF || (one >= 0xD800 && one < 0xE000)) return false;
  at += size;
  return true;
}

}  // namespace

std::u32string decoded(std::string_view text) {
  std::u32string made;
  for (std::size_t at = 0; at < text.size();) {
    char32_t one = 0;
    if (!next_character(text, at, one))
      unusable("holds bytes at " + std::to_string(at) +
               " that are not UTF-8; write it in plain UTF-8");
    made += one;
  }
  return made;
}

std::string printable(std::string_view words) {
  std::string made;
  for (std::size_t at = 0; at < words.size();) {
    char32_t one = 0;
    const bool sound = next_character(words, at, one);
    const bool shown = sound && one >= 0x20 && (one < 0x7F || one >= 0xA0);
    append_utf8(made, shown ? one : U'?');
    at += !sound;
  }
  return made;
}

void append_utf8(std::string& text, char32_t one) {
  const auto put = [&](char32_t bits) { text += static_cast<char>(bits); };
  if (one < 0x80) return put(one);
  if (one < 0x800) {
    put(0xC0 | one >> 6);
  } else {
    if (one < 0x10000) {
      put(0xE0 | one >> 12);
    } else {
      put(0xF0 | one >> 18);
      put(0x80 | (one >> 12 & 63));
    }
    put(0x80 | (one >> 6 & 63));
  }
  put(0x80 | (one & 63));
}

std::string encoded(std::u32string_view text) {
  std::string made;
  for (const char32_t one : text) append_utf8(made, one);
  return made;
}

bool is(Kind kind, char32_t one) {
  switch (kind) {
    case Kind::space:
      return find_range(kSpace, one);
    case Kind::letter:
      return find_range(kLetter, one);
    case Kind::number:
      return find_range(kNumber, one);
    case Kind::word:
      return find_range(kWord, one);
    case Kind::blank:
      return find_range(kBlank, one);
    case Kind::telling:
      return find_range(kTold, one);
    case Kind::bert_space:
      return find_range(kBertSpace, one);
    case Kind::bert_deleted:
      return find_range(kBertDeleted, one);
    case Kind::bert_alone:
      return find_range(kBertAlone, one);
    case Kind::bert_punctuation:
      return find_range(kBertPunctuation, one);
  }
  return false;
}

std::u32string_view lowered(const char32_t& one) { return mapped(kLowerMap, kLowerPool, one); }

std::u32string bert_mapped(char32_t one) {
  if (is_hangul(one)) return split_hangul(one);
  return std::u32string(mapped(kBertMap, kBertPool, one));
}

}  // namespace zscr
