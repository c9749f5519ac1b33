// Queries of several fields, answered over an index by a bundle's compositions of channels.
#pragma once

#include "answer.hpp"
#include "scoring.hpp"

namespace zscr {

// What was found for one query.
struct Composed {
  std::vector<Scored> rows;  // best first
  std::vector<std::string> notes;
  std::string ran, error;
};

class Composer {
 public:
  explicit Composer(const Bundle& bundle)
      : bundle_(bundle), files_(bundle.manifest, bundle.dim), reader_(bundle, files_) {}

  // Finds the images of each of a batch of queries that fill the composition's fields.
  std::vector<Composed> answer(const std::shared_ptr<const Index>& index,
                               const std::vector<Query>& queries, const Composition& composition,
                               const Wanted& wanted) const;
  // Returns the unit row of one query; throws an INPUT fault where scores are fused.
  std::vector<float> embed(const Query& query, const Composition& composition) const;

 private:
  const Bundle& bundle_;
  const CompositionFiles files_;
  const ChannelReader reader_;
  mutable std::mutex measuring_;
  mutable std::shared_ptr<const Statistics> measured_;

  std::shared_ptr<const Statistics> statistics(const std::shared_ptr<const Index>& index) const;
  std::optional<std::vector<float>> summed(ComposedBatch& batch, std::size_t place,
                                           std::vector<Numbers> rows, const Fusion& fusion) const;
  Numbers in_words(ComposedBatch& batch, std::size_t place, const Numbers& image,
                   const Composition& composition, const Index& index) const;
};

}  // namespace zscr
