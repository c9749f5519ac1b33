// A batch of queries of several fields as one vector a channel, before the gallery is looked at.
#pragma once

#include "bundle.hpp"
#include "composition_files.hpp"

namespace zscr {

// What became of the queries of a batch so far.
struct ComposedBatch {
  const std::vector<Query>& queries;
  std::vector<std::string> faults;              // why each cannot be answered; empty: it can
  std::vector<std::vector<std::string>> notes;  // what is to be told of each
  std::string ran;                              // what computed their rows

  explicit ComposedBatch(const std::vector<Query>& asked)
      : queries(asked), faults(asked.size()), notes(asked.size()) {}
  // Takes over what was told of the query at a place.
  void take(std::size_t place, const Embedded& read, const std::string& label = "");
};

// What some texts became, and how many of them are over the model's limit.
struct Phrases {
  std::vector<Numbers> rows;
  std::size_t cut = 0;
};

// Embeds fields by a bundle's graphs; what a text is among other words is kept.
class ChannelReader {
 public:
  ChannelReader(const Bundle& bundle, const CompositionFiles& files)
      : bundle_(bundle), files_(files) {}

  // Returns the rows of a channel; of queries with a fault they mean nothing.
  std::vector<Numbers> rows(ComposedBatch& batch, const Channel& channel) const;
  // Returns the rows of texts that a bundle's words are part of; throws an INPUT fault.
  Phrases phrases(const std::string& graph, const std::vector<std::string>& texts) const;

 private:
  struct Contextual {
    Numbers row;
    std::size_t cut;
  };
  const Bundle& bundle_;
  const CompositionFiles& files_;
  mutable std::mutex keeping_;
  mutable std::map<std::string, Contextual> kept_;

  Contextual among_words(const Channel& channel, const std::string& text) const;
  void subtract_replaced(ComposedBatch& batch, const Channel& channel,
                         std::vector<Numbers>& rows) const;
};

// Returns a text in a channel's template.
std::string shaped(const std::string& text, const Channel& channel);
// Notes how many of the texts that one query's text became are over the model's limit.
void tell_cut(ComposedBatch& batch, std::size_t place, std::size_t cut);

}  // namespace zscr
