#include "png_chunks.hpp"

#include <zlib.h>

#include <cctype>
#include <cstdint>

namespace zscr {
namespace {

std::uint32_t big_endian(std::string_view four) {
  std::uint32_t made = 0;
  for (const char one : four) made = made << 8 | std::uint8_t(one);
  return made;
}

}  // namespace

std::string needed_chunks(std::string_view file) {
  std::string made(file.substr(0, 8));
  for (std::size_t at = 8; at + 8 <= file.size();) {
    const std::size_t size = 12 + std::size_t(big_endian(file.substr(at, 4)));
    const std::string_view chunk = file.substr(at, size), kind = chunk.substr(4, 4);
    const auto* const hashed = reinterpret_cast<const unsigned char*>(kind.data());
    const bool sound = chunk.size() == size &&
                       big_endian(chunk.substr(size - 4)) == crc32(0, hashed, uInt(size - 8));
    const bool critical = kind[0] >= 'A' && kind[0] <= 'Z';
    if (critical || kind == "tRNS" || (kind == "eXIf" && sound)) made += chunk;
    at += size;
  }
  return made;
}

std::string unhexed(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const auto end = text.find('\n');
    if (end == text.npos) return "";
    text.remove_prefix(end + 1);
  }
  std::string digits, made;
  for (const char one : text)
    if (!std::isspace(static_cast<unsigned char>(one))) digits += one;
  if (digits.size() % 2 || digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos)
    return "";
  for (std::size_t at = 0; at < digits.size(); at += 2)
    made += char(std::stoi(digits.substr(at, 2), nullptr, 16));
  return made;
}

}  // namespace zscr
