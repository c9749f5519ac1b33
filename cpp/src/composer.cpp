#include "composer.hpp"

#include <algorithm>
#include <cmath>

namespace zscr {
namespace {

constexpr double kLeast = 1e-4;  // of a sum: graphs agree with their models to 2e-5

}  // namespace

std::vector<Composed> Composer::answer(const std::shared_ptr<const Index>& index,
                                       const std::vector<Query>& queries,
                                       const Composition& composition, const Wanted& wanted) const {
  ComposedBatch batch(queries);
  std::vector<std::vector<Numbers>> rows(queries.size());
  for (const Channel& one : composition.channels) {
    std::vector<Numbers> own = reader_.rows(batch, one);
    for (std::size_t n = 0; n < own.size(); ++n) rows[n].push_back(std::move(own[n]));
  }
  const auto figures = statistics(index);
  std::optional<Scoring> scoring;
  if (!composition.vocabulary && !composition.fusion.is_linear())
    scoring.emplace(composition, files_, *index, *figures);
  std::vector<Composed> made(queries.size());
  for (std::size_t n = 0; n < queries.size(); ++n) {
    std::string note;
    if (batch.faults[n].empty() && scoring) {
      made[n].rows = scoring->best(scoring->channels(batch, n, rows[n]), wanted.k);
    } else if (batch.faults[n].empty()) {
      if (composition.vocabulary) rows[n] = {in_words(batch, n, rows[n][0], composition, *index)};
      const Fusion fusion = composition.vocabulary ? Fusion() : composition.fusion;
      if (const auto row = summed(batch, n, std::move(rows[n]), fusion)) {
        Found found = index->search(row->data(), wanted.k, wanted.ef, wanted.exact);
        made[n].rows = std::move(found.rows);
        note = found.note;
      }
    }
    made[n].error = batch.faults[n];
    made[n].notes = std::move(batch.notes[n]);
    if (!note.empty()) made[n].notes.push_back(note);
    made[n].ran = batch.ran;
  }
  return made;
}

std::vector<float> Composer::embed(const Query& query, const Composition& composition) const {
  if (composition.vocabulary || !composition.fusion.is_linear())
    unusable("'" + composition.name + "' makes no vector of a query alone; compose by average");
  const std::vector<Query> queries{query};
  ComposedBatch batch(queries);
  std::vector<Numbers> rows;
  for (const Channel& one : composition.channels) rows.push_back(reader_.rows(batch, one)[0]);
  std::optional<std::vector<float>> made;
  if (batch.faults[0].empty()) made = summed(batch, 0, std::move(rows), composition.fusion);
  if (!made) unusable(batch.faults[0]);
  return *made;
}

// Returns the figures of an index's current state, measured once.
std::shared_ptr<const Statistics> Composer::statistics(
    const std::shared_ptr<const Index>& index) const {
  const std::lock_guard<std::mutex> held(measuring_);
  if (!measured_ || !measured_->is_of(index)) measured_ = std::make_shared<const Statistics>(index);
  return measured_;
}

// Returns the unit row whose cosines are the fused scores of the channels' rows; nothing where they
// cancel each other out, which is the query's fault then.
std::optional<std::vector<float>> Composer::summed(ComposedBatch& batch, std::size_t place,
                                                   std::vector<Numbers> rows,
                                                   const Fusion& fusion) const {
  if (!batch.faults[place].empty()) return {};
  if (fusion.kind == "slerp") std::transform(rows.begin(), rows.end(), rows.begin(), unit);
  const Numbers weights = weights_of(fusion, rows.size(), product(rows.front(), rows.back()));
  Numbers sum(bundle_.dim);
  for (std::size_t n = 0; n < rows.size(); ++n) add(sum, weights[n], rows[n]);
  if (norm(sum) >= kLeast) return narrow(unit(sum));
  batch.faults[place] = "the parts of query " + batch.queries[place].id +
                        " cancel each other out, so that nothing is asked for; change one or "
                        "compose it otherwise";
  return {};
}

}  // namespace zscr
