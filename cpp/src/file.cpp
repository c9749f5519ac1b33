#include "file.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "json.hpp"

namespace zscr {
namespace {

std::string digest(std::string_view content) {
  unsigned char made[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (!EVP_Digest(content.data(), content.size(), made, &size, EVP_sha256(), nullptr))
    throw Fault(ZSCR_INTERNAL, "OpenSSL has no sha256");
  return {reinterpret_cast<char*>(made), size};
}

constexpr long kProc = 0x9fa0, kSys = 0x62656572;  // what the kernel makes up

// A regular file that is open to be read, and its size.
struct Opened {
  int handle = -1;
  std::size_t size = 0;

  explicit Opened(const fs::path& path, zscr_code code = ZSCR_ARTEFACT,
                  const char* fix = kCopyAgain)
      : path_(path), code_(code), fix_(fix) {
    struct stat found{};
    if (stat(path.c_str(), &found)) refuse(std::strerror(errno));
    require(found);  // before it is opened: opening a device may do something
    handle = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (handle < 0) refuse(std::strerror(errno));
    try {
      struct statfs disk{};
      if (fstat(handle, &found)) refuse(std::strerror(errno));
      require(found);
      if (fstatfs(handle, &disk) == 0 && (disk.f_type == kProc || disk.f_type == kSys))
        refuse("it is a file of the kernel");
    } catch (...) {
      close(handle);
      throw;
    }
    size = static_cast<std::size_t>(found.st_size);
  }
  ~Opened() { close(handle); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  [[noreturn]] void refuse(const std::string& why) const {
    throw Fault(code_, path_.string() + " cannot be read (" + why + "); " + fix_);
  }

 private:
  const fs::path& path_;
  zscr_code code_;
  const char* fix_;

  void require(const struct stat& found) const {
    if (!S_ISREG(found.st_mode)) refuse("it is no regular file");
  }
};

}  // namespace

std::string sha256(std::string_view content) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest(content)) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  const bool sound = hex.size() == 64 && hex.find_first_not_of("0123456789abcdef") == hex.npos;
  if (!sound) throw JsonFault("'" + hex.substr(0, 70) + "' is no sha256");
  for (std::size_t at = 0; at < hex.size(); at += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16));
  return bytes;
}

Mapped::Mapped(const fs::path& path) {
  const Opened file(path);
  if (!file.size) return;
  void* const found = mmap(nullptr, file.size, PROT_READ, MAP_PRIVATE, file.handle, 0);
  if (found == MAP_FAILED) file.refuse(std::strerror(errno));
  data_ = static_cast<const char*>(found);
  size_ = file.size;
}

Mapped::~Mapped() {
  if (size_) munmap(const_cast<char*>(data_), size_);
}

std::string read_file(const fs::path& path, std::size_t limit, zscr_code code, const char* fix) {
  const Opened file(path, code, fix);
  if (file.size > limit)
    throw Fault(code, path.string() + " is over " + std::to_string(limit) + " bytes; " + fix);
  std::string content(file.size, '\0');
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t got = read(file.handle, content.data() + done, content.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) file.refuse(std::strerror(errno));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  content.resize(done);
  return content;
}

BlockFile::BlockFile(const fs::path& path, std::size_t size, std::vector<std::string> digests)
    : path(path), mapped_(path), digests_(std::move(digests)) {
  if (mapped_.bytes().size() != size || digests_.size() != (size + kBlock - 1) / kBlock)
    damaged(path.string() + " has " + std::to_string(mapped_.bytes().size()) +
            " bytes instead of " + std::to_string(size) +
            "; copy the folder again or make it anew");
  proved_ = std::make_unique<std::atomic<bool>[]>(digests_.size());
}

void BlockFile::touch(std::size_t start, std::size_t stop) const {
  if (start >= stop) return;
  for (std::size_t block = start / kBlock; block * kBlock < stop; ++block) {
    if (proved_[block].load(std::memory_order_acquire)) continue;
    if (digest(mapped_.bytes().substr(block * kBlock, kBlock)) != digests_[block])
      damaged(path.string() + " is damaged: its block " + std::to_string(block) +
              " of 4 MiB has not the sha256 that was written; copy the folder again or make it "
              "anew");
    proved_[block].store(true, std::memory_order_release);
  }
}

std::string_view BlockFile::read(std::size_t start, std::size_t stop) const {
  touch(start, stop);
  return mapped_.bytes().substr(start, stop - start);
}

}  // namespace zscr
