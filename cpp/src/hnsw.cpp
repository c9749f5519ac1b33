#include "hnsw.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <queue>

namespace zscr {
namespace {

constexpr std::size_t kHeader = 96, kM = 16, kEfConstruction = 200;
constexpr double kLongest = 1e6;  // squared, of a vector; unit vectors have 1

template <typename Number>
Number number_at(const Pages& content, std::size_t at) {
  Number made;
  std::memcpy(&made, content.data() + at, sizeof made);
  return made;
}

std::uint32_t id_at(const char* ids, std::uint32_t number) {
  std::uint32_t made;
  std::memcpy(&made, ids + 4 * std::size_t(number), 4);
  return made;
}

[[noreturn]] void refuse(const std::string& why) { throw JsonFault(why); }

}  // namespace

Hnsw::Hnsw(std::unique_ptr<const Pages> content, std::size_t dim, const Stack& stack)
    : content_(std::move(content)), dim_(dim), node_size_(4 + 8 * kM + 4 * dim + 8) {
  if (content_->size() < kHeader)
    refuse(std::to_string(content_->size()) + " bytes cannot hold a header");
  const auto count = number_at<std::uint64_t>(*content_, 16);
  const std::size_t room = content_->size() - kHeader;
  if (!count || count > room / (node_size_ + 4) || room % 4)
    refuse(std::to_string(content_->size()) + " bytes cannot hold " + std::to_string(count) +
           " nodes");
  nodes_ = std::size_t(count);
  read_upper(kHeader + nodes_ * node_size_);
  read_header();
  read_nodes(stack);
  for (std::uint32_t node = 0; node < nodes_; ++node)
    for (std::uint32_t level = 0; level <= levels_[node]; ++level) check_links(node, level);
}

void Hnsw::read_upper(std::size_t at) {
  std::vector<std::uint32_t> words((content_->size() - at) / 4);
  std::memcpy(words.data(), content_->data() + at, words.size() * 4);
  std::size_t next = 0;
  for (std::size_t node = 0; node < nodes_; ++node) {
    if (next >= words.size()) refuse("its upper levels end too early");
    const std::uint32_t bytes = words[next++], block = 4 * (1 + kM);
    if (bytes % block || bytes / 4 > words.size() - next)
      refuse("an upper level has another size than its file");
    levels_.push_back(bytes / block);
    upper_at_.push_back(next);
    next += bytes / 4;
  }
  if (next != words.size()) refuse("it goes on behind its last node");
  upper_ = std::move(words);
}

void Hnsw::read_header() {
  const std::pair<std::size_t, std::uint64_t> wanted[] = {
      {0, 0},       {24, node_size_}, {32, node_size_ - 8}, {40, 4 + 8 * kM}, {56, kM},
      {64, 2 * kM}, {72, kM},         {88, kEfConstruction}};
  for (const auto& [at, number] : wanted)
    if (const auto found = number_at<std::uint64_t>(*content_, at); found != number)
      refuse("its header has " + std::to_string(found) + " at " + std::to_string(at) + ", not " +
             std::to_string(number));
  const auto most = number_at<std::uint64_t>(*content_, 8);
  const double scale = number_at<double>(*content_, 80);
  if (!(std::abs(scale - 1 / std::log(double(kM))) < 1e-5)) refuse("its mult is another");
  if (most < nodes_ || most >= std::uint64_t(1) << 40)
    refuse("its max_elements is " + std::to_string(most));
  const std::uint32_t top = *std::max_element(levels_.begin(), levels_.end());
  entry_ = number_at<std::uint32_t>(*content_, 52);
  if (number_at<std::int32_t>(*content_, 48) != std::int32_t(top) || entry_ >= nodes_ ||
      levels_[entry_] != top)
    refuse("its entry point " + std::to_string(entry_) + " is not on its highest level");
}

void Hnsw::read_nodes(const Stack& stack) {
  std::vector<std::int64_t> labels;
  std::vector<float> scratch(dim_);
  std::size_t covered = 0;
  for (std::uint32_t node = 0; node < nodes_; ++node) {
    const std::size_t at = kHeader + node * node_size_;
    const auto label = number_at<std::uint64_t>(*content_, at + node_size_ - 8);
    if (label >= std::uint64_t(1) << 62) refuse("a label is none");
    if (number_at<std::uint16_t>(*content_, at + 2)) refuse("a node is marked as deleted");
    labels.push_back(std::int64_t(label));
    rows_.push_back(stack.row_of(labels.back()));
    if (rows_.back() >= 0) {
      const float* const own = stack.row(std::size_t(rows_.back()), scratch.data());
      if (std::memcmp(own, vector(node), 4 * dim_)) refuse("its vectors are not the gallery's");
      covered += rows_.back() < std::int64_t(stack.tail());
      ++found_;
    } else {
      double squared = 0;
      for (std::size_t n = 0; n < dim_; ++n) squared += double(vector(node)[n]) * vector(node)[n];
      if (!(squared < kLongest)) refuse("it holds vectors that are far from unit length");
    }
  }
  std::sort(labels.begin(), labels.end());
  if (std::adjacent_find(labels.begin(), labels.end()) != labels.end())
    refuse("a label is there twice");
  if (covered != stack.tail())
    refuse(std::to_string(stack.tail() - covered) + " of its rows are missing");
}

Hnsw::Links Hnsw::links(std::uint32_t node, std::uint32_t level) const {
  if (level) {
    const std::uint32_t* const list = &upper_[upper_at_[node] + (level - 1) * (1 + kM)];
    return {*list & 0xFFFF, reinterpret_cast<const char*>(list + 1)};
  }
  const std::size_t at = kHeader + node * node_size_;
  return {number_at<std::uint16_t>(*content_, at), content_->data() + at + 4};
}

void Hnsw::check_links(std::uint32_t node, std::uint32_t level) const {
  if (level && upper_[upper_at_[node] + (level - 1) * (1 + kM)] > kM)
    refuse("a node has too many links");
  const Links list = links(node, level);
  if (list.count > (level ? kM : 2 * kM)) refuse("a node has too many links");
  for (std::uint32_t n = 0; n < list.count; ++n) {
    const std::uint32_t to = id_at(list.ids, n);
    if (to >= nodes_) refuse("a link leads to a node that does not exist");
    if (to == node) refuse("a node is linked with itself");
    if (levels_[to] < level) refuse("a link leads to a level that its node is not on");
  }
}

const float* Hnsw::vector(std::uint32_t node) const {  // all before it are of 4 bytes
  return reinterpret_cast<const float*>(content_->data() + kHeader + node * node_size_ + 4 +
                                        8 * kM);
}

float Hnsw::distance(std::uint32_t node, const float* query) const {
  return 1.0F - hnswlib_dot(vector(node), query, dim_);
}

// Goes to the node of level 1 that is nearest, from level to level.
std::uint32_t Hnsw::descend(const float* query) const {
  std::uint32_t now = entry_;
  float nearest = distance(now, query);
  for (std::uint32_t level = levels_[entry_]; level > 0; --level) {
    for (bool moved = true; moved;) {
      moved = false;
      const Links list = links(now, level);
      for (std::uint32_t n = 0; n < list.count; ++n) {
        const std::uint32_t to = id_at(list.ids, n);
        if (const float found = distance(to, query); found < nearest) {
          nearest = found;
          now = to;
          moved = true;
        }
      }
    }
  }
  return now;
}

std::vector<std::int64_t> Hnsw::nearest(const float* query, std::size_t k, std::size_t ef) const {
  using Near = std::pair<float, std::uint32_t>;
  const auto nearer = [](const Near& a, const Near& b) { return a.first < b.first; };
  std::priority_queue<Near, std::vector<Near>, decltype(nearer)> best(nearer), waiting(nearer);
  ef = std::max(ef, k);
  const bool hides = found_ < nodes_;
  const std::uint32_t start = descend(query);
  std::vector<bool> visited(nodes_);
  visited[start] = true;
  float bound = std::numeric_limits<float>::max();
  if (rows_[start] >= 0) {
    bound = distance(start, query);
    best.emplace(bound, start);
  }
  waiting.emplace(-bound, start);
  while (!waiting.empty()) {
    const auto [negative, node] = waiting.top();
    if (-negative > bound && (!hides || best.size() == ef)) break;
    waiting.pop();
    const Links list = links(node, 0);
    for (std::uint32_t n = 0; n < list.count; ++n) {
      const std::uint32_t to = id_at(list.ids, n);
      if (n + 1 < list.count) __builtin_prefetch(vector(id_at(list.ids, n + 1)));
      if (visited[to]) continue;
      visited[to] = true;
      const float found = distance(to, query);
      if (best.size() >= ef && bound <= found) continue;
      waiting.emplace(-found, to);
      if (rows_[to] >= 0) best.emplace(found, to);
      while (best.size() > ef) best.pop();
      if (!best.empty()) bound = best.top().first;
    }
  }
  while (best.size() > k) best.pop();
  std::vector<std::int64_t> rows;
  for (; !best.empty(); best.pop()) rows.push_back(rows_[best.top().second]);
  return rows;
}

}  // namespace zscr
