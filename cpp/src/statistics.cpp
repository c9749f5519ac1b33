#include "statistics.hpp"

#include <algorithm>
#include <cmath>

namespace zscr {
namespace {

constexpr std::size_t kSample = 1000;  // images whose products are measured

}  // namespace

const Numbers& Statistics::mean(const Index& index) const {
  std::call_once(mean_once_, [&] {
    Numbers sum(index.dim);
    std::vector<float> scratch(sum.size());
    for (std::size_t row = 0; row < index.count(); ++row) {
      const float* const numbers = index.row(row, scratch.data());
      for (std::size_t n = 0; n < sum.size(); ++n) sum[n] += double(numbers[n]);
    }
    for (double& one : sum) one /= double(index.count());
    mean_ = std::move(sum);
  });
  return mean_;
}

double Statistics::least(const Index& index, const std::string& name,
                         const std::vector<Numbers>& rows, const Numbers& mean) const {
  const std::lock_guard<std::mutex> held(measuring_);
  if (const auto found = least_.find(name); found != least_.end()) return found->second;
  const std::size_t count = index.count(), taken = std::min(kSample, count);
  std::vector<std::vector<float>> images, others;
  std::vector<float> scratch(index.dim);
  for (std::size_t n = 0; n < taken; ++n) {  // with the first and the last, as numpy's linspace
    const double step = taken > 1 ? double(count - 1) / double(taken - 1) : 0;
    const std::size_t place = n && n + 1 == taken ? count - 1 : std::size_t(double(n) * step);
    const float* const numbers = index.row(place, scratch.data());
    Numbers centred(numbers, numbers + index.dim);
    add(centred, -1, mean);
    images.push_back(narrow(centred));
  }
  for (const Numbers& row : rows) others.push_back(narrow(row));
  float made = HUGE_VALF;
  for (const auto& one : rows.empty() ? images : others)
    for (const auto& image : images)
      made = std::min(made, dot(one.data(), image.data(), one.size()));
  return least_[name] = double(made);
}

}  // namespace zscr
