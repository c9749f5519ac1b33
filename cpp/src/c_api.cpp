// The functions of zscr.h: arguments checked, faults kept as a code and a sentence.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <new>

#include "searcher.hpp"
#include "zscr.h"

#ifndef ZSCR_VERSION
#define ZSCR_VERSION "0"
#endif

struct zscr_searcher {
  zscr::Searcher held;
};

// Answers in C++, and the pointers to them that C is shown.
struct zscr_answers {
  std::vector<zscr::Answer> held;
  std::vector<std::vector<zscr_hit>> hits;
  std::vector<std::vector<const char*>> notes;
  std::vector<zscr_answer> shown;

  explicit zscr_answers(std::vector<zscr::Answer> answers) : held(std::move(answers)) {
    const auto maybe = [](const std::optional<std::string>& one) {
      return one ? one->c_str() : nullptr;
    };
    for (const zscr::Answer& answer : held) {
      auto& own = hits.emplace_back();
      for (const zscr::Hit& hit : answer.hits)
        own.push_back({hit.rank, hit.score, hit.entry.id.c_str(), maybe(hit.entry.class_id),
                       maybe(hit.entry.image), hit.entry.sha256.c_str(), hit.above_unrelated});
      auto& told = notes.emplace_back();
      for (const std::string& note : answer.notes) told.push_back(note.c_str());
      shown.push_back({own.data(), own.size(), told.data(), told.size(),
                       answer.error.empty() ? nullptr : answer.error.c_str(), answer.ran.c_str(),
                       answer.nothing,
                       answer.composition.empty() ? nullptr : answer.composition.c_str()});
    }
  }
};

namespace {

thread_local std::string message;

template <typename Work>
int guarded(Work work) noexcept {
  const auto kept = [](zscr_code code, const char* words) {
    try {
      message = words;
    } catch (...) {
      message.clear();
    }
    return int(code);
  };
  try {
    work();
    return ZSCR_OK;
  } catch (const zscr::Fault& fault) {
    return kept(fault.code, fault.what());
  } catch (const zscr::JsonFault& fault) {
    return kept(ZSCR_ARTEFACT, fault.what());
  } catch (const std::bad_alloc&) {
    return kept(ZSCR_INTERNAL, "there is not enough memory");
  } catch (const std::exception& error) {
    return kept(ZSCR_INTERNAL, error.what());
  } catch (...) {
    return kept(ZSCR_INTERNAL, "a fault of an unknown kind");
  }
}

void require(bool there, const char* what) {
  if (!there) zscr::unusable(std::string(what) + " is missing or not started from its INIT value");
}

// Returns a structure as this version has it: what an earlier one lacks is as in `made`, its INIT.
template <typename Structure>
Structure full(const Structure* given, Structure made, std::size_t least, const char* what) {
  require(given->size >= least, what);
  std::memcpy(&made, given, std::min(given->size, sizeof made));
  return made;
}

zscr_query full(const zscr_query* given) {
  return full(given, ZSCR_QUERY_INIT, offsetof(zscr_query, image_bytes), "a query");
}

std::optional<zscr::ImageFile> file(const char* path, const void* bytes, std::size_t size,
                                    const std::string& id) {
  if (path && bytes) zscr::unusable("query " + id + " has a file and bytes; give one");
  if (path) return zscr::ImageFile{path, ""};
  if (!bytes) return {};
  return zscr::ImageFile{"", std::string(static_cast<const char*>(bytes), size)};
}

zscr::Query made(const zscr_query& one, std::size_t number) {
  zscr::Query query;
  query.id = one.id ? one.id : std::to_string(number);
  if (one.text)
    query.text = one.text_size == ZSCR_TERMINATED ? std::string(one.text)
                                                  : std::string(one.text, one.text_size);
  if (one.vector) query.vector = std::vector<float>(one.vector, one.vector + one.vector_size);
  query.image = file(one.image, one.image_bytes, one.image_size, query.id);
  query.sketch = file(one.sketch, one.sketch_bytes, one.sketch_size, query.id);
  if (one.instead_of) query.instead_of = one.instead_of;
  if (one.compose) query.compose = one.compose;
  return query;
}

zscr::Wanted wanted(const zscr_how* how) {
  zscr_how given = ZSCR_HOW_INIT;
  if (how) given = full(how, given, offsetof(zscr_how, min_score), "how");
  if (given.k < 1 || given.ef < 0)
    zscr::unusable("k is " + std::to_string(given.k) + " and ef is " + std::to_string(given.ef) +
                   "; k must be at least 1, and ef 0 or more");
  if (std::isnan(given.min_score)) zscr::unusable("min_score is no number; give one, such as 0.5");
  return {std::size_t(given.k), std::size_t(given.ef), given.exact != 0, given.min_score};
}

}  // namespace

int zscr_open(const char* bundle, const char* index, const zscr_options* options,
              zscr_searcher** searcher) {
  return guarded([&] {
    require(bundle && searcher, "bundle or searcher");
    *searcher = nullptr;
    zscr_options given = ZSCR_OPTIONS_INIT;
    if (options) given = full(options, given, offsetof(zscr_options, precision), "options");
    if (given.threads < 0)
      throw zscr::Fault(ZSCR_CONFIG,
                        std::to_string(given.threads) +
                            " threads cannot run anything; give at least 1, or 0 for all");
    const std::optional<zscr::fs::path> named =
        index ? std::optional<zscr::fs::path>(index) : std::nullopt;
    const auto told = [](const char* one) { return std::string(one ? one : ""); };
    const zscr::Runtime runtime{told(given.onnxruntime), told(given.provider),
                                given.threads ? given.threads : zscr::usable_cores(),
                                told(given.precision)};
    *searcher = new zscr_searcher{{bundle, named, runtime, !given.keep_generation}};
  });
}

void zscr_close(zscr_searcher* searcher) { delete searcher; }

int zscr_search(zscr_searcher* searcher, const zscr_query* queries, size_t count,
                const zscr_how* how, zscr_answers** answers) {
  return guarded([&] {
    require(searcher && answers && (queries || !count), "searcher, queries or answers");
    *answers = nullptr;
    std::vector<zscr::Query> asked;
    const auto* at = reinterpret_cast<const char*>(queries);
    for (std::size_t n = 0; n < count; ++n) {  // of a later version, they may be longer
      const auto& one = *reinterpret_cast<const zscr_query*>(at);
      asked.push_back(made(full(&one), n + 1));
      at += one.size;
    }
    *answers = new zscr_answers(searcher->held.search(asked, wanted(how)));
  });
}

int zscr_search_vectors(zscr_searcher* searcher, const float* vectors, size_t count, size_t dim,
                        const zscr_how* how, zscr_answers** answers) {
  return guarded([&] {
    require(searcher && answers && (vectors || !count), "searcher, vectors or answers");
    *answers = nullptr;
    if (dim != searcher->held.dim())
      zscr::unusable("the vectors have " + std::to_string(dim) + " numbers, the index has " +
                     std::to_string(searcher->held.dim()) + "; embed with a bundle of its space");
    *answers = new zscr_answers(searcher->held.search_vectors(vectors, count, wanted(how)));
  });
}

int zscr_embed(zscr_searcher* searcher, const zscr_query* query, float* vector, size_t dim) {
  return guarded([&] {
    require(searcher && query && vector, "searcher, query or vector");
    if (dim != searcher->held.dim())
      zscr::unusable("there is room for " + std::to_string(dim) + " numbers, an embedding has " +
                     std::to_string(searcher->held.dim()));
    const std::vector<float> row = searcher->held.embed(made(full(query), 1));
    std::memcpy(vector, row.data(), row.size() * sizeof(float));
  });
}

size_t zscr_answer_count(const zscr_answers* answers) {
  return answers ? answers->shown.size() : 0;
}

const zscr_answer* zscr_answer_at(const zscr_answers* answers, size_t number) {
  return number < zscr_answer_count(answers) ? &answers->shown[number] : nullptr;
}

void zscr_free_answers(zscr_answers* answers) { delete answers; }

size_t zscr_dim(const zscr_searcher* searcher) { return searcher ? searcher->held.dim() : 0; }
uint64_t zscr_count(const zscr_searcher* searcher) {
  return searcher ? searcher->held.now()->count() : 0;
}
uint64_t zscr_generation(const zscr_searcher* searcher) {
  return searcher ? searcher->held.now()->generation : 0;
}

const char* zscr_message(void) { return message.c_str(); }
const char* zscr_version(void) { return ZSCR_VERSION; }
