#include "pages.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>

namespace zscr {
namespace {

constexpr std::size_t kHuge = 2 << 20, kPage = 1 << 16;  // the largest of small pages

}  // namespace

Pages::Pages(std::size_t size) : size_(size), room_((size + 2 * kHuge - 1) / kHuge * kHuge) {
  void* const found =
      mmap(nullptr, room_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (found == MAP_FAILED) throw std::bad_alloc();
  mapped_ = static_cast<char*>(found);
  const std::size_t off = reinterpret_cast<std::uintptr_t>(found) % kHuge;
  data_ = mapped_ + (off ? kHuge - off : 0);
  madvise(data_, room_ - kHuge, MADV_HUGEPAGE);  // an advice: small pages do as well
}

Pages::Pages(std::string_view content) : Pages(content.size()) {
  if (!content.empty()) std::memcpy(data_, content.data(), content.size());
}

void Pages::forget(char* begin, std::size_t size) {
  const std::size_t skipped = (kPage - std::size_t(begin - data_) % kPage) % kPage;
  if (size >= skipped + kPage)
    madvise(begin + skipped, (size - skipped) / kPage * kPage, MADV_DONTNEED);
}

Pages::~Pages() { munmap(mapped_, room_); }

}  // namespace zscr
