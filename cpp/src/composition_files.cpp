#include "composition_files.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "unicode.hpp"

namespace zscr {
namespace {

constexpr std::size_t kMostWords = 1000000;

struct Npy {
  std::string dtype;
  std::vector<std::size_t> shape;
  std::string_view numbers;
};

// Takes a text away from the beginning of another; false where it does not begin so.
bool take(std::string_view& text, std::string_view wanted) {
  if (text.substr(0, wanted.size()) != wanted) return false;
  text.remove_prefix(wanted.size());
  return true;
}

bool take_shape(std::string_view& text, std::vector<std::size_t>& shape) {
  while (!take(text, ")")) {
    std::size_t length = 0, digits = 0;
    for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), ++digits)
      length = length * 10 + std::size_t(text[0] - '0');
    if (!digits || digits > 12) return false;
    shape.push_back(length);
    if (take(text, ",")) take(text, " ");
  }
  return shape.size() <= 4;
}

// Takes the header of an .npy file apart: version 1.0, in C order; false where it is none.
bool read_npy(std::string_view file, Npy& made) {
  std::string_view head = file;
  if (!take(head, std::string_view("\x93NUMPY\x01\0", 8)) || head.size() < 2) return false;
  const std::size_t length = std::size_t(std::uint8_t(head[0])) | std::size_t(std::uint8_t(head[1]))
                                                                      << 8;
  head = head.substr(2, length);
  if (head.size() < length || !take(head, "{'descr': '")) return false;
  made.dtype = head.substr(0, head.find('\''));
  head.remove_prefix(made.dtype.size());
  if (!take(head, "', 'fortran_order': False, 'shape': (") || !take_shape(head, made.shape))
    return false;
  made.numbers = file.substr(10 + length);
  return take(head, ", }");
}

std::string shown(const std::vector<std::size_t>& shape, bool wanted) {
  std::string made;
  for (const std::size_t one : shape) {
    made += made.empty() ? "(" : ", ";
    made += wanted && !one ? "any" : std::to_string(one);
  }
  return made + ")";
}

// Returns the numbers of a file of float32; throws an ARTEFACT fault with its name.
Matrix matrix(std::string_view content, const std::string& path,
              const std::vector<std::size_t>& shape) {
  Npy found;
  if (!read_npy(content, found))
    damaged(path + " is no .npy file of numbers in C order, version 1.0; make the bundle anew");
  bool fits = found.shape.size() == shape.size() && found.dtype == "<f4";
  std::size_t count = 1;
  for (std::size_t n = 0; fits && n < shape.size(); ++n) {
    fits = shape[n] ? found.shape[n] == shape[n] : found.shape[n] > 0;
    fits = fits && found.shape[n] <= found.numbers.size() / count;
    count *= fits ? found.shape[n] : 1;
  }
  Matrix made{};
  fits = fits && found.numbers.size() == 4 * count;
  if (fits) {
    made.rows = shape.size() > 1 ? found.shape[0] : 1;
    made.columns = found.shape.back();
    made.numbers.resize(count);
    std::memcpy(made.numbers.data(), found.numbers.data(), 4 * count);
    fits = std::all_of(made.numbers.begin(), made.numbers.end(),
                       [](float one) { return std::isfinite(one); });
  }
  if (!fits)
    damaged(path + " holds " + found.dtype.substr(0, 10) + " of shape " +
            shown(found.shape, false) + ", not finite float32 of " + shown(shape, true) +
            "; make the bundle anew");
  return made;
}

}  // namespace

Numbers Matrix::row(std::size_t row) const {
  const auto begin = numbers.begin() + std::ptrdiff_t(row * columns);
  return {begin, begin + std::ptrdiff_t(columns)};
}

const Matrix& CompositionFiles::array(const std::string& name,
                                      const std::vector<std::size_t>& shape) const {
  const std::lock_guard<std::mutex> held(reading_);
  const std::string key = name + "/" + shown(shape, true);
  const auto found = arrays_.find(key);
  if (found != arrays_.end()) return found->second;
  const std::string path = (bundle_.folder / name).string();
  return arrays_[key] = matrix(bundle_.verified(name), path, shape);
}

Numbers CompositionFiles::row(const std::string& name) const { return array(name, {dim_}).row(0); }

const Matrix& CompositionFiles::rows(const std::string& name) const {
  return array(name, {0, dim_});
}

const Matrix& CompositionFiles::columns(const std::string& name) const {
  return array(name, {dim_, 0});
}

const std::vector<std::string>& CompositionFiles::words(const std::string& name) const {
  const std::lock_guard<std::mutex> held(reading_);
  const auto found = words_.find(name);
  if (found != words_.end()) return found->second;
  const std::string content = bundle_.verified(name), path = (bundle_.folder / name).string();
  std::vector<std::string> made;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t stop = std::min(content.find('\n', at), content.size());
    std::string line = content.substr(at, stop - at);
    at = stop + 1;
    try {
      const std::u32string read = decoded(line);
      if (!std::all_of(read.begin(), read.end(), [](char32_t one) { return is(Kind::blank, one); }))
        made.push_back(std::move(line));
    } catch (const Fault& fault) {
      damaged(path + " is not UTF-8 (" + fault.what() + ")");
    }
  }
  if (made.empty() || made.size() > kMostWords)
    damaged(path + " holds " + std::to_string(made.size()) + " words; give some");
  return words_[name] = std::move(made);
}

}  // namespace zscr
