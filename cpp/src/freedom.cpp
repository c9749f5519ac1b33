// FreeDom (Efthymiadis et al., WACV 2025): a query's image as words of its neighbours.
#include <algorithm>

#include "composer.hpp"

namespace zscr {
namespace {

constexpr double kSame = 0.98;  // cosine from which the best image is taken for the query itself

struct Voted {
  std::size_t word, count;
};

// Returns the nearest words of a voter, the nearest first, ties in their order.
std::vector<std::size_t> nearest_words(const std::vector<float>& voter, const Matrix& vocabulary,
                                       std::size_t count) {
  std::vector<Scored> scored;
  for (std::size_t n = 0; n < vocabulary.rows; ++n)
    scored.push_back(
        {double(dot(voter.data(), &vocabulary.numbers[n * vocabulary.columns], vocabulary.columns)),
         std::int64_t(n)});
  keep_best(scored, count);
  std::vector<std::size_t> made;
  for (const Scored& one : scored) made.push_back(std::size_t(one.row));
  return made;
}

// Returns the most frequent words of the voters, ties in the order of their first appearance.
std::vector<Voted> frequent_words(const std::vector<std::vector<float>>& voters,
                                  const Matrix& vocabulary, const Vocabulary& how) {
  std::vector<Voted> made;
  for (const auto& voter : voters)
    for (const std::size_t word : nearest_words(voter, vocabulary, how.nearest)) {
      const auto found = std::find_if(made.begin(), made.end(),
                                      [&](const Voted& one) { return one.word == word; });
      if (found == made.end()) {
        made.push_back({word, 1});
      } else {
        ++found->count;
      }
    }
  std::stable_sort(made.begin(), made.end(),
                   [](const Voted& a, const Voted& b) { return a.count > b.count; });
  made.resize(std::min(made.size(), how.kept));
  return made;
}

}  // namespace

// Returns Σ w t("word text") of the words that the image is said in.
Numbers Composer::in_words(ComposedBatch& batch, std::size_t place, const Numbers& image,
                           const Composition& composition, const Index& index) const {
  const Vocabulary& how = *composition.vocabulary;
  const auto& names = files_.words(how.words);
  const Matrix& vocabulary = files_.rows(how.vectors);
  if (names.size() != vocabulary.rows)
    damaged(how.words + " has " + std::to_string(names.size()) + " words, " + how.vectors + " " +
            std::to_string(vocabulary.rows) + " rows; make the bundle anew");
  const auto near = neighbours(index, narrow(image), how.images);
  std::vector<std::vector<float>> voters;
  if (near.empty() || near[0].score < kSame) voters.push_back(narrow(image));
  std::vector<float> scratch(image.size());
  for (const Scored& one : near) {
    if (voters.size() == how.images) break;
    const float* const row = index.row(std::size_t(one.row), scratch.data());
    voters.emplace_back(row, row + image.size());
  }
  const auto words = frequent_words(voters, vocabulary, how);
  const Channel& text = composition.channels[1];
  std::string said;
  std::vector<std::string> asked;
  for (const Voted& one : words) {
    said += (said.empty() ? "" : ", ") + names[one.word];
    asked.push_back(names[one.word] + " " + shaped(*batch.queries[place].text, text));
  }
  batch.notes[place].push_back("the image is said in words: " + said);
  Numbers made(image.size());
  try {
    const Phrases found = reader_.phrases(text.graph, asked);
    tell_cut(batch, place, found.cut);
    for (std::size_t n = 0; n < words.size(); ++n)
      add(made, double(words[n].count) / double(words[0].count), found.rows[n]);
  } catch (const Fault& fault) {
    if (fault.code != ZSCR_INPUT) throw;
    batch.faults[place] = "query " + batch.queries[place].id + " cannot be read: " + fault.what();
  }
  return made;
}

}  // namespace zscr
