// Sentences in which an image stands for a word, at one free-standing `*`, and their templates.
#pragma once

#include <string>

namespace zscr {

constexpr char kPlace = '*';
constexpr char kCaption[] = "{}";  // a text's place in a template

// A text around the place of an image.
struct Sentence {
  std::u32string sides[2];  // what stands before the place, and what behind it
  int own;                  // the side that may be cut where the text is too long,
  std::size_t start, stop;  // and its characters that may be
  bool whole;               // the user wrote all of it; else what may be cut

  // The characters of a side that the user wrote: [first, second).
  std::pair<std::size_t, std::size_t> asked(int side) const;
};

// A sentence with one place for an image, `*`, and one for a caption, `{}`.
class Template {
 public:
  explicit Template(std::u32string text);  // throws an INPUT fault: it has not one of each
  // Returns the sentence that a text makes: itself where it has a place, else the template with it.
  // Throws an INPUT fault: it has two places, or its `*` touches another character.
  Sentence sentence(const std::u32string& text) const;

 private:
  std::u32string text_;
};

}  // namespace zscr
