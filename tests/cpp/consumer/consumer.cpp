#include <iostream>
#include <zscr.hpp>

int main(int, char **arguments) {
  try {
    zscr::Options options;
    options.onnxruntime = arguments[2];
    auto opened = zscr::Searcher::open(arguments[1], "", options);
    const zscr::Searcher searcher = std::move(opened); // it moves
    std::cout << searcher.search(arguments[3], 1).hits.at(0).id << "\n";
    const auto row = searcher.embed(zscr::Query::of_text(arguments[3]));
    std::cout << searcher.search_vectors(row, {1}).at(0).hits.at(0).id << "\n";
    searcher.search("");
  } catch (const zscr::Error &error) {
    std::cout << error.code() << " " << error.what() << "\n";
  }
}
