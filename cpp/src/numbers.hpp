// Vectors of float64, added up in numpy's order where Python adds them so.
#pragma once

#include <vector>

#include "scores.hpp"

namespace zscr {

using Numbers = std::vector<double>;

double product(const Numbers& first, const Numbers& second);
double norm(const Numbers& row);
Numbers unit(const Numbers& row);  // of length 1; zeros stay
Numbers wide(const std::vector<float>& row);
std::vector<float> narrow(const Numbers& row);

// Adds `weight` times a row to another.
void add(Numbers& sum, double weight, const Numbers& row);

}  // namespace zscr
