#include "scoring.hpp"

#include <algorithm>
#include <cmath>

namespace zscr {
namespace {

constexpr std::size_t kExact = 50000;  // images up to which neighbours are found by exact search
constexpr std::size_t kWider = 2;      // candidates that HNSW keeps for each of them
constexpr double kLeastDivisor = 1e-6;

// Returns V V' row of orthonormal columns V.
Numbers projected(const Numbers& row, const Matrix& columns) {
  Numbers inner(columns.columns), made(row.size());
  for (std::size_t n = 0; n < row.size(); ++n) {
    const float* const numbers = &columns.numbers[n * columns.columns];
    for (std::size_t k = 0; k < inner.size(); ++k) inner[k] += row[n] * double(numbers[k]);
  }
  for (std::size_t n = 0; n < row.size(); ++n) made[n] = product(columns.row(n), inner);
  return made;
}

}  // namespace

std::vector<Scored> neighbours(const Index& index, const std::vector<float>& direction,
                               std::size_t n) {
  const bool exact = index.count() <= kExact || !index.has_hnsw();
  const std::size_t ef = exact ? 0 : std::max(kWider * n, index.ef());
  return index.search(direction.data(), n, ef, exact).rows;
}

Scoring::Scoring(const Composition& composition, const CompositionFiles& files, const Index& index,
                 const Statistics& statistics)
    : composition_(composition), files_(files), index_(index), statistics_(statistics) {
  const auto& channels = composition.channels;
  const bool centred =
      std::any_of(channels.begin(), channels.end(), [](const Channel& one) { return one.centred; });
  if (!centred) return;
  mean_ = composition.gallery_mean.empty() ? statistics.mean(index)
                                           : files.row(composition.gallery_mean);
}

Numbers Scoring::mean_of(const Channel& channel) const {
  return channel.mean.empty() ? mean_ : files_.row(channel.mean);
}

std::vector<Affine> Scoring::channels(ComposedBatch& batch, std::size_t place,
                                      const std::vector<Numbers>& rows) const {
  std::vector<Affine> made;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const Channel& own = composition_.channels[n];
    Numbers row = rows[n];
    if (own.centred) add(row, -1, mean_of(own));
    made.push_back(channel(own, row));
    if (composition_.expansion && own.field != "text")
      made.back() = channel(own, expanded(batch, place, own, row, made.back()));
  }
  if (composition_.fusion.kind == "harris") normalise(made);
  return made;
}

Affine Scoring::channel(const Channel& channel, const Numbers& row) const {
  const Numbers& centre = channel.centred ? mean_ : Numbers();
  if (channel.projection.empty()) return affine(row, centre);
  return affine(projected(row, files_.columns(channel.projection)), centre);
}

// Returns a query's mean with its best images, weighted by their scores; told where they are fewer.
Numbers Scoring::expanded(ComposedBatch& batch, std::size_t place, const Channel& channel,
                          const Numbers& row, const Affine& made) const {
  const Expansion& how = *composition_.expansion;
  const auto found = neighbours(index_, made.direction, how.images);
  if (found.size() < how.images)
    batch.notes[place].push_back("expanded by all " + std::to_string(found.size()) +
                                 " images, not by " + std::to_string(how.images));
  std::vector<float> scratch(row.size());
  Numbers sum(row), weights{1};  // the query's own score is 1
  for (const Scored& one : found) {
    const double score = made.put_back(one.score);
    weights.push_back(std::exp(how.sharpness * (score - 1)));
    const float* const numbers = index_.row(std::size_t(one.row), scratch.data());
    Numbers image(numbers, numbers + row.size());
    if (channel.centred) add(image, -1, mean_);
    add(sum, weights.back(), image);
  }
  const double all = pairwise_sum(weights.data(), weights.size());
  for (double& one : sum) one /= all;
  return sum;
}

// Makes the scores of channels that are all centred (s - m) / d with the least score m of each.
void Scoring::normalise(std::vector<Affine>& made) const {
  const auto& own = composition_.channels;
  if (!std::all_of(own.begin(), own.end(), [](const Channel& one) { return one.centred; })) return;
  double first = 0;
  for (std::size_t n = 0; n < made.size(); ++n) {
    const double low = least(own[n]), size = std::max(std::abs(low), kLeastDivisor);
    if (!n) first = size;
    const double divisor = composition_.fusion.own_divisor ? size : first;
    made[n].shift = (made[n].shift - low) / divisor;
    made[n].length /= divisor;
  }
}

// Returns the least that a channel scores: stored, or of the index's own images.
double Scoring::least(const Channel& channel) const {
  if (channel.least) return *channel.least;
  std::vector<Numbers> rows;
  if (!channel.samples.empty()) {
    const Matrix& samples = files_.rows(channel.samples);
    const Numbers mean = mean_of(channel);
    for (std::size_t n = 0; n < samples.rows; ++n) {
      rows.push_back(samples.row(n));
      add(rows.back(), -1, mean);
    }
  } else if (channel.field == "text") {
    damaged("the composition '" + composition_.name +
            "' has neither the least that texts score nor samples to measure it with; make the "
            "bundle anew");
  }
  const std::string name = composition_.gallery_mean + '\n' + channel.mean + '\n' + channel.samples;
  return statistics_.least(index_, name, rows, mean_);
}

std::vector<Scored> Scoring::best(const std::vector<Affine>& channels, std::size_t k) const {
  const std::size_t count = index_.count(), dim = index_.dim;
  std::vector<float> scratch(dim);
  Numbers terms(dim), scores(channels.size());
  std::vector<Numbers> products(channels.size(), Numbers(count));
  for (std::size_t row = 0; row < count; ++row) {
    const float* const numbers = index_.row(row, scratch.data());
    for (std::size_t n = 0; n < channels.size(); ++n)
      products[n][row] = exact_dot(numbers, channels[n].direction.data(), dim, terms.data());
  }
  std::vector<Moments> spread;
  if (composition_.fusion.kind == "cdf")
    for (std::size_t n = 0; n < channels.size(); ++n)
      spread.push_back(moments(channels[n], products[n]));
  std::vector<Scored> made(count);
  for (std::size_t row = 0; row < count; ++row) {
    for (std::size_t n = 0; n < channels.size(); ++n)
      scores[n] = channels[n].put_back(products[n][row]);
    made[row] = {fused(scores, composition_.fusion, spread), std::int64_t(row)};
  }
  keep_best(made, k);
  return made;
}

// Returns mean and deviation of a channel's scores over the gallery: by the stored moments, or of
// all products with the index.
Moments Scoring::moments(const Affine& channel, const std::vector<double>& products) const {
  const Numbers direction = wide(channel.direction);
  double mean, variance = 0;
  if (composition_.moments.empty()) {
    mean = product(direction, statistics_.mean(index_));
    for (const double one : products) variance += (one - mean) * (one - mean);
    variance /= double(products.size());
  } else {
    const Matrix& stored = files_.rows(composition_.moments);
    if (stored.rows != stored.columns + 1)
      damaged(composition_.moments + " holds " + std::to_string(stored.rows) +
              " rows, not a mean and a covariance of " + std::to_string(stored.columns) +
              "; make the bundle anew");
    mean = product(direction, stored.row(0));
    for (std::size_t n = 0; n < direction.size(); ++n)
      variance += direction[n] * product(stored.row(n + 1), direction);
  }
  return {channel.put_back(mean), channel.length * std::sqrt(std::max(variance, 0.0))};
}

}  // namespace zscr
