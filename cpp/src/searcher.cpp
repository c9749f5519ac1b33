#include "searcher.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace zscr {
namespace {

constexpr std::size_t kBatch = 32;
constexpr double kTolerance = 1e-3;  // what an fp16 or int8 graph may be off by
constexpr double kAgain = 5;         // seconds until an index that cannot be used is read again
constexpr double kLevel = 0.5;       // see docs/formats.md, calibration

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<std::int64_t> stamp_of(const fs::path& folder) {
  struct stat found {};
  if (stat((folder / "manifest.json").c_str(), &found)) return {};
  return {std::int64_t(found.st_ino), found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_size};
}

fs::path index_of(const Bundle& bundle, const std::optional<fs::path>& named) {
  const fs::path folder = named ? *named : fs::path(bundle.manifest.folder.string() + ".index");
  std::error_code ignored;
  if (!fs::exists(folder, ignored))
    damaged("there is no index " + folder.string() + "; make it with 'zscr index add'");
  return folder;
}

void require(const Index& index, const Wanted& wanted) {
  if (wanted.ef && (wanted.exact || !index.has_hnsw()))
    unusable("ef " + std::to_string(wanted.ef) + " means nothing to exact search; leave it out");
}

void require_unit(const float* row, std::size_t dim, std::size_t number) {
  double squared = 0;
  for (std::size_t n = 0; n < dim; ++n) squared += double(row[n]) * double(row[n]);
  if (!(std::abs(std::sqrt(squared) - 1) <= kTolerance))
    unusable("row " + std::to_string(number) + " is no unit vector, its norm is " +
             std::to_string(std::sqrt(squared)) + "; normalise it");
}

}  // namespace

Searcher::Searcher(const fs::path& bundle, const std::optional<fs::path>& index,
                   const Runtime& runtime, bool follows)
    : bundle_(bundle, runtime),
      folder_(index_of(bundle_, index)),
      follows_(follows),
      stamp_(stamp_of(folder_)) {
  index_ = opened(nullptr);
}

std::shared_ptr<const Index> Searcher::opened(const Index* before) const {
  auto made = Index::read(folder_, before);
  if (made->space != bundle_.space || made->dim != bundle_.dim)
    throw Fault(ZSCR_MISMATCH, folder_.string() + " was made by the bundle " + made->bundle_name +
                                   " in the space " + made->space + ", not in " + bundle_.space +
                                   "; use a bundle of its space or index the images again");
  return made;
}

// Reads the index again if it has changed on the disk; returns what is current, and a note where
// that cannot be used.
std::pair<std::shared_ptr<const Index>, std::string> Searcher::follow() {
  if (!follows_) return {now(), ""};
  const std::lock_guard<std::mutex> held(following_);
  const Stamp stamp = stamp_of(folder_);
  if (stamp == stamp_ && (fault_.empty() || seconds() < retry_)) return {now(), fault_};
  stamp_ = stamp;
  fault_.clear();
  try {
    auto next = opened(now().get());
    next->prove();  // while there is another to go on with
    std::atomic_store(&index_, std::move(next));
  } catch (const Fault& fault) {
    retry_ = seconds() + kAgain;
    fault_ = "answered from generation " + std::to_string(now()->generation) + ": " + fault.what();
  }
  return {now(), fault_};
}

Answer Searcher::answer(const Index& index, const float* row, const Wanted& wanted,
                        const std::string& graph) const {
  Answer made;
  Found found = index.search(row, wanted.k, wanted.ef, wanted.exact);
  if (!found.note.empty()) made.notes.push_back(found.note);
  const auto known = index.calibrations.find(graph);
  for (const Scored& one : found.rows) {
    double above = -1;
    if (known != index.calibrations.end()) {
      const auto& scores = known->second;
      const auto lower = std::lower_bound(scores.begin(), scores.end(), one.score) - scores.begin();
      above = double(lower) / double(scores.size());
    }
    made.hits.push_back(
        {int(made.hits.size()) + 1, one.score, above, index.entry(std::size_t(one.row))});
  }
  made.nothing = !made.hits.empty() && made.hits[0].above_unrelated >= 0 &&
                 made.hits[0].above_unrelated <= kLevel;
  return made;
}

std::vector<Answer> Searcher::search(const std::vector<Query>& queries, const Wanted& wanted) {
  for (const Query& query : queries) bundle_.route(query.fields());  // before any is answered
  std::vector<Answer> answers;
  for (std::size_t start = 0; start < queries.size();) {
    std::size_t stop = start + 1;
    const auto fields = queries[start].fields();
    while (stop < queries.size() && stop - start < kBatch && queries[stop].fields() == fields)
      ++stop;
    const Encoder& encoder = bundle_.route(fields);
    const auto [index, note] = follow();
    require(*index, wanted);
    const auto batch = encoder.embed(
        {queries.begin() + std::ptrdiff_t(start), queries.begin() + std::ptrdiff_t(stop)});
    for (const Embedded& one : batch) {
      Answer made;
      if (one.error.empty()) {
        require_unit(one.row.data(), dim(), answers.size());
        made = answer(*index, one.row.data(), wanted, encoder.key);
        made.notes.insert(made.notes.begin(), one.notes.begin(), one.notes.end());
        if (!note.empty()) made.notes.push_back(note);
        made.ran = encoder.ran();
      }
      made.error = one.error;
      answers.push_back(std::move(made));
    }
    start = stop;
  }
  return answers;
}

std::vector<Answer> Searcher::search_vectors(const float* rows, std::size_t count,
                                             const Wanted& wanted) {
  const auto [index, note] = follow();
  require(*index, wanted);
  for (std::size_t n = 0; n < count; ++n) require_unit(rows + n * dim(), dim(), n);
  std::vector<Answer> answers;
  for (std::size_t n = 0; n < count; ++n) {
    answers.push_back(answer(*index, rows + n * dim(), wanted, ""));
    if (!note.empty()) answers.back().notes.push_back(note);
  }
  return answers;
}

std::vector<float> Searcher::embed(const Query& query) const {
  const auto made = bundle_.route(query.fields()).embed({query});
  if (!made[0].error.empty()) unusable(made[0].error);
  return made[0].row;
}

}  // namespace zscr
