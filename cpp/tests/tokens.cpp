// For tests: tokenizer.json and the length, then a JSON string a line -> ids, cut, unknown, blank.
#include <iostream>

#include "../src/file.hpp"
#include "../src/text_input.hpp"
#include "../src/unicode.hpp"

int main(int, char** arguments) try {
  const std::string raw = zscr::read_file(arguments[1], std::size_t(1) << 30);
  const zscr::TextReader reader(zscr::parse_json(raw), std::stoul(arguments[2]), std::nullopt);
  for (std::string line; std::getline(std::cin, line);) {
    const auto text = zscr::nfc(zscr::decoded(zscr::parse_json(line).text(1 << 30)));
    const zscr::ReadText found = reader.read(text);
    std::cout << "[[";
    for (std::size_t n = 0; n < found.ids.size(); ++n) std::cout << (n ? "," : "") << found.ids[n];
    std::cout << "]," << (found.cut ? "true" : "false") << ",[";
    for (std::size_t n = 0; n < found.unknown.size(); ++n) {
      std::cout << (n ? "," : "") << '[';
      const std::u32string word = zscr::decoded(found.unknown[n]);
      for (std::size_t c = 0; c < word.size(); ++c)
        std::cout << (c ? "," : "") << std::uint32_t(word[c]);
      std::cout << ']';
    }
    std::cout << "]," << (found.blank ? "true" : "false") << "]\n";
  }
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
