// Answers captions, a line each: the images that are most like them, as tab-separated lines.
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string>
#include <zscr.hpp>

namespace {

constexpr char kUsage[] =
    "usage: zscr-query BUNDLE [INDEX] [-k K] [--threads N] [--exact] [--onnxruntime PATH] < "
    "captions\n";

void print(const std::string& text, const zscr::Answer& answer) {
  for (const zscr::Hit& hit : answer.hits)
    std::cout << text << '\t' << hit.rank << '\t' << hit.id << '\t' << hit.score << '\n';
  for (const std::string& note : answer.notes) std::cerr << text << ": " << note << '\n';
  if (answer.error) std::cerr << "error: " << *answer.error << '\n';
}

}  // namespace

int main(int count, char** arguments) try {
  std::vector<std::string> folders;
  zscr::Options options;
  zscr::How how;
  for (int n = 1; n < count; ++n) {
    const std::string one = arguments[n];
    if (one == "--exact") {
      how.exact = true;
    } else if (one[0] != '-') {
      folders.push_back(one);
    } else if (n + 1 == count) {
      folders.clear();
      break;
    } else if (one == "-k") {
      how.k = std::atoi(arguments[++n]);
    } else if (one == "--threads") {
      options.threads = std::atoi(arguments[++n]);
    } else if (one == "--onnxruntime") {
      options.onnxruntime = arguments[++n];
    }
  }
  if (folders.empty() || folders.size() > 2) {
    std::cerr << kUsage;
    return 2;
  }
  const auto searcher =
      zscr::Searcher::open(folders[0], folders.size() > 1 ? folders[1] : "", options);
  bool failed = false;
  std::cout << std::setprecision(17);
  for (std::string text; std::getline(std::cin, text);) {
    const zscr::Answer answer = searcher.search({zscr::Query::of_text(text)}, how).at(0);
    print(text, answer);
    failed = failed || answer.error;
  }
  return failed;
} catch (const zscr::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
