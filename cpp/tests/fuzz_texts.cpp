// Tokenizers, and the texts that they are asked of.
#include "../src/text_input.hpp"
#include "../src/unicode.hpp"
#include "fuzz.hpp"

namespace zscr::fuzz {

void read_tokenizer(std::string_view bytes) {
  const TextReader reader(parse_json(bytes), 16, {});
  for (const char32_t* text : {U"a small bird's red crown; 3 na\u00efve CAF\u00c9s", U"",
                               U"\u65e5\u672c <|endoftext|>[MASK] \u0e01\u0e33\U0001F415  x"})
    require(reader.read(text).ids.size() <= 16, "a text has 16 tokens at most");
}

void read_text(std::string_view bytes) {
  static const auto kReaders = [] {
    std::vector<std::unique_ptr<const TextReader>> made;
    for (const auto& file : fs::directory_iterator(sample() / "tokenizers"))
      made.push_back(std::make_unique<const TextReader>(read_json(file.path()), 16, std::nullopt));
    return made;
  }();
  decoded(printable(bytes));
  const std::u32string text = nfc(decoded(bytes));
  require(nfc(text) == text, "normal form C of itself is itself");
  require(decoded(encoded(text)) == text, "UTF-8 is read as it was written");
  for (const auto& reader : kReaders)
    require(reader->read(text).ids.size() <= 16, "a text has 16 tokens at most");
  CharacterReader(U"abc \u00e4", 40).read(text);
}

}  // namespace zscr::fuzz
