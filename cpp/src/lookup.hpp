// From queries of one kind to the images of an index, by a graph or a composition.
#pragma once

#include "choice.hpp"
#include "composer.hpp"

namespace zscr {

class Lookup {
 public:
  explicit Lookup(const Bundle& bundle) : bundle_(bundle), composer_(bundle) {}

  // Returns the answer to each of some queries that are alike.
  std::vector<Answer> found(const std::vector<Query>& queries,
                            const std::shared_ptr<const Index>& index, const Wanted& wanted) const;
  // Returns what a unit row finds, calibrated by what unrelated queries of a graph find.
  Answer nearest(const Index& index, const float* row, const Wanted& wanted,
                 const std::string& graph = "") const;
  std::vector<float> embed(const Query& query) const;

 private:
  const Bundle& bundle_;
  const Composer composer_;

  std::vector<Answer> embedded(const Encoder& encoder, const std::vector<Query>& queries,
                               const Index& index, const Wanted& wanted,
                               const std::string& graph) const;
  std::vector<Answer> composed(const Composition& composition, const std::vector<Query>& queries,
                               const std::shared_ptr<const Index>& index,
                               const Wanted& wanted) const;
};

// Returns whether two queries are answered together.
bool alike(const Query& first, const Query& second);
void require_unit(const float* row, std::size_t dim, std::size_t number);
// Leaves out an answer's images that score less, and tells how many.
void leave_out(Answer& answer, double min_score);

}  // namespace zscr
