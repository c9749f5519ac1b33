// For benchmarks: BUNDLE INDEX ONNXRUNTIME THREADS, then a caption a line -> nanoseconds by the
// clock and of CPU time that its ten images took, and the best one; an empty line -> the memory.
#include <ctime>
#include <fstream>
#include <iostream>
#include <zscr.hpp>

namespace {

long long now(clockid_t clock) {
  timespec found{};
  clock_gettime(clock, &found);
  return found.tv_sec * 1000000000LL + found.tv_nsec;
}

// Returns what the kernel says of this process's memory: kB at most, and now.
std::string memory() {
  std::ifstream told("/proc/self/status");
  std::string most, now;
  for (std::string key; told >> key;)
    if (key == "VmHWM:")
      told >> most;
    else if (key == "VmRSS:")
      told >> now;
  return most + ' ' + now;
}

}  // namespace

int main(int, char** arguments) try {
  zscr::Options options;
  options.onnxruntime = arguments[3];
  options.threads = std::stoi(arguments[4]);
  const auto searcher = zscr::Searcher::open(arguments[1], arguments[2], options);
  for (std::string text; std::getline(std::cin, text);) {
    if (text.empty()) {
      std::cout << memory() << std::endl;
      continue;
    }
    const long long wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    const zscr::Answer answer = searcher.search(text, 10);
    const long long used = now(CLOCK_PROCESS_CPUTIME_ID) - cpu, took = now(CLOCK_MONOTONIC) - wall;
    std::cout << took << ' ' << used << ' ' << answer.hits.at(0).id << std::endl;
  }
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
