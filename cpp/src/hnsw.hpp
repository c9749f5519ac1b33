// HNSW (Malkov & Yashunin, arXiv:1603.09320) over what hnswlib has written, proved before any use.
//
// hnswlib itself is not used: it believes its file, copies it, and keeps ef where threads share it.
// The search below takes the same steps as hnswlib's searchKnn, so it finds the same.
#pragma once

#include <memory>

#include "pages.hpp"
#include "stack.hpp"

namespace zscr {

class Hnsw {
 public:
  // Takes the bytes of a file whose hash was proved. Throws a JsonFault where hnswlib would not
  // have written them of these rows: then nothing can be searched with them.
  Hnsw(std::unique_ptr<const Pages> content, std::size_t dim, const Stack& stack);

  // Returns the rows of the k nearest, in no order; fewer where it reaches fewer.
  std::vector<std::int64_t> nearest(const float* query, std::size_t k, std::size_t ef) const;
  std::size_t count() const { return found_; }  // how many it can find

 private:
  std::unique_ptr<const Pages> content_;
  std::size_t dim_, node_size_, nodes_ = 0, found_ = 0;
  std::uint32_t entry_ = 0;
  std::vector<std::int64_t> rows_;     // of each node; -1 where it is no longer there
  std::vector<std::uint32_t> upper_;   // lists above level 0: count, links, one after the other
  std::vector<std::size_t> upper_at_;  // of each node
  std::vector<std::uint32_t> levels_;

  struct Links {
    std::uint32_t count;
    const char* ids;  // of 4 bytes each
  };
  Links links(std::uint32_t node, std::uint32_t level) const;
  const float* vector(std::uint32_t node) const;
  float distance(std::uint32_t node, const float* query) const;
  std::uint32_t descend(const float* query) const;
  void read_header();
  void read_upper(std::size_t at);
  void read_nodes(const Stack& stack);
  void check_links(std::uint32_t node, std::uint32_t level) const;
};

}  // namespace zscr
