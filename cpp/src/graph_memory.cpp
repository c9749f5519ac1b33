#include "graph_memory.hpp"

#include <algorithm>
#include <cstdint>
#include <new>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace zscr {
namespace {

constexpr std::size_t kLine = 64;         // what blocks are aligned to, and what a head takes
constexpr std::size_t kSlab = 32U << 20;  // bytes that are asked of the kernel at once, at least

// Rounds up to an eighth of a power of two, so that sizes of similar batches are the same.
std::size_t rounded(std::size_t size) {
  std::size_t step = kLine;
  while (step * 16 <= size) step *= 2;
  return (size + step - 1) / step * step;
}

GraphMemory& memory_of(const OrtAllocator* one) {
  return *const_cast<GraphMemory*>(static_cast<const GraphMemory*>(one));
}

}  // namespace

GraphMemory::GraphMemory(const OrtMemoryInfo* info) : OrtAllocator{}, info_(info) {
  version = ORT_API_VERSION;
  Alloc = [](OrtAllocator* one, std::size_t size) {
    return memory_of(one).allocate(memory_of(one).rest_, size);
  };
  Reserve = [](OrtAllocator* one, std::size_t size) {
    return memory_of(one).allocate(memory_of(one).weights_, size);
  };
  Free = [](OrtAllocator* one, void* block) { memory_of(one).free(block); };
  Info = [](const OrtAllocator* one) { return memory_of(one).info_; };
}

void* GraphMemory::allocate(Area& area, std::size_t size) noexcept try {
  if (size > SIZE_MAX / 2) return nullptr;
  const std::lock_guard<std::mutex> held(lock_);
  Head* const head = taken(area, rounded(size + kLine));
  ++head->slab->live;
  return reinterpret_cast<char*>(head) + kLine;
} catch (const std::bad_alloc&) {
  return nullptr;
}

// Returns a block that was freed, or a new one.
GraphMemory::Head* GraphMemory::taken(Area& area, std::size_t size) {
  if (auto& waiting = area.free[size]; !waiting.empty()) {
    Head* const head = waiting.back();
    waiting.pop_back();
    return head;
  }
  auto& slabs = area.slabs;
  if (slabs.empty() || slabs.back()->pages.size() - slabs.back()->used < size)
    slabs.emplace_back(new Slab{Pages(std::max(size, kSlab)), &area});
  Slab& slab = *slabs.back();
  Head* const head = new (slab.pages.data() + slab.used) Head{&slab, size};
  slab.used += size;
  return head;
}

void GraphMemory::free(void* block) noexcept {
  if (!block) return;
  Head* const head = reinterpret_cast<Head*>(static_cast<char*>(block) - kLine);
  const std::lock_guard<std::mutex> held(lock_);
  --head->slab->live;
  try {
    head->slab->area->free[head->size].push_back(head);
  } catch (const std::bad_alloc&) {  // it comes back with its slab
  }
}

void GraphMemory::trim() {
  const std::lock_guard<std::mutex> held(lock_);
  for (Area* const area : {&weights_, &rest_}) {
    for (auto& [size, waiting] : area->free) {
      const auto dead = [](const Head* head) { return !head->slab->live; };
      waiting.erase(std::remove_if(waiting.begin(), waiting.end(), dead), waiting.end());
      for (Head* const head : waiting)
        head->slab->pages.forget(reinterpret_cast<char*>(head) + kLine, size - kLine);
    }
    auto& slabs = area->slabs;
    slabs.erase(
        std::remove_if(slabs.begin(), slabs.end(), [](const auto& slab) { return !slab->live; }),
        slabs.end());
  }
#ifdef __GLIBC__
  malloc_trim(0);  // parsing a model leaves 60 MB of small blocks
#endif
}

}  // namespace zscr
