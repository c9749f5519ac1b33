#include "bundle.hpp"

#include <algorithm>
#include <cmath>

#include "unicode.hpp"

namespace zscr {
namespace {

constexpr int kSchema = 4;
constexpr std::size_t kStep = 8;  // tokens that the texts of a group differ by, at most
constexpr std::size_t kListed = 20, kLong = 40;  // words that a message lists, characters of one

std::string spoken(const std::set<std::string>& fields) {
  std::string made;
  for (const auto& one : fields) made += (made.empty() ? "" : " and ") + one;
  return made;
}

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

// Says that nothing of a text can be read: the answers to all such texts would be the same.
std::string unread(const Query& query, const std::vector<std::string>& unknown) {
  const std::string words = unknown.empty() ? "" : " (" + listed(unknown) + ")";
  return "query " + query.id + " has no word that the model's text encoder knows" + words +
         "; say it in other words";
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
  for (const Json& name : spec.at("names").list(1, 2)) made.names.push_back(name.text(200));
  const std::string& kind = spec.at("kind").text();
  if (kind == "vector") {
    made.vector_size = std::size_t(spec.at("shape").list(2, 2)[1].integer(1, 1 << 16));
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
                 const std::shared_ptr<const Onnxruntime>& library, int threads)
    : dim_(dim) {
  const Json& graph = bundle.body.at("graphs").at(name);
  for (const Json& spec : graph.at("inputs").list(1, 8))
    inputs_.push_back(make_input(bundle, spec, name));
  const Input& first = inputs_.front();
  has_mask_ = inputs_.size() == 1 && first.text && first.names.size() == 2 && !first.pad_to &&
              !first.text->pads_left();
  const std::string precision = bundle.body.at("default_precision").text(40);
  const std::string file = graph.at("variants").at(precision).at("file").text(255);
  if (file.find('/') != file.npos) graph.refuse("a graph in the bundle's own folder");
  const std::string bytes = bundle.verified(file);
  sha256 = bundle.listed(file).sha256;
  runner_ = std::make_unique<const Runner>(library, bytes, threads, (bundle.folder / file).string(),
                                           graph.at("output").text(200), dim);
}

std::optional<Encoder::Ready> Encoder::read(const Query& query, std::size_t number,
                                            Embedded& made) const {
  Ready ready{number, {}, nullptr};
  if (query.vector) {
    const Input& input = inputs_.front();
    if (query.vector->size() == input.vector_size) {
      ready.vector = &*query.vector;
      return ready;
    }
    made.error = "query " + query.id + " cannot be read: input '" + input.names[0] +
                 "' takes float vectors of " + std::to_string(input.vector_size) +
                 " numbers, this one has " + std::to_string(query.vector->size()) +
                 "; give vectors of the model's own kind";
    return {};
  }
  try {
    const std::u32string text = nfc(decoded(*query.text));
    if (std::all_of(text.begin(), text.end(), [](char32_t one) { return is(Kind::blank, one); })) {
      made.error = "query " + query.id + " has an empty text; give it words or leave it out";
      return {};
    }
    for (const Input& input : inputs_)
      ready.texts.push_back(input.text ? input.text->read(text) : input.characters->read(text));
  } catch (const Fault& fault) {
    made.error = "query " + query.id + " cannot be read: it " + fault.what();
    return {};
  }
  note(ready, made);
  if (std::all_of(ready.texts.begin(), ready.texts.end(),
                  [](const ReadText& one) { return one.blank; })) {
    std::vector<std::string> unknown = ready.texts[0].unknown;
    for (const ReadText& other : ready.texts) unknown = common(unknown, other.unknown);
    made.notes.clear();
    made.error = unread(query, unknown);
    return {};
  }
  return ready;
}

// Tells what the model could not look at.
void Encoder::note(const Ready& ready, Embedded& made) const {
  std::vector<std::string> unknown = ready.texts[0].unknown;
  bool cut = false;
  for (const ReadText& one : ready.texts) {
    unknown = common(unknown, one.unknown);
    cut = cut || one.cut;
  }
  if (cut)
    made.notes.push_back("truncated to " + std::to_string(inputs_[0].max_length) + " " +
                         inputs_[0].unit);
  if (!unknown.empty())
    made.notes.push_back(std::to_string(unknown.size()) + " unknown: " + listed(unknown));
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
  const auto count = std::int64_t(group.size());
  for (std::size_t at = 0; at < inputs_.size(); ++at) {
    const Input& input = inputs_[at];
    if (input.vector_size) {
      std::vector<float> rows;
      for (const Ready& one : group)
        rows.insert(rows.end(), one.vector->begin(), one.vector->end());
      made[input.names[0]] = {std::move(rows), {count, std::int64_t(input.vector_size)}};
      continue;
    }
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
    const std::vector<std::int64_t> shape{count, std::int64_t(length)};
    made[input.names[0]] = {std::move(ids), shape};
    if (input.names.size() > 1) made[input.names[1]] = {std::move(mask), shape};
  }
  return made;
}

Bundle::Bundle(const fs::path& folder, const std::string& onnxruntime, int threads) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored))
    damaged("there is no bundle " + folder.string() + "; run 'zscr export' or name another");
  manifest = read_manifest(fs::canonical(folder), "bundle", kSchema);
  name = manifest.folder.filename().string();
  reading(manifest, [&] {
    const Json& body = manifest.body;
    dim = std::size_t(body.at("dim").integer(1, 1 << 16));
    space = body.at("space").text(200);
    const bool reranks = body.has("reranking") && body.at("reranking").at("kept").flag();
    const std::string precision = body.at("default_precision").text(40);
    std::shared_ptr<const Onnxruntime> library;
    for (const auto& [graph, about] : body.at("graphs").object()) {
      if (!about.at("variants").object().count(precision))
        damaged(manifest.folder.string() + " has no graph '" + graph + "' in " + precision +
                "; make it again");
      if (about.at("role").text() != "query") continue;
      std::set<std::string> fields;
      for (const Json& spec : about.at("inputs").list(1, 8)) fields.insert(spec.at("field").text());
      const bool plain =
          fields == std::set<std::string>{"text"} || fields == std::set<std::string>{"vector"};
      if (!plain) {
        missing_[fields] = "queries of " + spoken(fields);
      } else if (reranks && about.has("tokens")) {
        missing_[fields] = "re-ranking, which '" + name + "' asks for";
      } else {
        if (!library) library = load_onnxruntime(onnxruntime);
        encoders_[fields] = std::make_unique<const Encoder>(manifest, graph, dim, library, threads);
      }
    }
    body.at("graphs").at("gallery");
  });
}

const Encoder& Bundle::route(const std::set<std::string>& fields) const {
  if (const auto found = encoders_.find(fields); found != encoders_.end()) return *found->second;
  std::string known;
  for (const auto& [taken, encoder] : encoders_)
    known += (known.empty() ? "" : " or ") + spoken(taken);
  if (const auto found = missing_.find(fields); found != missing_.end())
    throw Fault(ZSCR_MISSING,
                found->second + ", is not in this version of libzscr; use the Python runtime");
  if (fields.count("image") || fields.count("sketch"))
    throw Fault(ZSCR_MISSING, "queries of " + spoken(fields) +
                                  " are not in this version of libzscr; use the Python runtime");
  unusable("'" + name + "' answers queries of " +
           (known.empty() ? "nothing that libzscr can embed" : known) + ", not of " +
           (fields.empty() ? "nothing" : spoken(fields)));
}

}  // namespace zscr
