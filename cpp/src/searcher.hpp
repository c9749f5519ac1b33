// A bundle and an index together: queries in, images out, from any number of threads.
#pragma once

#include "lookup.hpp"

namespace zscr {

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
  const Lookup lookup_{bundle_};
  const fs::path folder_;  // of the index
  const bool follows_;
  std::shared_ptr<const Index> index_;
  std::mutex following_;
  Stamp stamp_;
  std::string fault_;
  double retry_ = 0;

  std::shared_ptr<const Index> opened(const Index* before) const;
  std::pair<std::shared_ptr<const Index>, std::string> follow();
};

}  // namespace zscr
