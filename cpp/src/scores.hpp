// Products of unit rows: fast ones that preselect, and exact ones, bit for bit those of Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace zscr {

struct Scored {
  double score;
  std::int64_t row;
};

float half_to_float(std::uint16_t half);
float dot(const float* first, const float* second, std::size_t dim);
// Returns the product as hnswlib adds it up where it is compiled for any processor of its kind, so
// that rows that are all but equally near are met in the same order.
float hnswlib_dot(const float* first, const float* second, std::size_t dim);

double pairwise_sum(const double* numbers, std::size_t count);  // in numpy's order

// Returns the product in float64, added up in numpy's order; `scratch` holds `dim` numbers.
double exact_dot(const float* row, const float* query, std::size_t dim, double* scratch);

// Keeps the k best, best first; ties go to the lower row.
void keep_best(std::vector<Scored>& scored, std::size_t k);

}  // namespace zscr
