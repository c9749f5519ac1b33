// What compositions ask about a gallery: its mean, and what least its images score.
#pragma once

#include <mutex>

#include "index.hpp"
#include "numbers.hpp"

namespace zscr {

// Of the images of one generation of an index; each figure is measured when it is first asked for.
class Statistics {
 public:
  explicit Statistics(const std::shared_ptr<const Index>& index) : index_(index) {}

  bool is_of(const std::shared_ptr<const Index>& index) const { return index_.lock() == index; }
  const Numbers& mean(const Index& index) const;
  // Returns the least product of at most 1,000 of the images, evenly spaced and less `mean`, with
  // rows, or with each other where there are none. `name` is what it is kept under.
  double least(const Index& index, const std::string& name, const std::vector<Numbers>& rows,
               const Numbers& mean) const;

 private:
  std::weak_ptr<const Index> index_;  // which nothing here keeps
  mutable std::once_flag mean_once_;
  mutable Numbers mean_;
  mutable std::mutex measuring_;
  mutable std::map<std::string, double> least_;
};

}  // namespace zscr
