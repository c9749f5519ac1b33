#include "searcher.hpp"

#include <sys/stat.h>

#include <chrono>

namespace zscr {
namespace {

constexpr std::size_t kBatch = 32;
constexpr double kAgain = 5;  // seconds until an index that cannot be used is read again

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

std::vector<Answer> Searcher::search(const std::vector<Query>& queries, const Wanted& wanted) {
  for (const Query& query : queries) bundle_.require(query.fields());  // before any is answered
  std::vector<Answer> answers;
  for (std::size_t start = 0; start < queries.size();) {
    std::size_t stop = start + 1;
    while (stop < queries.size() && stop - start < kBatch && alike(queries[start], queries[stop]))
      ++stop;
    const auto [index, note] = follow();
    require(*index, wanted);
    for (Answer& one : lookup_.found(
             {queries.begin() + std::ptrdiff_t(start), queries.begin() + std::ptrdiff_t(stop)},
             index, wanted)) {
      if (!note.empty() && one.error.empty()) one.notes.push_back(note);
      answers.push_back(std::move(one));
    }
    start = stop;
  }
  for (Answer& one : answers) leave_out(one, wanted.min_score);
  return answers;
}

std::vector<Answer> Searcher::search_vectors(const float* rows, std::size_t count,
                                             const Wanted& wanted) {
  const auto [index, note] = follow();
  require(*index, wanted);
  for (std::size_t n = 0; n < count; ++n) require_unit(rows + n * dim(), dim(), n);
  std::vector<Answer> answers;
  for (std::size_t n = 0; n < count; ++n) {
    answers.push_back(lookup_.nearest(*index, rows + n * dim(), wanted));
    if (!note.empty()) answers.back().notes.push_back(note);
    leave_out(answers.back(), wanted.min_score);
  }
  return answers;
}

std::vector<float> Searcher::embed(const Query& query) const { return lookup_.embed(query); }

}  // namespace zscr
