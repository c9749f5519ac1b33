#include "lookup.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace zscr {
namespace {

constexpr double kTolerance = 1e-3;  // what an fp16 or int8 graph may be off by
constexpr double kLevel = 0.5;       // see docs/formats.md, calibration

std::vector<Hit> hits_of(const Index& index, const std::vector<Scored>& rows) {
  std::vector<Hit> made;
  for (const Scored& one : rows)
    made.push_back({int(made.size()) + 1, one.score, -1, index.entry(std::size_t(one.row))});
  return made;
}

std::string refused(const Query& query, const Fault& fault) {
  return "query " + query.id + " cannot be answered: " + fault.what();
}

Answer refusal(std::string error) {
  Answer made;
  made.error = std::move(error);
  return made;
}

}  // namespace

bool alike(const Query& first, const Query& second) {
  return first.fields() == second.fields() && first.compose == second.compose &&
         first.instead_of.has_value() == second.instead_of.has_value() &&
         has_place(first) == has_place(second);
}

void require_unit(const float* row, std::size_t dim, std::size_t number) {
  double squared = 0;
  for (std::size_t n = 0; n < dim; ++n) squared += double(row[n]) * double(row[n]);
  if (!(std::abs(std::sqrt(squared) - 1) <= kTolerance))
    unusable("row " + std::to_string(number) + " is no unit vector, its norm is " +
             std::to_string(std::sqrt(squared)) + "; normalise it");
}

void leave_out(Answer& answer, double min_score) {
  const std::size_t all = answer.hits.size();
  const auto end = std::remove_if(answer.hits.begin(), answer.hits.end(),
                                  [&](const Hit& hit) { return hit.score < min_score; });
  answer.hits.erase(end, answer.hits.end());
  if (answer.hits.size() == all) return;
  char least[40];
  std::snprintf(least, sizeof least, "%g", min_score);
  answer.notes.push_back(std::to_string(all - answer.hits.size()) + " of " + std::to_string(all) +
                         " score under " + least + ": left out");
}

Answer Lookup::nearest(const Index& index, const float* row, const Wanted& wanted,
                       const std::string& graph) const {
  Answer made;
  const Found found = index.search(row, wanted.k, wanted.ef, wanted.exact);
  if (!found.note.empty()) made.notes.push_back(found.note);
  made.hits = hits_of(index, found.rows);
  const auto known = index.calibrations.find(graph);
  if (known == index.calibrations.end()) return made;
  const auto& scores = known->second;
  for (Hit& hit : made.hits) {
    const auto lower = std::lower_bound(scores.begin(), scores.end(), hit.score) - scores.begin();
    hit.above_unrelated = double(lower) / double(scores.size());
  }
  made.nothing = !made.hits.empty() && made.hits[0].above_unrelated <= kLevel;
  return made;
}

std::vector<Answer> Lookup::found(const std::vector<Query>& queries,
                                  const std::shared_ptr<const Index>& index,
                                  const Wanted& wanted) const {
  std::vector<Answer> made;
  const Composition* composition = nullptr;
  try {
    composition = choose(bundle_, queries.front());
  } catch (const Fault& fault) {
    if (fault.code != ZSCR_INPUT) throw;
    for (const Query& query : queries) made.push_back(refusal(refused(query, fault)));
    return made;
  }
  if (composition) return composed(*composition, queries, index, wanted);
  const Encoder& encoder = bundle_.route(queries.front().fields());
  return embedded(encoder, queries, *index, wanted, encoder.key);
}

std::vector<Answer> Lookup::embedded(const Encoder& encoder, const std::vector<Query>& queries,
                                     const Index& index, const Wanted& wanted,
                                     const std::string& graph) const {
  std::vector<Answer> made;
  for (const Embedded& one : encoder.embed(queries)) {
    if (!one.error.empty()) {
      made.push_back(refusal(one.error));
      continue;
    }
    require_unit(one.row.data(), bundle_.dim, made.size());
    Answer& answer = made.emplace_back(nearest(index, one.row.data(), wanted, graph));
    answer.notes.insert(answer.notes.begin(), one.notes.begin(), one.notes.end());
    answer.ran = encoder.ran();
  }
  return made;
}

std::vector<Answer> Lookup::composed(const Composition& composition,
                                     const std::vector<Query>& queries,
                                     const std::shared_ptr<const Index>& index,
                                     const Wanted& wanted) const {
  std::vector<Answer> made(queries.size());
  std::vector<Query> sound;
  std::vector<std::size_t> places;
  for (std::size_t n = 0; n < queries.size(); ++n) {
    made[n].error = text_fault(bundle_, composition, queries[n]);
    if (!made[n].error.empty()) continue;
    sound.push_back(queries[n]);
    places.push_back(n);
  }
  std::vector<Answer> found;
  if (!composition.graph.empty()) {
    found = embedded(bundle_.graph(composition.graph), sound, *index, wanted, "");
  } else {
    for (Composed& one : composer_.answer(index, sound, composition, wanted)) {
      Answer& answer = found.emplace_back();
      answer.error = std::move(one.error);
      if (!answer.error.empty()) continue;
      answer.hits = hits_of(*index, one.rows);
      answer.notes = std::move(one.notes);
      answer.ran = std::move(one.ran);
      if (!composition.fusion.is_linear())
        answer.notes.insert(answer.notes.begin(), "scores are fused of two, no cosines");
    }
  }
  for (std::size_t n = 0; n < found.size(); ++n) {
    made[places[n]] = std::move(found[n]);
    if (made[places[n]].error.empty()) made[places[n]].composition = composition.name;
  }
  return made;
}

std::vector<float> Lookup::embed(const Query& query) const {
  bundle_.require(query.fields());
  const Composition* const composition = choose(bundle_, query);
  if (composition) {
    const std::string fault = text_fault(bundle_, *composition, query);
    if (!fault.empty()) unusable(fault);
    if (composition->graph.empty()) return composer_.embed(query, *composition);
  }
  const Encoder& encoder =
      composition ? bundle_.graph(composition->graph) : bundle_.route(query.fields());
  auto made = encoder.embed({query});
  if (!made[0].error.empty()) unusable(made[0].error);
  return made[0].row;
}

}  // namespace zscr
