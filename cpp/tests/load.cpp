// For benchmarks: ONNXRUNTIME GRAPH THREADS. Loads the library and one graph as libzscr does, and
// nothing else: what onnxruntime itself takes before any query can be answered.
#include <iostream>

#include "../src/file.hpp"
#include "../src/runner.hpp"

int main(int, char** arguments) try {
  const std::string graph = zscr::read_file(arguments[2], std::size_t(1) << 32);
  const zscr::Runtime runtime{arguments[1], "", std::stoi(arguments[3]), ""};
  const zscr::Runner runner(runtime, graph, arguments[2], "embedding", 1);
  std::cout << runner.ran() << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
