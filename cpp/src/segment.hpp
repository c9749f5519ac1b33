// What one commit added to an index: rows that never change, proved when they are first used.
#pragma once

#include <memory>

#include "manifest.hpp"

namespace zscr {

class Segment {
 public:
  // Opens `segment.N.safetensors` of an index. Throws a fault or a JsonFault.
  Segment(const Manifest& index, const Json& about, std::size_t dim, bool half);

  const std::int64_t number;
  const bool in_hnsw;
  std::size_t count() const { return labels_.size(); }
  const std::vector<std::int64_t>& labels() const { return labels_; }
  const std::vector<std::int64_t>& removed() const { return removed_; }

  // Returns where the row of a label lies, or -1.
  std::int64_t find(std::int64_t label) const;
  // Returns a row (dim) as float32; `scratch` holds it where it is stored as float16.
  const float* row(std::size_t place, float* scratch) const;
  // Returns the JSON of a row's entry.
  std::string_view line(std::size_t place) const;
  void prove_all() const;
  std::string sha256;  // of its file

 private:
  std::size_t dim_;
  bool half_;
  std::unique_ptr<BlockFile> file_;
  std::size_t vectors_at_ = 0, lines_at_ = 0, lines_size_ = 0, step_ = 1;
  std::vector<std::int64_t> labels_, starts_, removed_;
  std::vector<std::pair<std::int64_t, std::int64_t>> by_label_;  // where labels do not just follow
  std::unique_ptr<std::atomic<bool>[]> sound_;

  struct Tensor {
    std::string dtype;
    std::vector<std::size_t> shape;
    std::size_t at, size;
  };
  Tensor tensor(const Json& header, std::size_t base, const std::string& name) const;
  std::vector<std::int64_t> numbers(const Json& header, std::size_t base, const char* name) const;
  void check(const std::vector<std::int64_t>& order, const std::vector<std::int64_t>& keys);
  void prove(std::size_t chunk) const;
};

}  // namespace zscr
