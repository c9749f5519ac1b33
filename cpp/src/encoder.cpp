#include "encoder.hpp"

#include <algorithm>

#include "unicode.hpp"

namespace zscr {
namespace {

constexpr std::size_t kStep = 8;  // tokens that the texts of a group differ by, at most
constexpr std::size_t kListed = 20, kLong = 40;  // words that a message lists, characters of one

std::string listed(const std::vector<std::string>& words) {
  std::string made;
  for (std::size_t n = 0; n < words.size() && n <= kListed; ++n) {
    if (n) made += ", ";
    const std::u32string word = decoded(words[n]);
    made += n == kListed          ? "…"
            : word.size() > kLong ? encoded(word.substr(0, kLong)) + "…"
                                  : words[n];
  }
  return made;
}

// Returns the words of the first that the second does not know either.
std::vector<std::string> common(const std::vector<std::string>& first,
                                const std::vector<std::string>& second) {
  std::vector<std::string> made;
  std::copy_if(first.begin(), first.end(), std::back_inserter(made), [&](const std::string& word) {
    return std::find(second.begin(), second.end(), word) != second.end();
  });
  return made;
}

}  // namespace

Encoder::Encoder(const Manifest& bundle, const std::string& name, std::size_t dim,
                 const Runtime& runtime)
    : dim_(dim) {
  const Json& graph = bundle.body.at("graphs").at(name);
  for (const Json& spec : graph.at("inputs").list(1, 8)) inputs_.emplace_back(bundle, spec, name);
  for (const GraphInput& one : inputs_)
    if (!limit_ && one.is_text()) limit_ = &one;
  has_mask_ = inputs_.size() == 1 && inputs_.front().has_mask();
  const auto file_in = [&](const std::string& precision) {
    std::string file = graph.at("variants").at(precision).at("file").text(255);
    if (file.find('/') != file.npos) graph.refuse("a graph in the bundle's own folder");
    return file;
  };
  const std::string plain = bundle.body.at("default_precision").text(40);
  const std::string precision = graph.at("role").text() == "query" ? runtime.precision : plain;
  const std::string file = file_in(precision);
  const std::string bytes = bundle.verified(file);
  key = bundle.listed(file_in(plain)).sha256;
  runner_ = std::make_unique<const Runner>(runtime, bytes, (bundle.folder / file).string(),
                                           graph.at("output").text(200), dim);
  ran_ = runner_->ran() + (precision == plain ? "" : ", " + precision);
}

std::optional<Encoder::Ready> Encoder::read(const Query& query, std::size_t number,
                                            Embedded& made) const {
  const auto refused = [&](const std::string& why) -> std::optional<Ready> {
    made.notes.clear();
    made.error = "query " + query.id + why;
    return {};
  };
  std::u32string text;
  try {
    if (query.text) text = nfc(decoded(*query.text));
  } catch (const Fault& fault) {
    return refused(std::string(" cannot be read: it ") + fault.what());
  }
  const auto blank = [](char32_t one) { return is(Kind::blank, one); };
  if (query.text && std::all_of(text.begin(), text.end(), blank))
    return refused(" has an empty text; give it words or leave it out");
  Ready ready{number, {}};
  try {
    for (const GraphInput& input : inputs_) ready.fields.push_back(input.read(query, text));
  } catch (const Fault& fault) {
    return refused(std::string(" cannot be read: ") + fault.what());
  }
  if (query.text && !note(ready, made)) {
    const std::string words = listed(unknown(ready));
    return refused(" has no word that the model's text encoder knows" +
                   (words.empty() ? "" : " (" + words + ")") + "; say it in other words");
  }
  for (const ReadField& one : ready.fields)
    made.notes.insert(made.notes.end(), one.told.begin(), one.told.end());
  return ready;
}

// Returns the words that none of the tokenizers knows.
std::vector<std::string> Encoder::unknown(const Ready& ready) const {
  std::optional<std::vector<std::string>> made;
  for (std::size_t at = 0; at < inputs_.size(); ++at)
    if (inputs_[at].is_text())
      made = made ? common(*made, ready.fields[at].text.unknown) : ready.fields[at].text.unknown;
  return made.value_or(std::vector<std::string>{});
}

// Tells what the model could not look at; false where that is the whole text.
bool Encoder::note(const Ready& ready, Embedded& made) const {
  bool says = false;
  for (std::size_t at = 0; at < inputs_.size(); ++at) {
    const ReadText& one = ready.fields[at].text;
    says = says || (inputs_[at].is_text() && !one.blank);
    made.cut = made.cut || one.cut;
  }
  if (made.cut)
    made.notes.push_back("truncated to " + std::to_string(limit_->max_length()) + " " +
                         limit_->unit());
  if (const auto words = unknown(ready); !words.empty())
    made.notes.push_back(std::to_string(words.size()) + " unknown: " + listed(words));
  return says;
}

std::vector<Embedded> Encoder::embed(const std::vector<Query>& queries) const {
  std::vector<Embedded> made(queries.size());
  std::map<std::size_t, std::vector<Ready>> groups;  // of about the same length, shortest first
  for (std::size_t n = 0; n < queries.size(); ++n) {
    auto ready = read(queries[n], n, made[n]);
    if (!ready) continue;
    const std::size_t length =
        has_mask_ ? std::max<std::size_t>(1, ready->fields[0].text.ids.size()) : 0;
    groups[(length + kStep - 1) / kStep].push_back(std::move(*ready));
  }
  for (const auto& [step, group] : groups) run(group, made);
  return made;
}

void Encoder::run(const std::vector<Ready>& group, std::vector<Embedded>& made) const {
  Feeds feeds;
  for (std::size_t at = 0; at < inputs_.size(); ++at) {
    std::vector<const ReadField*> fields;
    for (const Ready& one : group) fields.push_back(&one.fields[at]);
    inputs_[at].feed(fields, feeds);
  }
  const std::vector<float> rows = runner_->run(feeds);
  for (std::size_t n = 0; n < group.size(); ++n) {
    auto& row = made[group[n].number].row;
    row.assign(rows.begin() + std::ptrdiff_t(n * dim_),
               rows.begin() + std::ptrdiff_t((n + 1) * dim_));
  }
}

}  // namespace zscr
