// How a tokenizer spells a word by its vocabulary.
#pragma once

#include <unordered_map>

#include "tokenizer.hpp"

namespace zscr {

class Model {
 public:
  virtual ~Model() = default;
  // Appends a word's tokens.
  virtual void add(const Chars& word, std::vector<Token>& made) const = 0;
};

// Makes the model of a tokenizer's file; throws a MISSING fault where it is of another kind.
std::unique_ptr<Model> make_model(const Json& file);

// Returns the character that stands for a byte in a vocabulary of bytes (Radford et al. 2019).
char32_t sign_of(unsigned char byte);

}  // namespace zscr
