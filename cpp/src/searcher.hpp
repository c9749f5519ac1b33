// A bundle and an index together: queries in, images out, from any number of threads.
#pragma once

#include <mutex>

#include "bundle.hpp"
#include "index.hpp"

namespace zscr {

struct Hit {
  int rank;
  double score, above_unrelated;  // -1 where it is not calibrated
  Entry entry;
};

struct Answer {
  std::vector<Hit> hits;
  std::vector<std::string> notes;
  std::string ran, error;
  bool nothing = false;
};

struct Wanted {
  std::size_t k = 10, ef = 0;
  bool exact = false;
};

class Searcher {
 public:
  Searcher(const fs::path& bundle, const std::optional<fs::path>& index, const Runtime& runtime,
           bool follows);

  std::vector<Answer> search(const std::vector<Query>& queries, const Wanted& wanted);
  // Searches with unit rows (count, dim).
  std::vector<Answer> search_vectors(const float* rows, std::size_t count, const Wanted& wanted);
  std::vector<float> embed(const Query& query) const;

  std::size_t dim() const { return bundle_.dim; }
  std::shared_ptr<const Index> now() const { return std::atomic_load(&index_); }

 private:
  using Stamp = std::vector<std::int64_t>;  // what the manifest's file is known by

  const Bundle bundle_;
  const fs::path folder_;  // of the index
  const bool follows_;
  std::shared_ptr<const Index> index_;
  std::mutex following_;
  Stamp stamp_;
  std::string fault_;
  double retry_ = 0;

  std::shared_ptr<const Index> opened(const Index* before) const;
  std::pair<std::shared_ptr<const Index>, std::string> follow();
  Answer answer(const Index& index, const float* row, const Wanted& wanted,
                const std::string& graph) const;
};

}  // namespace zscr
