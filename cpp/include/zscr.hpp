// zscr in C++17: the C functions of zscr.h behind types that free what they hold and throw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "zscr.h"

namespace zscr {

// What a call could not do: one sentence, and the code of zscr.h.
class Error : public std::runtime_error {
 public:
  explicit Error(int code) : Error(code, zscr_message()) {}
  Error(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  int code() const noexcept { return code_; }

 private:
  int code_;
};

struct Query {
  using Bytes = std::vector<unsigned char>;

  std::optional<std::string> text;
  std::vector<float> vector;
  std::string id;                   // empty: its number
  std::string image, sketch;        // files; empty: none
  Bytes image_bytes, sketch_bytes;  // in their place: what they hold
  // Of a text beside an image or a sketch: what it replaces, and the composition that answers.
  std::optional<std::string> instead_of, compose;

  static Query of_text(std::string text) { return of(&Query::text, std::move(text)); }
  static Query of_vector(std::vector<float> row) { return of(&Query::vector, std::move(row)); }
  static Query of_image(std::string path) { return of(&Query::image, std::move(path)); }
  static Query of_image(Bytes bytes) { return of(&Query::image_bytes, std::move(bytes)); }
  static Query of_sketch(std::string path) { return of(&Query::sketch, std::move(path)); }
  static Query of_sketch(Bytes bytes) { return of(&Query::sketch_bytes, std::move(bytes)); }

 private:
  template <typename Field, typename Value>
  static Query of(Field Query::*field, Value value) {
    Query made;
    made.*field = std::move(value);
    return made;
  }
};

struct Hit {
  int rank;
  std::string id;
  double score;
  std::optional<std::string> class_id, image;
  std::string sha256;
  std::optional<double> above_unrelated;
};

struct Answer {
  std::vector<Hit> hits;  // best first
  std::vector<std::string> notes;
  std::string ran;
  bool nothing = false;
  std::optional<std::string> error;        // there are no hits then
  std::optional<std::string> composition;  // of an answer to several fields
};

struct Options {
  std::string onnxruntime;  // its library, or a folder that has one
  int threads = 0;
  bool keep_generation = false;
  std::string provider;  // what computes, such as `ort-cuda`; empty is `ort-cpu`
  std::string precision;  // of the graphs that answer queries; empty: the bundle's own choice
};

struct How {
  int k = 10;
  int ef = 0;
  bool exact = false;
  double min_score = ZSCR_ALL_SCORES;  // images that score less are left out
};

// A bundle and an index together. It moves and does not copy; any number of threads may search.
class Searcher {
 public:
  static Searcher open(const std::string& bundle, const std::string& index = "",
                       const Options& options = {}) {
    zscr_options how = ZSCR_OPTIONS_INIT;
    how.onnxruntime = options.onnxruntime.empty() ? nullptr : options.onnxruntime.c_str();
    how.provider = options.provider.empty() ? nullptr : options.provider.c_str();
    how.threads = options.threads;
    how.keep_generation = options.keep_generation;
    how.precision = options.precision.empty() ? nullptr : options.precision.c_str();
    zscr_searcher* made = nullptr;
    check(zscr_open(bundle.c_str(), index.empty() ? nullptr : index.c_str(), &how, &made));
    return Searcher(made);
  }

  std::vector<Answer> search(const std::vector<Query>& queries, const How& how = {}) const {
    std::vector<zscr_query> asked;
    for (const Query& query : queries) asked.push_back(plain(query));
    const zscr_how wanted = plain(how);
    zscr_answers* found = nullptr;
    check(zscr_search(held_.get(), asked.data(), asked.size(), &wanted, &found));
    return taken(found);
  }

  // Answers one text; throws where it cannot be read.
  Answer search(const std::string& text, int k = 10) const {
    Answer answer = search({Query::of_text(text)}, with(k)).at(0);
    if (answer.error) throw Error(ZSCR_INPUT, *answer.error);
    return answer;
  }

  // Searches with unit rows (count, dim) of the index's own space, one after the other.
  std::vector<Answer> search_vectors(const std::vector<float>& rows, const How& how = {}) const {
    if (rows.size() % dim()) throw Error(ZSCR_INPUT, "the vectors are no whole number of rows");
    const zscr_how wanted = plain(how);
    zscr_answers* found = nullptr;
    check(
        zscr_search_vectors(held_.get(), rows.data(), rows.size() / dim(), dim(), &wanted, &found));
    return taken(found);
  }

  std::vector<float> embed(const Query& query) const {
    std::vector<float> row(dim());
    const zscr_query asked = plain(query);
    check(zscr_embed(held_.get(), &asked, row.data(), row.size()));
    return row;
  }

  std::size_t dim() const { return zscr_dim(held_.get()); }
  std::uint64_t count() const { return zscr_count(held_.get()); }
  std::uint64_t generation() const { return zscr_generation(held_.get()); }

 private:
  struct Closer {
    void operator()(zscr_searcher* searcher) const noexcept { zscr_close(searcher); }
    void operator()(zscr_answers* answers) const noexcept { zscr_free_answers(answers); }
  };
  std::unique_ptr<zscr_searcher, Closer> held_;

  explicit Searcher(zscr_searcher* made) : held_(made) {}

  static void check(int code) {
    if (code != ZSCR_OK) throw Error(code);
  }

  static How with(int k) {
    How made;
    made.k = k;
    return made;
  }

  static zscr_how plain(const How& how) {
    return {sizeof(zscr_how), how.k, how.ef, how.exact, how.min_score};
  }

  static zscr_query plain(const Query& query) {
    zscr_query made = ZSCR_QUERY_INIT;
    if (!query.id.empty()) made.id = query.id.c_str();
    if (query.text) made.text = query.text->data(), made.text_size = query.text->size();
    if (!query.vector.empty()) {
      made.vector = query.vector.data();
      made.vector_size = query.vector.size();
    }
    if (!query.image.empty()) made.image = query.image.c_str();
    if (!query.sketch.empty()) made.sketch = query.sketch.c_str();
    if (!query.sketch_bytes.empty()) {
      made.sketch_bytes = query.sketch_bytes.data();
      made.sketch_size = query.sketch_bytes.size();
    }
    if (!query.image_bytes.empty()) {
      made.image_bytes = query.image_bytes.data();
      made.image_size = query.image_bytes.size();
    }
    if (query.instead_of) made.instead_of = query.instead_of->c_str();
    if (query.compose) made.compose = query.compose->c_str();
    return made;
  }

  static std::optional<std::string> maybe(const char* text) {
    return text ? std::optional<std::string>(text) : std::nullopt;
  }

  static std::vector<Answer> taken(zscr_answers* found) {
    const std::unique_ptr<zscr_answers, Closer> held(found);
    std::vector<Answer> answers;
    for (std::size_t n = 0; n < zscr_answer_count(found); ++n) {
      const zscr_answer& one = *zscr_answer_at(found, n);
      Answer answer;
      for (const zscr_hit* hit = one.hits; hit != one.hits + one.hit_count; ++hit) {
        std::optional<double> above;
        if (hit->above_unrelated >= 0) above = hit->above_unrelated;
        answer.hits.push_back({hit->rank, hit->id, hit->score, maybe(hit->class_id),
                               maybe(hit->image), hit->sha256, above});
      }
      answer.notes.assign(one.notes, one.notes + one.note_count);
      answer.ran = one.ran;
      answer.nothing = one.nothing != 0;
      answer.error = maybe(one.error);
      answer.composition = maybe(one.composition);
      answers.push_back(std::move(answer));
    }
    return answers;
  }
};

}  // namespace zscr
