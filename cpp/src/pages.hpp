// Memory of our own in huge pages, where the kernel gives them to those who ask (`madvise`).
#pragma once

#include <cstddef>
#include <string_view>

namespace zscr {

// Zeros at first, which take memory once they are written to.
class Pages {
 public:
  explicit Pages(std::size_t size);  // throws std::bad_alloc
  explicit Pages(std::string_view content);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  char* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::string_view bytes() const { return {data_, size_}; }
  // Gives whole pages of a part back; what it holds then is not known.
  void forget(char* begin, std::size_t size);

 private:
  char *data_ = nullptr, *mapped_ = nullptr;
  std::size_t size_, room_;
};

}  // namespace zscr
