#include "scores.hpp"

#include <algorithm>
#include <cstring>

namespace zscr {
// numpy's pairwise summation (loops_utils.h.src), so that scores are equal to the last bit.
double pairwise_sum(const double* numbers, std::size_t count) {
  if (count < 8) {
    double sum = -0.0;
    for (std::size_t n = 0; n < count; ++n) sum += numbers[n];
    return sum;
  }
  if (count <= 128) {
    double parts[8];
    std::copy(numbers, numbers + 8, parts);
    std::size_t n = 8;
    for (; n < count - count % 8; n += 8)
      for (std::size_t j = 0; j < 8; ++j) parts[j] += numbers[n + j];
    double sum = ((parts[0] + parts[1]) + (parts[2] + parts[3])) +
                 ((parts[4] + parts[5]) + (parts[6] + parts[7]));
    for (; n < count; ++n) sum += numbers[n];
    return sum;
  }
  std::size_t half = count / 2;
  half -= half % 8;
  return pairwise_sum(numbers, half) + pairwise_sum(numbers + half, count - half);
}

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t(half >> 15) << 31;
  const std::uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
  std::uint32_t bits = sign | (exponent + 112) << 23 | fraction << 13;
  if (exponent == 31) bits = sign | 0x7F800000 | fraction << 13;
  float made;
  if (exponent == 0) {  // zero, or less than 2^-14
    made = float(fraction) / 16777216.0F;
    return sign ? -made : made;
  }
  std::memcpy(&made, &bits, sizeof made);
  return made;
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__clang__)
__attribute__((target_clones("default", "avx2", "avx512f")))
#endif
float dot(const float* first, const float* second, std::size_t dim) {
  float sums[16] = {};
  std::size_t at = 0;
  for (; at + 16 <= dim; at += 16)
    for (std::size_t n = 0; n < 16; ++n) sums[n] += first[at + n] * second[at + n];
  float sum = 0;
  for (const float one : sums) sum += one;
  for (; at < dim; ++at) sum += first[at] * second[at];
  return sum;
}

float hnswlib_dot(const float* first, const float* second, std::size_t dim) {
  std::size_t head = dim > 4 ? dim / 4 * 4 : dim % 4 ? 0 : dim;  // space_ip.h: in four sums
  if (dim > 16 && dim % 4) head = dim / 16 * 16;
  float sums[4] = {};
  for (std::size_t at = 0; at < head; at += 4)
    for (std::size_t n = 0; n < 4; ++n) sums[n] += first[at + n] * second[at + n];
  float tail = 0;
  for (std::size_t at = head; at < dim; ++at) tail += first[at] * second[at];
  return sums[0] + sums[1] + sums[2] + sums[3] + tail;
}

double exact_dot(const float* row, const float* query, std::size_t dim, double* scratch) {
  for (std::size_t n = 0; n < dim; ++n) scratch[n] = double(row[n]) * double(query[n]);
  return pairwise_sum(scratch, dim);
}

void keep_best(std::vector<Scored>& scored, std::size_t k) {
  const auto better = [](const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  };
  const std::size_t kept = std::min(k, scored.size());
  std::partial_sort(scored.begin(), scored.begin() + std::ptrdiff_t(kept), scored.end(), better);
  scored.resize(kept);
}

}  // namespace zscr
