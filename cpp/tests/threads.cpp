// Threads that search with one searcher until its index has a generation, which others commit:
// zscr-threads BUNDLE ONNXRUNTIME GENERATION IMAGE THREADS [COMPOSITION]... asks by a text, an
// image, a vector, and by each composition of both. Prints how many answers there were.
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <zscr.hpp>

namespace {

// Says what is wrong with an answer of five hits; nothing where it is sound.
std::string fault_of(const zscr::Answer& answer) {
  if (answer.error) return *answer.error;
  for (const std::string& note : answer.notes)
    if (!note.rfind("answered from generation", 0)) return note;
  if (answer.hits.size() != 5) return std::to_string(answer.hits.size()) + " hits";
  for (std::size_t n = 0; n < answer.hits.size(); ++n) {
    const zscr::Hit& hit = answer.hits[n];
    if (hit.rank != int(n) + 1 || hit.id.empty()) return "a hit that is none";
    if (n && hit.score > answer.hits[n - 1].score) return "hits that are not in their order";
  }
  return "";
}

}  // namespace

int main(int, char** given) try {
  zscr::Options options;
  options.onnxruntime = given[2];
  options.threads = 1;
  const auto searcher = zscr::Searcher::open(given[1], "", options);
  const auto last = std::strtoull(given[3], nullptr, 10);
  std::atomic<int> answered{0}, wrong{0};
  const auto search = [&](int number) {
    std::vector<float> row(searcher.dim());
    row[std::size_t(number) % row.size()] = 1;
    std::vector<zscr::Query> asked{zscr::Query::of_text("a bird on the beach"),
                                   zscr::Query::of_image(given[4])};
    for (char** name = given + 6; *name; ++name) {
      asked.push_back(zscr::Query::of_image(given[4]));
      asked.back().text = "in blue";
      asked.back().compose = *name;
    }
    while (searcher.generation() < last && !wrong) {
      auto answers = searcher.search(asked, {5, 0, number % 2 == 0});
      answers.push_back(searcher.search_vectors(row, {5, 0, number % 2 == 1}).at(0));
      for (const zscr::Answer& answer : answers) {
        ++answered;
        if (const std::string fault = fault_of(answer); !fault.empty() && !wrong++)
          std::cerr << fault << '\n';
      }
    }
  };
  std::cout << "open" << std::endl;
  std::vector<std::thread> threads;
  for (int n = 0; n < std::atoi(given[5]); ++n) threads.emplace_back(search, n);
  for (std::thread& one : threads) one.join();
  std::cout << answered << " answers\n";
  return wrong ? 1 : 0;
} catch (const zscr::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
