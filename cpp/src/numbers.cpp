#include "numbers.hpp"

#include <algorithm>
#include <cmath>

namespace zscr {

double product(const Numbers& first, const Numbers& second) {
  Numbers products(first.size());
  for (std::size_t n = 0; n < first.size(); ++n) products[n] = first[n] * second[n];
  return pairwise_sum(products.data(), products.size());
}

double norm(const Numbers& row) { return std::sqrt(product(row, row)); }

Numbers unit(const Numbers& row) {
  const double length = std::max(norm(row), 1e-12);
  Numbers made(row);
  for (double& one : made) one /= length;
  return made;
}

Numbers wide(const std::vector<float>& row) { return {row.begin(), row.end()}; }

std::vector<float> narrow(const Numbers& row) {
  std::vector<float> made(row.size());
  std::transform(row.begin(), row.end(), made.begin(), [](double one) { return float(one); });
  return made;
}

void add(Numbers& sum, double weight, const Numbers& row) {
  for (std::size_t n = 0; n < sum.size(); ++n) sum[n] += weight * row[n];
}

}  // namespace zscr
