#include "fusion.hpp"

#include <algorithm>
#include <cmath>

namespace zscr {
namespace {

constexpr double kParallel = 0.9995;  // |cosine| from which slerp is linear
constexpr double kLeastDeviation = 1e-12;
constexpr std::size_t kPoints = 18001;  // of Φ, from -9 to 9

// Returns Φ by straight lines between points .001 apart, as Python does: numpy has no erf.
double normal_cdf(double value) {
  static const std::vector<Scored> kTable = [] {
    std::vector<Scored> made(kPoints);
    for (std::size_t n = 0; n < kPoints; ++n) {
      const double z = n + 1 < kPoints ? -9 + double(n) * (18.0 / double(kPoints - 1)) : 9.0;
      made[n] = {0.5 * std::erfc(-z / std::sqrt(2.0)), 0};
    }
    return made;
  }();
  static const auto kPoint = [](std::size_t n) {
    return n + 1 < kPoints ? double(n) * (18.0 / double(kPoints - 1)) + -9 : 9.0;
  };
  if (std::isnan(value)) return value;
  if (value >= 9) return kTable.back().score;
  if (value < -9) return kTable.front().score;
  auto n = std::size_t((value + 9) / 0.001);
  n = std::min(n, kPoints - 2);
  while (n > 0 && kPoint(n) > value) --n;
  while (n + 2 < kPoints && kPoint(n + 1) <= value) ++n;
  const double low = kTable[n].score, start = kPoint(n);
  if (start == value) return low;
  return (kTable[n + 1].score - low) / (kPoint(n + 1) - start) * (value - start) + low;
}

}  // namespace

Affine affine(const Numbers& row, const Numbers& gallery_mean) {
  const double length = norm(row);
  Numbers direction(row.size());
  if (length > 0) {
    for (std::size_t n = 0; n < row.size(); ++n) direction[n] = row[n] / length;
  } else {
    direction[0] = 1;  // any will do
  }
  return {narrow(direction), length, gallery_mean.empty() ? 0 : -product(row, gallery_mean)};
}

Numbers weights_of(const Fusion& fusion, std::size_t channels, double cosine) {
  if (fusion.kind == "weights") return fusion.weights;
  if (fusion.kind == "sum") return Numbers(channels, 1);
  const double alpha = fusion.value, clipped = std::clamp(cosine, -1.0, 1.0);
  if (std::abs(clipped) > kParallel) {
    const double squared =
        (1 - alpha) * (1 - alpha) + alpha * alpha + 2 * alpha * (1 - alpha) * clipped;
    const double length = std::max(std::sqrt(squared), kLeastDeviation);
    return {(1 - alpha) / length, alpha / length};
  }
  const double angle = std::acos(clipped), sine = std::sin(angle);
  return {std::sin((1 - alpha) * angle) / sine, std::sin(alpha * angle) / sine};
}

double fused(const Numbers& scores, const Fusion& fusion, const std::vector<Moments>& moments) {
  if (fusion.kind == "cdf") {
    double parts[2];
    for (int n = 0; n < 2; ++n)
      parts[n] = normal_cdf((scores[n] - moments[n].mean) /
                            std::max(moments[n].deviation, kLeastDeviation));
    return (1 - fusion.value) * parts[0] + fusion.value * parts[1];
  }
  double product = 1, sum = 0;
  for (std::size_t n = 0; n < scores.size(); ++n) {
    const double floored = std::max(scores[n], 0.0);
    product = n ? product * floored : floored;
    sum = n ? sum + floored : floored;
  }
  return fusion.kind == "product" ? product : product - fusion.value * (sum * sum);
}

}  // namespace zscr
