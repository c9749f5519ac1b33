#include "segment.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "scores.hpp"

namespace zscr {
namespace {

constexpr std::size_t kLongestHeader = 1 << 16;
constexpr double kLongestRow = 1e6;  // squared; unit rows have 1
constexpr std::int64_t kMost = std::int64_t(1) << 53;

std::unique_ptr<BlockFile> opened(const Manifest& index, const std::string& number) {
  const std::string name = "segment." + number + ".safetensors",
                    blocks = "blocks." + number + ".npy";
  const Listed& entry = index.listed(name);
  std::vector<std::string> digests;
  const std::size_t count = (entry.bytes + kBlock - 1) / kBlock;
  if (entry.bytes <= kBlock) {
    if (count) digests.push_back(from_hex(entry.sha256));
  } else {
    const std::string raw = index.verified(blocks);
    const std::string head =
        "{'descr': '|u1', 'fortran_order': False, 'shape': (" + std::to_string(count) + ", 32), }";
    const auto byte = [&](std::size_t at) {
      return std::size_t(static_cast<unsigned char>(raw[at]));
    };
    const std::size_t start = raw.size() < 10 ? 0 : 10 + byte(8) + 256 * byte(9);
    const bool sound = start >= 10 + head.size() && raw.size() == start + 32 * count &&
                       raw.compare(0, 8, std::string("\x93NUMPY\x01\0", 8)) == 0 &&
                       raw.compare(10, head.size(), head) == 0;
    if (!sound) throw JsonFault(blocks + " does not fit " + name);
    for (std::size_t n = 0; n < count; ++n) digests.push_back(raw.substr(start + 32 * n, 32));
  }
  std::error_code ignored;
  if (!fs::exists(index.folder / name, ignored))
    damaged(index.folder.string() + " lacks " + name + "; copy the folder again or make it anew");
  return std::make_unique<BlockFile>(index.folder / name, entry.bytes, std::move(digests));
}

bool ascend(const std::vector<std::int64_t>& numbers) {
  return std::is_sorted(numbers.begin(), numbers.end());
}

bool unique(std::vector<std::int64_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end();
}

}  // namespace

Segment::Segment(const Manifest& index, const Json& about, std::size_t dim, bool half)
    : number(about.at("number").integer(1, kMost)),
      in_hnsw(about.at("in_hnsw").flag()),
      dim_(dim),
      half_(half),
      file_(opened(index, std::to_string(number))) {
  const std::string name = file_->path.filename().string();
  sha256 = index.listed(name).sha256;
  if (file_->size() < 8) throw JsonFault(name + " has no header");
  std::uint64_t length = 0;
  std::memcpy(&length, file_->read(0, 8).data(), 8);
  if (length < 2 || length > kLongestHeader || length > file_->size() - 8)
    throw JsonFault(name + " has a header of " + std::to_string(length) + " bytes");
  const std::size_t base = 8 + std::size_t(length);
  const Json header = parse_json(file_->read(8, base));
  labels_ = numbers(header, base, "labels");
  starts_ = numbers(header, base, "starts");
  removed_ = numbers(header, base, "removed");
  const Tensor lines = tensor(header, base, "entries"), vectors = tensor(header, base, "vectors");
  lines_at_ = lines.at;
  lines_size_ = lines.size;
  vectors_at_ = vectors.at;
  const std::vector<std::size_t> wanted{count(), dim_};
  const bool fits = vectors.dtype == (half_ ? "F16" : "F32") && vectors.shape == wanted &&
                    vectors.at % (half_ ? 2 : 4) == 0 && lines.dtype == "U8" &&
                    lines.shape.size() == 1;
  if (!fits) throw JsonFault(name + " does not hold rows of " + std::to_string(dim_) + " numbers");
  check(numbers(header, base, "order"), numbers(header, base, "keys"));
  if (std::int64_t(count()) != about.at("count").integer(0, kMost) ||
      std::int64_t(removed_.size()) != about.at("removed").integer(0, kMost))
    throw JsonFault(name + " holds " + std::to_string(count()) + " rows and ends " +
                    std::to_string(removed_.size()));
  step_ = std::max<std::size_t>(1, kBlock / (dim_ * (half_ ? 2 : 4)));
  sound_ = std::make_unique<std::atomic<bool>[]>(count() / step_ + 1);
}

Segment::Tensor Segment::tensor(const Json& header, std::size_t base,
                                const std::string& name) const {
  const Json& about = header.at(name);
  Tensor made{about.at("dtype").text(), {}, 0, 0};
  const auto& between = about.at("data_offsets").list(2, 2);
  const auto start = std::size_t(between[0].integer(0, kMost)),
             stop = std::size_t(between[1].integer(0, kMost));
  const std::size_t width = made.dtype == "I64"   ? 8
                            : made.dtype == "F32" ? 4
                            : made.dtype == "F16" ? 2
                                                  : 1;
  std::size_t size = width;
  for (const Json& one : about.at("shape").list(1, 2)) {
    const auto length = std::size_t(one.integer(0, kMost));
    if (length && size > file_->size() / length)
      throw JsonFault(name + " does not lie in its file");
    size *= length;
    made.shape.push_back(length);
  }
  if (stop < start || stop - start != size || stop > file_->size() - base)
    throw JsonFault(name + " does not lie in its file");
  made.at = base + start;
  made.size = size;
  return made;
}

std::vector<std::int64_t> Segment::numbers(const Json& header, std::size_t base,
                                           const char* name) const {
  const Tensor found = tensor(header, base, name);
  if (found.dtype != "I64" || found.shape.size() != 1)
    throw JsonFault(std::string(name) + " are no numbers");
  std::vector<std::int64_t> made(found.shape[0]);
  const std::string_view bytes = file_->read(found.at, found.at + found.size);
  if (!bytes.empty()) std::memcpy(made.data(), bytes.data(), bytes.size());
  return made;
}

void Segment::check(const std::vector<std::int64_t>& order, const std::vector<std::int64_t>& keys) {
  const auto rows = std::int64_t(count());
  bool fit = order.size() == count() && keys.size() == count() && starts_.size() == count() + 1;
  fit = fit && starts_.front() == 0 && starts_.back() == std::int64_t(lines_size_);
  fit = fit && ascend(starts_) && ascend(keys) && ascend(removed_) && unique(removed_) &&
        unique(order);
  fit = fit &&
        std::all_of(order.begin(), order.end(), [&](auto one) { return one >= 0 && one < rows; });
  bool runs = true;
  for (std::size_t n = 0; fit && n < count(); ++n) {
    fit = labels_[n] >= 0;
    runs = runs && fit && labels_[n] - labels_[0] == std::int64_t(n);
  }
  if (fit && !runs) {
    for (std::size_t n = 0; n < count(); ++n) by_label_.emplace_back(labels_[n], std::int64_t(n));
    std::sort(by_label_.begin(), by_label_.end());
    for (std::size_t n = 1; n < count(); ++n)
      fit = fit && by_label_[n - 1].first < by_label_[n].first;
  }
  if (!fit)
    throw JsonFault("the rows of " + file_->path.filename().string() + " do not fit together");
}

std::int64_t Segment::find(std::int64_t label) const {
  if (labels_.empty()) return -1;
  if (by_label_.empty()) {
    const bool there = label >= labels_[0] && label - labels_[0] < std::int64_t(count());
    return there ? label - labels_[0] : -1;
  }
  const auto found =
      std::lower_bound(by_label_.begin(), by_label_.end(), std::make_pair(label, std::int64_t(0)));
  return found != by_label_.end() && found->first == label ? found->second : -1;
}

const float* Segment::row(std::size_t place, float* scratch) const {
  const std::size_t chunk = place / step_;
  if (!sound_[chunk].load(std::memory_order_acquire)) prove(chunk);
  if (!half_) return reinterpret_cast<const float*>(file_->raw(vectors_at_ + place * dim_ * 4));
  const auto* const halves =
      reinterpret_cast<const std::uint16_t*>(file_->raw(vectors_at_ + place * dim_ * 2));
  for (std::size_t n = 0; n < dim_; ++n) scratch[n] = half_to_float(halves[n]);
  return scratch;
}

// Proves the rows of a chunk: their blocks, and that they can be compared with others.
void Segment::prove(std::size_t chunk) const {
  const std::size_t first = chunk * step_, last = std::min(count(), first + step_);
  const std::size_t stride = dim_ * (half_ ? 2 : 4);
  file_->touch(vectors_at_ + first * stride, vectors_at_ + last * stride);
  std::vector<float> scratch(dim_);
  for (std::size_t place = first; place < last; ++place) {
    const char* const raw = file_->raw(vectors_at_ + place * stride);
    double squared = 0;
    for (std::size_t n = 0; n < dim_; ++n) {
      float one;
      std::uint16_t small;
      if (half_) {
        std::memcpy(&small, raw + 2 * n, 2);
        one = half_to_float(small);
      } else {
        std::memcpy(&one, raw + 4 * n, 4);
      }
      squared += double(one) * double(one);
    }
    if (!(half_ ? std::isfinite(squared) : squared < kLongestRow))
      damaged(file_->path.string() +
              " holds NaN, infinity or rows that are far from unit length; make it anew");
  }
  sound_[chunk].store(true, std::memory_order_release);
}

void Segment::prove_all() const {
  file_->touch(0, file_->size());
  std::vector<float> scratch(dim_);
  for (std::size_t place = 0; place < count(); place += step_) row(place, scratch.data());
}

std::string_view Segment::line(std::size_t place) const {
  return file_->read(lines_at_ + std::size_t(starts_[place]),
                     lines_at_ + std::size_t(starts_[place + 1]));
}

}  // namespace zscr
