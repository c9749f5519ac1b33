// Channels' scores fused into one, and what makes them comparable; see docs/formats.md.
#pragma once

#include "composition.hpp"
#include "numbers.hpp"

namespace zscr {

// One channel of a query: image x scores length · (direction·x) + shift.
struct Affine {
  std::vector<float> direction;  // of length 1: what an index is asked with
  double length, shift;          // length 0: the query says the same of every image

  double put_back(double product) const { return product * length + shift; }
};

// Of a channel's scores over the gallery.
struct Moments {
  double mean, deviation;
};

// Returns the channel whose scores are row·(x - gallery_mean); an empty mean is zero.
Affine affine(const Numbers& row, const Numbers& gallery_mean);

// Returns the weights of a fusion that makes one vector; `cosine` is of two unit rows, for slerp.
Numbers weights_of(const Fusion& fusion, std::size_t channels, double cosine);

// Fuses the scores of an image's channels; `moments` are for `cdf`.
double fused(const Numbers& scores, const Fusion& fusion, const std::vector<Moments>& moments);

}  // namespace zscr
