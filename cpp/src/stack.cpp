#include "stack.hpp"

#include <algorithm>
#include <functional>

namespace zscr {

constexpr float kMargin = 1e-5F;  // well above the rounding error of a product of two unit rows

Stack::Stack(std::vector<std::shared_ptr<const Segment>> segments)
    : segments_(std::move(segments)) {
  ended_.resize(segments_.size());
  starts_.push_back(0);
  for (std::size_t at = 0; at < segments_.size(); ++at) {
    for (std::size_t before = 0; before < at; ++before)
      for (const std::int64_t label : segments_[at]->removed())
        if (const std::int64_t found = segments_[before]->find(label); found >= 0)
          ended_[before].push_back(found);
  }
  for (std::size_t at = 0; at < segments_.size(); ++at) {
    auto& ended = ended_[at];
    std::sort(ended.begin(), ended.end());
    ended.erase(std::unique(ended.begin(), ended.end()), ended.end());
    starts_.push_back(starts_.back() + segments_[at]->count() - ended.size());
    if (segments_[at]->in_hnsw && covered_ == at) covered_ = at + 1;
  }
}

// With the ended places d_0 < d_1 < … of a segment, its l-th row lies at l + j, where j of them lie
// before it: those with d_i - i <= l.
std::pair<std::size_t, std::size_t> Stack::place(std::size_t row) const {
  const auto next = std::upper_bound(starts_.begin(), starts_.end(), row);
  const auto at = std::size_t(next - starts_.begin()) - 1;
  const std::size_t local = row - starts_[at];
  const auto& ended = ended_[at];
  std::size_t low = 0, high = ended.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (std::size_t(ended[middle]) - middle <= local) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {at, local + low};
}

const float* Stack::row(std::size_t row, float* scratch) const {
  const auto [at, where] = place(row);
  return segments_[at]->row(where, scratch);
}

std::string_view Stack::line(std::size_t row) const {
  const auto [at, where] = place(row);
  return segments_[at]->line(where);
}

std::int64_t Stack::row_of(std::int64_t label) const {
  for (std::size_t at = segments_.size(); at-- > 0;) {
    const std::int64_t where = segments_[at]->find(label);
    if (where < 0) continue;
    const auto& ended = ended_[at];
    const auto found = std::lower_bound(ended.begin(), ended.end(), where);
    if (found != ended.end() && *found == where) continue;
    return std::int64_t(starts_[at]) + where - (found - ended.begin());
  }
  return -1;
}

std::vector<Scored> Stack::rank(const float* query, std::size_t dim, std::size_t k,
                                const std::vector<std::int64_t>& rows) const {
  std::vector<float> scratch(dim);
  std::vector<double> products(dim);
  std::vector<Scored> scored;
  scored.reserve(rows.size());
  for (const std::int64_t one : rows)
    scored.push_back(
        {exact_dot(row(std::size_t(one), scratch.data()), query, dim, products.data()), one});
  keep_best(scored, k);
  return scored;
}

std::vector<Scored> Stack::exact(const float* query, std::size_t dim, std::size_t k,
                                 std::size_t first) const {
  const std::size_t rows = count() - std::min(first, count());
  k = std::min(k, rows);
  if (!k) return {};
  std::vector<float> fast, scratch(dim);
  fast.reserve(rows);
  for (std::size_t at = 0; at < segments_.size(); ++at) {
    if (starts_[at + 1] <= first) continue;
    auto ended = ended_[at].begin();
    for (std::size_t where = 0; where < segments_[at]->count(); ++where) {
      if (ended != ended_[at].end() && std::size_t(*ended) == where) {
        ++ended;
      } else {
        fast.push_back(dot(segments_[at]->row(where, scratch.data()), query, dim));
      }
    }
  }
  std::vector<float> ordered(fast);
  std::nth_element(ordered.begin(), ordered.begin() + std::ptrdiff_t(k - 1), ordered.end(),
                   std::greater<float>());
  const float least = ordered[k - 1] - kMargin;
  std::vector<std::int64_t> near;
  for (std::size_t n = 0; n < rows; ++n)
    if (fast[n] >= least) near.push_back(std::int64_t(first + n));
  return rank(query, dim, k, near);
}

}  // namespace zscr
