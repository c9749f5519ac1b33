#include "model.hpp"

#include <algorithm>
#include <array>
#include <queue>

#include "unicode.hpp"

namespace zscr {
namespace {

constexpr std::int64_t kMost = 1 << 30;
using Vocabulary = std::unordered_map<std::string, std::int64_t>;

Vocabulary read_vocabulary(const Json& model) {
  Vocabulary made;
  const auto& rows = model.at("vocab").object();
  made.reserve(rows.size());
  for (const auto& [token, id] : rows) made.emplace(token, id.integer(0, kMost));
  return made;
}

std::int64_t id_of(const Vocabulary& vocabulary, const std::string& token) {
  const auto found = vocabulary.find(token);
  if (found == vocabulary.end()) throw JsonFault("its vocabulary lacks '" + token + "'");
  return found->second;
}

std::string text_of(const Chars& word, std::size_t start, std::size_t stop) {
  std::string made;
  for (std::size_t at = start; at < stop; ++at) append_utf8(made, word[at].one);
  return made;
}

Token whole(const Chars& word, std::int64_t id) {
  return {id, word.front().start, word.back().stop};
}

// Whole words (`WordLevel`).
class Words : public Model {
 public:
  explicit Words(const Json& file)
      : vocabulary_(read_vocabulary(file)),
        unknown_(id_of(vocabulary_, file.at("unk_token").text())) {}

  void add(const Chars& word, std::vector<Token>& made) const override {
    const auto found = vocabulary_.find(text_of(word, 0, word.size()));
    made.push_back(whole(word, found == vocabulary_.end() ? unknown_ : found->second));
  }

 private:
  Vocabulary vocabulary_;
  std::int64_t unknown_;
};

// The longest piece that is known, again and again (Schuster & Nakajima 2012).
class WordPiece : public Model {
 public:
  explicit WordPiece(const Json& file)
      : vocabulary_(read_vocabulary(file)),
        unknown_(id_of(vocabulary_, file.at("unk_token").text())),
        prefix_(file.at("continuing_subword_prefix").text()),
        longest_(std::size_t(file.at("max_input_chars_per_word").integer(1, 1000))) {
    for (const auto& [token, id] : vocabulary_) widest_ = std::max(widest_, token.size());
  }

  void add(const Chars& word, std::vector<Token>& made) const override {
    const std::size_t before = made.size();
    bool known = word.size() <= longest_;
    for (std::size_t start = 0, stop; known && start < word.size(); start = stop) {
      for (stop = std::min(word.size(), start + widest_); stop > start; --stop) {
        const auto found = vocabulary_.find((start ? prefix_ : "") + text_of(word, start, stop));
        if (found == vocabulary_.end()) continue;
        made.push_back({found->second, word[start].start, word[stop - 1].stop});
        break;
      }
      known = stop > start;
    }
    if (known) return;
    made.resize(before);
    made.push_back(whole(word, unknown_));
  }

 private:
  Vocabulary vocabulary_;
  std::int64_t unknown_;
  std::string prefix_;
  std::size_t longest_, widest_ = 0;  // a word's characters, a token's bytes
};

// Byte pair encoding (Sennrich et al. 2016): of all pairs the one that was learnt first is merged.
class Bpe : public Model {
 public:
  explicit Bpe(const Json& file) : vocabulary_(read_vocabulary(file)) {
    if (file.has("unk_token")) unknown_ = id_of(vocabulary_, file.at("unk_token").text());
    if (file.has("end_of_word_suffix")) suffix_ = file.at("end_of_word_suffix").text();
    if (file.has("dropout")) throw Fault(ZSCR_MISSING, "BPE with dropout is not in this version");
    if (file.has("continuing_subword_prefix") &&
        !file.at("continuing_subword_prefix").text().empty())
      throw Fault(ZSCR_MISSING, "BPE with continuing_subword_prefix is not in this version");
    for (const char* name : {"fuse_unk", "byte_fallback", "ignore_merges"})
      if (file.has(name) && file.at(name).flag())
        throw Fault(ZSCR_MISSING, std::string("BPE with ") + name + " is not in this version");
    int rank = 0;
    for (const Json& row : file.at("merges").list(0, 4000000)) {
      const auto [first, second] = pair_of(row);
      const std::uint64_t key = key_of(id_of(vocabulary_, first), id_of(vocabulary_, second));
      merges_.emplace(key, Merge{rank++, id_of(vocabulary_, first + second)});
    }
  }

  void add(const Chars& word, std::vector<Token>& made) const override {
    std::vector<Symbol> symbols = spelled(word);
    std::priority_queue<Candidate> waiting;
    for (std::size_t at = 0; at + 1 < symbols.size(); ++at) consider(symbols, int(at), waiting);
    while (!waiting.empty()) {
      const Candidate best = waiting.top();
      waiting.pop();
      Symbol& left = symbols[std::size_t(best.at)];
      if (!left.alive || left.next < 0) continue;
      Symbol& right = symbols[std::size_t(left.next)];
      const auto found = merges_.find(key_of(left.token.id, right.token.id));
      if (found == merges_.end() || found->second.made != best.made) continue;  // merged since
      left.token = {best.made, left.token.start, right.token.stop};
      right.alive = false;
      left.next = right.next;
      if (left.next >= 0) symbols[std::size_t(left.next)].before = best.at;
      if (left.before >= 0) consider(symbols, left.before, waiting);
      consider(symbols, best.at, waiting);
    }
    for (const Symbol& one : symbols)
      if (one.alive) made.push_back(one.token);
  }

 private:
  struct Merge {
    int rank;
    std::int64_t made;
  };
  struct Symbol {
    Token token;
    int before, next;
    bool alive;
  };
  struct Candidate {
    int rank, at;
    std::int64_t made;
    bool operator<(const Candidate& other) const {  // the first merge, leftmost, is on top
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };

  Vocabulary vocabulary_;
  std::optional<std::int64_t> unknown_;
  std::string suffix_;
  std::unordered_map<std::uint64_t, Merge> merges_;

  static std::uint64_t key_of(std::int64_t first, std::int64_t second) {
    return std::uint64_t(first) << 32 | std::uint64_t(second);
  }

  static std::pair<std::string, std::string> pair_of(const Json& row) {
    if (const auto* line = std::get_if<std::string>(&row.value)) {
      const std::size_t space = line->find(' ');
      if (space == line->npos) row.refuse("two tokens");
      return {line->substr(0, space), line->substr(space + 1)};
    }
    const auto& both = row.list(2, 2);
    return {both[0].text(), both[1].text()};
  }

  std::vector<Symbol> spelled(const Chars& word) const {
    std::vector<Symbol> made;
    for (std::size_t at = 0; at < word.size(); ++at) {
      std::string sign = text_of(word, at, at + 1);
      if (at + 1 == word.size()) sign += suffix_;
      const auto found = vocabulary_.find(sign);
      if (found == vocabulary_.end() && !unknown_) continue;
      const std::int64_t id = found == vocabulary_.end() ? *unknown_ : found->second;
      const int number = int(made.size());
      made.push_back({{id, word[at].start, word[at].stop}, number - 1, number + 1, true});
    }
    if (!made.empty()) made.back().next = -1;
    return made;
  }

  void consider(const std::vector<Symbol>& symbols, int at,
                std::priority_queue<Candidate>& waiting) const {
    const Symbol& left = symbols[std::size_t(at)];
    if (left.next < 0) return;
    const auto found =
        merges_.find(key_of(left.token.id, symbols[std::size_t(left.next)].token.id));
    if (found != merges_.end()) waiting.push({found->second.rank, at, found->second.made});
  }
};

}  // namespace

std::unique_ptr<Model> make_model(const Json& file) {
  const std::string& type = file.at("type").text();
  if (type == "WordPiece") return std::make_unique<WordPiece>(file);
  if (type == "BPE") return std::make_unique<Bpe>(file);
  if (type == "WordLevel") return std::make_unique<Words>(file);
  throw Fault(ZSCR_MISSING,
              "tokenizers of the kind " + type.substr(0, 40) + " are not in this version");
}

char32_t sign_of(unsigned char byte) {
  static const auto kSigns = [] {
    std::array<char32_t, 256> made{};
    char32_t next = 256;
    for (char32_t one = 0; one < 256; ++one) {
      const bool seen = (one > 32 && one < 127) || (one > 160 && one != 173);
      made[one] = seen ? one : next++;
    }
    return made;
  }();
  return kSigns[byte];
}

}  // namespace zscr
