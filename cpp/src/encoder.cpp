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

std::string spoken(const std::set<std::string>& fields) {
  std::string made;
  for (const auto& one : fields) made += (made.empty() ? "" : " and ") + one;
  return made;
}

std::set<std::string> Query::fields() const {
  std::set<std::string> made;
  if (text) made.insert("text");
  if (vector) made.insert("vector");
  if (image) made.insert("image");
  if (sketch) made.insert("sketch");
  return made;
}

Encoder::Input Encoder::make_input(const Manifest& bundle, const Json& spec,
                                   const std::string& graph) {
  Input made;
  made.field = spec.at("field").text(40);
  for (const Json& name : spec.at("names").list(1, 2)) made.names.push_back(name.text(200));
  const std::string& kind = spec.at("kind").text();
  if (kind == "vector") {
    made.vector_size = std::size_t(spec.at("shape").list(2, 2)[1].integer(1, 1 << 16));
    return made;
  }
  if (kind == "image") {
    made.image = std::make_unique<const ImageReader>(spec.at("preprocess"));
    return made;
  }
  if (kind != "text" && kind != "characters")
    throw Fault(ZSCR_MISSING, "the graph '" + graph + "' is fed by the kind '" +
                                  kind.substr(0, 40) +
                                  "', which is not in this version of libzscr");
  made.max_length = std::size_t(spec.at("max_length").integer(1, 1 << 20));
  made.unit = spec.has("unit") ? spec.at("unit").text(40) : "tokens";
  if (kind == "characters") {
    made.characters = std::make_unique<const CharacterReader>(decoded(spec.at("alphabet").text()),
                                                              made.max_length);
    return made;
  }
  if (spec.has("pad_to")) made.pad_to = std::size_t(spec.at("pad_to").integer(1, 1 << 16));
  std::optional<std::int64_t> unknown;
  if (spec.has("unknown_id")) unknown = spec.at("unknown_id").integer(0, std::int64_t(1) << 32);
  const std::string file = spec.at("tokenizer").text(255);
  if (file.find('/') != file.npos) spec.at("tokenizer").refuse("a file of the bundle's own folder");
  made.text = std::make_unique<const TextReader>(parse_json(bundle.verified(file)), made.max_length,
                                                 unknown);
  return made;
}

Encoder::Encoder(const Manifest& bundle, const std::string& name, std::size_t dim,
                 const Runtime& runtime)
    : dim_(dim) {
  const Json& graph = bundle.body.at("graphs").at(name);
  for (const Json& spec : graph.at("inputs").list(1, 8))
    inputs_.push_back(make_input(bundle, spec, name));
  for (const Input& one : inputs_)
    if (!limit_ && one.is_text()) limit_ = &one;
  const Input& first = inputs_.front();
  has_mask_ = inputs_.size() == 1 && first.text && first.names.size() == 2 && !first.pad_to &&
              !first.text->pads_left();
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
  runner_ = std::make_unique<const Runner>(load_onnxruntime(runtime.onnxruntime), bytes,
                                           runtime.thread_count(), (bundle.folder / file).string(),
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
  Ready ready{number, {}, {}, {}};
  try {
    for (const Input& input : inputs_) read_input(input, text, query, ready);
  } catch (const Fault& fault) {
    return refused(std::string(" cannot be read: ") + fault.what());
  }
  if (query.text && !note(ready, made)) {
    const std::string words = listed(unknown(ready));
    return refused(" has no word that the model's text encoder knows" +
                   (words.empty() ? "" : " (" + words + ")") + "; say it in other words");
  }
  made.notes.insert(made.notes.end(), ready.told.begin(), ready.told.end());
  return ready;
}

void Encoder::read_input(const Input& input, const std::u32string& text, const Query& query,
                         Ready& ready) {
  auto& read = ready.texts.emplace_back();
  auto& numbers = ready.numbers.emplace_back();
  if (input.text) read = input.text->read(text);
  if (input.characters) read = input.characters->read(text);
  if (input.image) {
    ReadImage seen = input.image->read(input.field == "image" ? *query.image : *query.sketch);
    numbers = std::move(seen.pixels);
    ready.told.insert(ready.told.end(), seen.told.begin(), seen.told.end());
  }
  if (!input.vector_size) return;
  numbers = *query.vector;
  if (numbers.size() != input.vector_size)
    unusable("input '" + input.names[0] + "' takes float vectors of " +
             std::to_string(input.vector_size) + " numbers, this one has " +
             std::to_string(numbers.size()) + "; give vectors of the model's own kind");
}

// Returns the words that none of the tokenizers knows.
std::vector<std::string> Encoder::unknown(const Ready& ready) const {
  std::optional<std::vector<std::string>> made;
  for (std::size_t at = 0; at < inputs_.size(); ++at)
    if (inputs_[at].is_text())
      made = made ? common(*made, ready.texts[at].unknown) : ready.texts[at].unknown;
  return made.value_or(std::vector<std::string>{});
}

// Tells what the model could not look at; false where that is the whole text.
bool Encoder::note(const Ready& ready, Embedded& made) const {
  bool says = false, told = false;
  for (std::size_t at = 0; at < inputs_.size(); ++at) {
    const ReadText& one = ready.texts[at];
    says = says || (inputs_[at].is_text() && !one.blank);
    if (one.cut && !told)
      made.notes.push_back("truncated to " + std::to_string(limit_->max_length) + " " +
                           limit_->unit);
    told = told || one.cut;
  }
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
    const std::size_t length = has_mask_ ? std::max<std::size_t>(1, ready->texts[0].ids.size()) : 0;
    groups[(length + kStep - 1) / kStep].push_back(std::move(*ready));
  }
  for (const auto& [step, group] : groups) run(group, made);
  return made;
}

void Encoder::run(const std::vector<Ready>& group, std::vector<Embedded>& made) const {
  const std::vector<float> rows = runner_->run(feeds(group));
  for (std::size_t n = 0; n < group.size(); ++n) {
    auto& row = made[group[n].number].row;
    row.assign(rows.begin() + std::ptrdiff_t(n * dim_),
               rows.begin() + std::ptrdiff_t((n + 1) * dim_));
  }
}

Feeds Encoder::feeds(const std::vector<Ready>& group) const {
  Feeds made;
  for (std::size_t at = 0; at < inputs_.size(); ++at) {
    const Input& input = inputs_[at];
    if (input.is_text()) {
      feed_texts(at, group, made);
      continue;
    }
    std::vector<float> rows;
    for (const Ready& one : group)
      rows.insert(rows.end(), one.numbers[at].begin(), one.numbers[at].end());
    std::vector<std::int64_t> shape{std::int64_t(group.size()), std::int64_t(input.vector_size)};
    if (input.image)
      shape = {std::int64_t(group.size()), 3, input.image->side(), input.image->side()};
    made[input.names[0]] = {std::move(rows), std::move(shape)};
  }
  return made;
}

// Feeds token ids, padded to the longest, and a mask where the graph takes one.
void Encoder::feed_texts(std::size_t at, const std::vector<Ready>& group, Feeds& made) const {
  const Input& input = inputs_[at];
  std::size_t length = std::max<std::size_t>(1, input.pad_to);
  for (const Ready& one : group) length = std::max(length, one.texts[at].ids.size());
  const bool left = input.text && input.text->pads_left();
  std::vector<std::int64_t> ids(group.size() * length, input.text ? input.text->pad_id() : 0);
  std::vector<std::int64_t> mask(ids.size(), 0);
  for (std::size_t n = 0; n < group.size(); ++n) {
    const auto& own = group[n].texts[at].ids;
    const std::size_t begin = n * length + (left ? length - own.size() : 0);
    std::copy(own.begin(), own.end(), ids.begin() + std::ptrdiff_t(begin));
    std::fill_n(mask.begin() + std::ptrdiff_t(begin), own.size(), 1);
  }
  const std::vector<std::int64_t> shape{std::int64_t(group.size()), std::int64_t(length)};
  made[input.names[0]] = {std::move(ids), shape};
  if (input.names.size() > 1) made[input.names[1]] = {std::move(mask), shape};
}

}  // namespace zscr
