// The rows of an index: those of all its segments, one after the other, without what was ended.
#pragma once

#include "scores.hpp"
#include "segment.hpp"

namespace zscr {

class Stack {
 public:
  // Puts segments one after the other; each ends rows of those before it.
  explicit Stack(std::vector<std::shared_ptr<const Segment>> segments);

  std::size_t count() const { return starts_.back(); }
  std::size_t tail() const { return starts_[covered_]; }  // the first row that HNSW has not
  const std::vector<std::shared_ptr<const Segment>>& segments() const { return segments_; }

  const float* row(std::size_t row, float* scratch) const;
  std::string_view line(std::size_t row) const;
  std::int64_t row_of(std::int64_t label) const;  // -1 where it is no longer there

  // Returns the k best rows from `first` on, best first.
  std::vector<Scored> exact(const float* query, std::size_t dim, std::size_t k,
                            std::size_t first) const;
  // Scores rows as exact search does and returns the k best.
  std::vector<Scored> rank(const float* query, std::size_t dim, std::size_t k,
                           const std::vector<std::int64_t>& rows) const;

 private:
  std::vector<std::shared_ptr<const Segment>> segments_;
  std::vector<std::vector<std::int64_t>> ended_;  // places in each segment, ascending
  std::vector<std::size_t> starts_;               // the first row of each segment, and the count
  std::size_t covered_ = 0;

  std::pair<std::size_t, std::size_t> place(std::size_t row) const;  // segment, and where in it
};

}  // namespace zscr
