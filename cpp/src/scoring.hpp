// Channels whose scores are fused: centred, projected, expanded, normalised as their data say.
#pragma once

#include "channels.hpp"
#include "fusion.hpp"
#include "statistics.hpp"

namespace zscr {

// Makes a composition's channels over one generation of an index.
class Scoring {
 public:
  Scoring(const Composition& composition, const CompositionFiles& files, const Index& index,
          const Statistics& statistics);

  // Returns the channels of one query of a batch, by the rows of its fields.
  std::vector<Affine> channels(ComposedBatch& batch, std::size_t place,
                               const std::vector<Numbers>& rows) const;
  // Returns the k best images by these, of all, in the order of their fused scores.
  std::vector<Scored> best(const std::vector<Affine>& channels, std::size_t k) const;

 private:
  const Composition& composition_;
  const CompositionFiles& files_;
  const Index& index_;
  const Statistics& statistics_;
  Numbers mean_;  // of the gallery, where a channel is centred

  Numbers mean_of(const Channel& channel) const;
  Affine channel(const Channel& channel, const Numbers& row) const;
  Numbers expanded(ComposedBatch& batch, std::size_t place, const Channel& channel,
                   const Numbers& row, const Affine& made) const;
  void normalise(std::vector<Affine>& made) const;
  double least(const Channel& channel) const;
  Moments moments(const Affine& channel, const std::vector<double>& products) const;
};

// Returns the n images with the highest products with a unit vector, best first: exactly, of large
// indexes by HNSW.
std::vector<Scored> neighbours(const Index& index, const std::vector<float>& direction,
                               std::size_t n);

}  // namespace zscr
