// One generation of an index, as its manifest names it; it never changes once it is read.
#pragma once

#include <mutex>
#include <optional>

#include "hnsw.hpp"

namespace zscr {

struct Entry {
  std::string id, sha256;
  std::optional<std::string> image, class_id;
};

using Roots = std::map<std::string, std::string>;  // name -> where it lies

// Reads a line of an index's entries; throws an ARTEFACT fault.
Entry read_entry(std::string_view line, const Roots& roots);

struct Found {
  std::vector<Scored> rows;  // best first
  std::string note;          // what was not as it should be, if anything
};

class Index {
 public:
  // Reads what is current in a folder; segments that `before` has are taken over. Throws a fault.
  static std::shared_ptr<const Index> read(const fs::path& folder, const Index* before = nullptr);
  explicit Index(Manifest manifest, const Index* before);

  // Returns the k best rows of a unit query; `ef` 0 takes what was measured.
  Found search(const float* query, std::size_t k, std::size_t ef, bool exact) const;
  Entry entry(std::size_t row) const { return read_entry(stack_->line(row), roots_); }
  void prove() const;  // all that no search has looked at yet

  const Manifest manifest;
  std::string space, bundle_name;
  std::size_t dim = 0;
  std::uint64_t generation = 0;
  std::map<std::string, std::vector<double>> calibrations;  // by graph: scores of unrelated queries

  std::size_t count() const { return stack_->count(); }
  // Returns a row (dim); `scratch` holds it where it is stored as float16.
  const float* row(std::size_t row, float* scratch) const { return stack_->row(row, scratch); }
  std::size_t ef() const { return ef_; }  // as measured; 0 where it was not
  bool has_hnsw() const { return !hnsw_name_.empty(); }

 private:
  std::unique_ptr<const Stack> stack_;
  Roots roots_;
  std::size_t ef_ = 0;
  std::string hnsw_name_;
  std::unique_ptr<Mapped> hnsw_file_;  // open, so that a later commit may delete it
  mutable std::once_flag hnsw_once_;
  mutable std::unique_ptr<const Hnsw> hnsw_;
  mutable std::string hnsw_fault_;

  void read_fields(const Index* before);
  void check_names(const std::vector<std::string>& numbers);
  const Hnsw* hnsw() const;
};

}  // namespace zscr
