#include "channels.hpp"

#include <algorithm>

#include "unicode.hpp"

namespace zscr {
namespace {

constexpr std::size_t kBatch = 32;    // phrases that are embedded at once
constexpr std::size_t kTexts = 4096;  // whose phrases' means are kept: 200 are embedded for each

// Returns a query of a channel's field alone.
Query of_field(const Query& query, const Channel& channel) {
  Query made;
  made.id = query.id;
  if (channel.field == "image") made.image = query.image;
  if (channel.field == "sketch") made.sketch = query.sketch;
  if (channel.field == "text") made.text = shaped(*query.text, channel);
  return made;
}

}  // namespace

std::string shaped(const std::string& text, const Channel& channel) {
  std::string made = channel.pattern;
  for (std::size_t at = made.find("{}"); at != made.npos; at = made.find("{}", at + text.size()))
    made.replace(at, 2, text);
  return made;
}

void tell_cut(ComposedBatch& batch, std::size_t place, std::size_t cut) {
  if (cut)
    batch.notes[place].push_back("truncated in " + std::to_string(cut) +
                                 " of the phrases of the text and a word");
}

void ComposedBatch::take(std::size_t place, const Embedded& read, const std::string& label) {
  if (faults[place].empty()) faults[place] = read.error;
  for (const std::string& note : read.notes) notes[place].push_back(label + note);
}

std::vector<Numbers> ChannelReader::rows(ComposedBatch& batch, const Channel& channel) const {
  std::vector<Query> asked;
  for (const Query& one : batch.queries) asked.push_back(of_field(one, channel));
  const Encoder& encoder = bundle_.graph(channel.graph);
  batch.ran = encoder.ran();
  std::vector<Numbers> made;
  for (const Embedded& one : encoder.embed(asked)) {
    batch.take(made.size(), one);
    made.push_back(one.row.empty() ? Numbers(bundle_.dim) : wide(one.row));
  }
  for (std::size_t n = 0; n < asked.size() && !channel.context.empty(); ++n) {
    if (!batch.faults[n].empty()) continue;
    try {
      auto [row, cut] = among_words(channel, *asked[n].text);
      made[n] = std::move(row);
      tell_cut(batch, n, cut);
    } catch (const Fault& fault) {
      if (fault.code != ZSCR_INPUT) throw;
      batch.faults[n] = "query " + asked[n].id + " cannot be answered: " + fault.what();
    }
  }
  if (channel.replaces) subtract_replaced(batch, channel, made);
  return made;
}

// Subtracts what the texts replace: said by the query, or stored.
void ChannelReader::subtract_replaced(ComposedBatch& batch, const Channel& channel,
                                      std::vector<Numbers>& rows) const {
  const Numbers stored =
      channel.instead.empty() ? Numbers(bundle_.dim) : files_.row(channel.instead);
  std::vector<Query> asked;
  std::vector<std::size_t> places;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    if (!batch.queries[n].instead_of) {
      add(rows[n], -1, stored);
      continue;
    }
    places.push_back(n);
    Query& one = asked.emplace_back();
    one.id = batch.queries[n].id + " (instead_of)";
    one.text = shaped(*batch.queries[n].instead_of, channel);
  }
  if (asked.empty()) return;
  const auto read = bundle_.graph(channel.graph).embed(asked);
  for (std::size_t n = 0; n < read.size(); ++n) {
    batch.take(places[n], read[n], "instead_of: ");
    if (!read[n].row.empty()) add(rows[places[n]], -1, wide(read[n].row));
  }
}

Phrases ChannelReader::phrases(const std::string& graph,
                               const std::vector<std::string>& texts) const {
  const Encoder& encoder = bundle_.graph(graph);
  Phrases made;
  for (std::size_t start = 0; start < texts.size(); start += kBatch) {
    std::vector<Query> asked;
    for (std::size_t n = start; n < std::min(texts.size(), start + kBatch); ++n) {
      asked.emplace_back().id = std::to_string(n + 1);
      asked.back().text = texts[n];
    }
    for (const Embedded& one : encoder.embed(asked)) {
      if (!one.error.empty())
        unusable("the model reads nothing of '" +
                 encoded(decoded(texts[made.rows.size()]).substr(0, 80)) + "'; say it anew");
      made.rows.push_back(wide(one.row));
      made.cut += one.cut;
    }
  }
  return made;
}

// Returns the unit mean of a text's phrases with a file's words, in front and behind.
ChannelReader::Contextual ChannelReader::among_words(const Channel& channel,
                                                     const std::string& text) const {
  const std::string key = channel.graph + '\n' + channel.context + '\n' + text;
  {
    const std::lock_guard<std::mutex> held(keeping_);
    if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
  }
  const auto& words = files_.words(channel.context);
  std::vector<std::string> texts;
  for (const std::string& word : words) texts.push_back(word + " " + text);
  for (const std::string& word : words) texts.push_back(text + " " + word);
  const Phrases found = phrases(channel.graph, texts);
  Numbers mean(bundle_.dim);
  for (const Numbers& row : found.rows) add(mean, 1, row);
  for (double& one : mean) one /= double(found.rows.size());
  const Contextual made{unit(mean), found.cut};
  const std::lock_guard<std::mutex> held(keeping_);
  if (kept_.size() >= kTexts) kept_.clear();
  kept_[key] = made;
  return made;
}

}  // namespace zscr
