#include "paper.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace zscr {
namespace {

constexpr int kSamples = 64, kFewest = 8;  // along the longer and the shorter side
constexpr double kFrame = 0.06;            // of a side: paper, but for a few strokes
constexpr int kRounds = 8;
constexpr double kNear = 3, kLeast = 3;  // deviations, or levels, within which a sample is paper
constexpr double kSigma = 1.4826;        // from median deviations to standard ones
constexpr std::size_t kTerms = 6;

using Terms = std::array<float, kTerms>;  // 1, x, y, x², xy, y²
using Weights = std::array<float, kTerms>;
using Matrix = std::array<std::array<double, kTerms>, kTerms>;

float place(int at, int size) {  // from -1 to 1
  if (at && at == size - 1) return 1;
  return size == 1 ? -1 : float(at * (2.0 / (size - 1)) - 1);
}

Terms terms_at(float x, float y) { return {1, x, y, x * x, x * y, y * y}; }

float surface(const Weights& weights, const Terms& terms) {
  float sum = 0;
  for (std::size_t n = 0; n < kTerms; ++n) sum += weights[n] * terms[n];
  return sum;
}

// Makes a symmetric matrix diagonal by Jacobi's rotations, whose product are the columns of
// `turns`.
void diagonalise(Matrix& matrix, Matrix& turns) {
  for (std::size_t n = 0; n < kTerms; ++n) turns[n] = {}, turns[n][n] = 1;
  for (int sweep = 0; sweep < 30; ++sweep)
    for (std::size_t p = 0; p < kTerms; ++p)
      for (std::size_t q = p + 1; q < kTerms; ++q) {
        if (matrix[p][q] == 0) continue;
        const double angle = 0.5 * std::atan2(2 * matrix[p][q], matrix[q][q] - matrix[p][p]);
        const double c = std::cos(angle), s = std::sin(angle);
        const auto rotated = [&](double& a, double& b) {
          const double old = a;
          a = c * old - s * b;
          b = s * old + c * b;
        };
        for (std::size_t k = 0; k < kTerms; ++k) rotated(matrix[k][p], matrix[k][q]);
        for (std::size_t k = 0; k < kTerms; ++k) rotated(matrix[p][k], matrix[q][k]);
        for (std::size_t k = 0; k < kTerms; ++k) rotated(turns[k][p], turns[k][q]);
      }
}

// A sample of the paper.
struct Sample {
  Terms terms;
  float level;
};

// Returns the weights of least squares, the shortest where several are.
Weights least_squares(const std::vector<Sample>& samples, const Mask& near) {
  Matrix products{}, turns;
  std::array<double, kTerms> right{};
  for (std::size_t n = 0; n < samples.size(); ++n)
    for (std::size_t p = 0; near[n] && p < kTerms; ++p) {
      right[p] += double(samples[n].terms[p]) * samples[n].level;
      for (std::size_t q = 0; q < kTerms; ++q)
        products[p][q] += double(samples[n].terms[p]) * samples[n].terms[q];
    }
  diagonalise(products, turns);
  double most = 0;
  for (std::size_t n = 0; n < kTerms; ++n) most = std::max(most, products[n][n]);
  std::array<double, kTerms> sums{};
  for (std::size_t n = 0; n < kTerms; ++n) {
    if (products[n][n] <= 1e-13 * most) continue;
    double along = 0;
    for (std::size_t p = 0; p < kTerms; ++p) along += turns[p][n] * right[p];
    for (std::size_t p = 0; p < kTerms; ++p) sums[p] += turns[p][n] * along / products[n][n];
  }
  Weights made;
  std::copy(sums.begin(), sums.end(), made.begin());
  return made;
}

std::vector<float> chosen(const std::vector<float>& numbers, const Mask& among) {
  std::vector<float> made;
  for (std::size_t n = 0; n < numbers.size(); ++n)
    if (among[n]) made.push_back(std::abs(numbers[n]));
  return made;
}

// Says which samples are paper, as far as those `among` them scatter.
Mask near_to(const std::vector<float>& rest, const Mask& among) {
  const double most = std::max(kNear * kSigma * double(median(chosen(rest, among))), kLeast);
  Mask made;
  for (const float one : rest) made.push_back(double(std::abs(one)) <= most);
  return made;
}

}  // namespace

float median(std::vector<float> numbers) {
  if (numbers.empty()) return 0;
  const auto middle = numbers.begin() + std::ptrdiff_t(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  if (numbers.size() % 2) return *middle;
  return (*std::max_element(numbers.begin(), middle) + *middle) / 2;
}

Mask frame_of(int width, int height) {
  const int across = std::max(1, int(std::nearbyint(kFrame * width)));
  const int down = std::max(1, int(std::nearbyint(kFrame * height)));
  Mask made;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      made.push_back(x < across || x >= std::max(across, width - across) || y < down ||
                     y >= std::max(down, height - down));
  return made;
}

Paper paper_of(const Image& image, int colour) {
  const int step = (std::max(image.width, image.height) + kSamples - 1) / kSamples;
  const int across = std::min(step, std::max(1, image.width / kFewest));
  const int down = std::min(step, std::max(1, image.height / kFewest));
  std::vector<Sample> samples;
  for (int y = 0; y < image.height; y += down)
    for (int x = 0; x < image.width; x += across)
      samples.push_back(
          {terms_at(place(x, image.width), place(y, image.height)), float(image.at(x, y)[colour])});
  const Mask frame =
      frame_of((image.width + across - 1) / across, (image.height + down - 1) / down);
  std::vector<float> rest;
  for (const Sample& one : samples) rest.push_back(one.level);
  const float middle = median(chosen(rest, frame));
  for (float& one : rest) one -= middle;
  Mask near = near_to(rest, frame);
  for (std::size_t n = 0; n < near.size(); ++n) near[n] = near[n] && frame[n];
  Weights weights{};
  for (int round = 0; round < kRounds; ++round) {
    weights = least_squares(samples, near);
    for (std::size_t n = 0; n < rest.size(); ++n)
      rest[n] = samples[n].level - surface(weights, samples[n].terms);
    const Mask before = std::exchange(near, near_to(rest, near));
    if (near == before) break;
  }
  Paper made{{}, float(kSigma * double(median(chosen(rest, near))))};
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      made.light.push_back(std::clamp(
          surface(weights, terms_at(place(x, image.width), place(y, image.height))), 0.F, 255.F));
  return made;
}

}  // namespace zscr
