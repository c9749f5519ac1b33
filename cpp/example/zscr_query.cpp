// Answers captions, a line each, or images, alone or beside a text: what is most like them, as
// tab-separated lines.
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <optional>
#include <string>
#include <zscr.hpp>

namespace {

constexpr char kUsage[] =
    "usage: zscr-query BUNDLE [INDEX] [-k K] [--threads N] [--exact] [--onnxruntime PATH] "
    "[--provider ort-cpu|ort-cuda|...] [--precision NAME] [--min-score S] [--image FILE]... "
    "[--sketch FILE]... [--text TEXT] [--instead-of TEXT] [--compose NAME] [< captions]\n";

struct Arguments {
  std::vector<std::string> folders;
  std::vector<std::pair<std::string, zscr::Query>> queries;  // by what they are called
  std::optional<std::string> text, instead_of, compose;      // of each of them
  zscr::Options options;
  zscr::How how;
};

// Reads arguments; without a folder where they are none that can be used.
Arguments read(int count, char** given) {
  Arguments made;
  for (int n = 1; n < count; ++n) {
    const std::string one = given[n];
    if (one == "--exact") {
      made.how.exact = true;
    } else if (one[0] != '-') {
      made.folders.push_back(one);
    } else if (n + 1 == count) {
      return {};
    } else if (one == "-k") {
      made.how.k = std::atoi(given[++n]);
    } else if (one == "--threads") {
      made.options.threads = std::atoi(given[++n]);
    } else if (one == "--onnxruntime") {
      made.options.onnxruntime = given[++n];
    } else if (one == "--provider") {
      made.options.provider = given[++n];
    } else if (one == "--precision") {
      made.options.precision = given[++n];
    } else if (one == "--image") {
      ++n;
      made.queries.emplace_back(given[n], zscr::Query::of_image(given[n]));
    } else if (one == "--sketch") {
      ++n;
      made.queries.emplace_back(given[n], zscr::Query::of_sketch(given[n]));
    } else if (one == "--min-score") {
      char* end = nullptr;
      made.how.min_score = std::strtod(given[++n], &end);
      if (end == given[n] || *end) return {};
    } else if (one == "--text") {
      made.text = given[++n];
    } else if (one == "--instead-of") {
      made.instead_of = given[++n];
    } else if (one == "--compose") {
      made.compose = given[++n];
    } else {
      return {};
    }
  }
  return made;
}

// Returns a query with a text beside it, and with what else was said of all.
zscr::Query with(zscr::Query query, const Arguments& asked, std::optional<std::string> text) {
  query.text = std::move(text);
  query.instead_of = asked.instead_of;
  query.compose = asked.compose;
  return query;
}

// Prints an answer; false where there is none.
bool print(const std::string& asked, const zscr::Answer& answer) {
  for (const zscr::Hit& hit : answer.hits)
    std::cout << asked << '\t' << hit.rank << '\t' << hit.id << '\t' << hit.score << '\n';
  if (answer.composition) std::cerr << asked << ": composed by " << *answer.composition << '\n';
  for (const std::string& note : answer.notes) std::cerr << asked << ": " << note << '\n';
  if (answer.error) std::cerr << "error: " << *answer.error << '\n';
  return !answer.error;
}

}  // namespace

int main(int count, char** given) try {
  const Arguments asked = read(count, given);
  if (asked.folders.empty() || asked.folders.size() > 2) {
    std::cerr << kUsage;
    return 2;
  }
  const auto searcher = zscr::Searcher::open(
      asked.folders[0], asked.folders.size() > 1 ? asked.folders[1] : "", asked.options);
  bool answered = true;
  std::cout << std::setprecision(17);
  const auto answer = [&](const std::string& name, const zscr::Query& query) {
    if (!print(name, searcher.search({query}, asked.how).at(0))) answered = false;
  };
  for (const auto& [name, query] : asked.queries)
    answer(asked.text ? name + " + " + *asked.text : name, with(query, asked, asked.text));
  if (!asked.queries.empty()) return !answered;
  if (asked.text) {
    answer(*asked.text, with({}, asked, asked.text));
    return !answered;
  }
  for (std::string text; std::getline(std::cin, text);) answer(text, with({}, asked, text));
  return !answered;
} catch (const zscr::Error& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
