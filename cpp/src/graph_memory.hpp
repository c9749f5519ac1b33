// The memory that onnxruntime keeps weights and computes in.
//
// A query reads all weights once, and where they lie in pages of 4 KiB, looking these up takes a
// tenth of its time (measured). Freed blocks are kept for the next query, as onnxruntime's own
// arena does.
#pragma once

#include <onnxruntime_c_api.h>

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "pages.hpp"

namespace zscr {

class GraphMemory : public OrtAllocator {
 public:
  explicit GraphMemory(const OrtMemoryInfo* info);
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;

  // Gives back what is free, as when a graph has been loaded or is gone.
  void trim();

 private:
  struct Area;
  struct Slab {
    Pages pages;
    Area* area;
    std::size_t used = 0, live = 0;  // bytes, and blocks that are not free
  };
  struct Head {  // stands before each block
    Slab* slab;
    std::size_t size;  // of the block with its head
  };
  struct Area {
    std::vector<std::unique_ptr<Slab>> slabs;  // the last is filled
    std::map<std::size_t, std::vector<Head*>> free;
  };
  const OrtMemoryInfo* info_;
  std::mutex lock_;
  Area weights_, rest_;  // what a graph is loaded to, and what it is loaded with and computes in

  void* allocate(Area& area, std::size_t size) noexcept;  // null where there is no memory
  static Head* taken(Area& area, std::size_t size);
  void free(void* block) noexcept;
};

}  // namespace zscr
