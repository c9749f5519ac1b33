// Files of strangers: regular ones alone, hashed before any use, mapped where they are large.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "error.hpp"

namespace zscr {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 4 << 20;  // bytes that are hashed at once

std::string sha256(std::string_view content);  // as hex

// The bytes of a file, mapped to be read. They stay when the file is deleted.
class Mapped {
 public:
  // Throws an ARTEFACT fault: it is not there, no regular file, or may not be read.
  explicit Mapped(const fs::path& path);
  ~Mapped();
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  std::string_view bytes() const { return {data_, size_}; }

 private:
  const char* data_ = "";
  std::size_t size_ = 0;
};

constexpr char kCopyAgain[] = "copy the folder again or make it anew";

// Reads a whole regular file of at most `limit` bytes into memory of our own; faults have the code
// and say the fix.
std::string read_file(const fs::path& path, std::size_t limit, zscr_code code = ZSCR_ARTEFACT,
                      const char* fix = kCopyAgain);

// A mapped file of which each block is hashed when the first of its bytes is asked for.
class BlockFile {
 public:
  // `digests`: the sha256 of each block, as bytes. Throws where it has another size than `size`.
  BlockFile(const fs::path& path, std::size_t size, std::vector<std::string> digests);
  // Proves bytes; throws an ARTEFACT fault where a block differs. Any thread may.
  void touch(std::size_t start, std::size_t stop) const;
  std::string_view read(std::size_t start, std::size_t stop) const;
  std::size_t size() const { return mapped_.bytes().size(); }
  // Bytes that the caller proves, or has proved.
  const char* raw(std::size_t start) const { return mapped_.bytes().data() + start; }
  const fs::path path;

 private:
  Mapped mapped_;
  std::vector<std::string> digests_;
  std::unique_ptr<std::atomic<bool>[]> proved_;
};

std::string from_hex(const std::string& hex);  // throws a JsonFault where it is no sha256

}  // namespace zscr
