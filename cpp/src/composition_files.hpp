// The rows and words that a bundle's compositions name, each read and checked once.
#pragma once

#include <mutex>

#include "manifest.hpp"
#include "numbers.hpp"

namespace zscr {

// Finite numbers (rows, columns), row after row.
struct Matrix {
  std::size_t rows, columns;
  std::vector<float> numbers;

  Numbers row(std::size_t row) const;
};

class CompositionFiles {
 public:
  CompositionFiles(const Manifest& bundle, std::size_t dim) : bundle_(bundle), dim_(dim) {}

  // What a file holds; an ARTEFACT fault: it is missing, damaged or of another shape.
  Numbers row(const std::string& name) const;                            // (dim)
  const Matrix& rows(const std::string& name) const;                     // (any, dim)
  const Matrix& columns(const std::string& name) const;                  // (dim, any)
  const std::vector<std::string>& words(const std::string& name) const;  // one a line

 private:
  const Manifest& bundle_;
  std::size_t dim_;
  mutable std::mutex reading_;
  mutable std::map<std::string, Matrix> arrays_;  // by the file and what it is to hold
  mutable std::map<std::string, std::vector<std::string>> words_;

  // A shape's 0 is any length.
  const Matrix& array(const std::string& name, const std::vector<std::size_t>& shape) const;
};

}  // namespace zscr
