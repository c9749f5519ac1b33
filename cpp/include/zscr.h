/* zscr: queries in, images out, without Python. A bundle and an index as zscr makes them.
 *
 * Functions return ZSCR_OK or a code; zscr_message() then has one sentence about it. Texts are
 * UTF-8. A searcher may be used by any number of threads at once; answers are the caller's own.
 * Structures begin with their size, so that later versions can add fields: start from the INIT
 * values. */
#ifndef ZSCR_H
#define ZSCR_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ZSCR_API __attribute__((visibility("default")))
#else
#define ZSCR_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum zscr_code {
  ZSCR_OK = 0,
  ZSCR_ARTEFACT = 1, /* a folder or file is missing, damaged or of another version */
  ZSCR_MISMATCH = 2, /* bundle and index do not belong together */
  ZSCR_INPUT = 3,    /* a query or an argument cannot be used */
  ZSCR_CONFIG = 4,   /* an option cannot be had on this machine */
  ZSCR_RUNTIME = 5,  /* onnxruntime is missing, too old, or none */
  ZSCR_MISSING = 6,  /* the bundle or query needs what this library does not have yet */
  ZSCR_INTERNAL = 7  /* no memory, or a fault of the library */
} zscr_code;

typedef struct zscr_searcher zscr_searcher;
typedef struct zscr_answers zscr_answers;

typedef struct zscr_options {
  size_t size;             /* of this structure */
  const char *onnxruntime; /* its library, or a folder that has one; NULL: see docs/cpp.md */
  const char *provider;    /* what computes, such as "ort-cuda"; NULL: "ort-cpu" */
  int threads;             /* of one query; 0: every core that the process may use */
  int keep_generation;     /* 0: follow the index on the disk; 1: stay with what was opened */
  const char *precision;   /* of the graphs that answer queries; NULL: the bundle's own choice */
} zscr_options;
#define ZSCR_OPTIONS_INIT {sizeof(zscr_options), NULL, NULL, 0, 0, NULL}

/* What is asked: the fields that a graph of the bundle takes, or an image, or a sketch, and a text,
 * which the bundle composes; see docs/composed.md. */
typedef struct zscr_query {
  size_t size;         /* of this structure */
  const char *id;      /* in messages; NULL: its number, from 1 */
  const char *text;    /* may hold NUL: */
  size_t text_size;    /* its bytes; ZSCR_TERMINATED: up to the first NUL */
  const char *image;   /* a JPEG, PNG or WebP file */
  const char *sketch;  /* such a file */
  const float *vector; /* of a bundle whose queries are published features */
  size_t vector_size;  /* its numbers */
  const void *image_bytes; /* in place of `image`: what such a file holds */
  size_t image_size;       /* their number */
  const void *sketch_bytes; /* in place of `sketch` */
  size_t sketch_size;
  const char *instead_of; /* what the text replaces on the image; NULL: it is not said */
  const char *compose;    /* the composition that answers; NULL: the bundle's first that can */
} zscr_query;
#define ZSCR_TERMINATED ((size_t)-1)
#define ZSCR_QUERY_INIT \
  {sizeof(zscr_query), NULL, NULL, ZSCR_TERMINATED, NULL, NULL, NULL, 0, \
   NULL, 0, NULL, 0, NULL, NULL}

typedef struct zscr_how {
  size_t size; /* of this structure */
  int k;       /* images a query, at least 1 */
  int ef;      /* candidates that HNSW keeps; 0: as measured when the index was made */
  int exact;   /* 1: search exactly even where there is HNSW */
  double min_score; /* images that score less are left out */
} zscr_how;
#define ZSCR_ALL_SCORES (-1.7976931348623157e308)
#define ZSCR_HOW_INIT {sizeof(zscr_how), 10, 0, 0, ZSCR_ALL_SCORES}

typedef struct zscr_hit {
  int rank; /* 1 is the best */
  double score;
  const char *id;
  const char *class_id;   /* NULL where none is known */
  const char *image;      /* its path; NULL where it has none */
  const char *sha256;     /* of the image's content */
  double above_unrelated; /* share of unrelated queries that find less; -1 where not calibrated */
} zscr_hit;

typedef struct zscr_answer {
  const zscr_hit *hits;
  size_t hit_count;
  const char *const *notes; /* such as "truncated to 16 tokens" */
  size_t note_count;
  const char *error; /* why this query could not be answered; NULL if it was */
  const char *ran;   /* such as "onnxruntime 1.31.1, cpu, 2 threads" */
  int nothing;       /* 1: nothing in the index looks like the query */
  const char *composition; /* what made one ranking of several fields; NULL for a single one */
} zscr_answer;

/* Opens a bundle, and an index, by default the one beside the bundle (index NULL). */
ZSCR_API int zscr_open(const char *bundle, const char *index, const zscr_options *options,
                       zscr_searcher **searcher);
ZSCR_API void zscr_close(zscr_searcher *searcher);

/* Answers queries, 32 at a time, in their order. A query that cannot be read costs the others
 * nothing: its answer has an error. `how` may be NULL. */
ZSCR_API int zscr_search(zscr_searcher *searcher, const zscr_query *queries, size_t count,
                         const zscr_how *how, zscr_answers **answers);

/* Searches with unit vectors (count, dim) of the index's own space, embedded elsewhere. */
ZSCR_API int zscr_search_vectors(zscr_searcher *searcher, const float *vectors, size_t count,
                                 size_t dim, const zscr_how *how, zscr_answers **answers);

/* Embeds one query -> `dim` floats, which must be zscr_dim() of them. */
ZSCR_API int zscr_embed(zscr_searcher *searcher, const zscr_query *query, float *vector,
                        size_t dim);

ZSCR_API size_t zscr_answer_count(const zscr_answers *answers);
/* Returns one of them, which lives as long as all do; NULL beyond the last. */
ZSCR_API const zscr_answer *zscr_answer_at(const zscr_answers *answers, size_t number);
ZSCR_API void zscr_free_answers(zscr_answers *answers);

ZSCR_API size_t zscr_dim(const zscr_searcher *searcher);
ZSCR_API uint64_t zscr_count(const zscr_searcher *searcher);      /* images of the index */
ZSCR_API uint64_t zscr_generation(const zscr_searcher *searcher); /* of the index in memory */

ZSCR_API const char *zscr_message(void); /* about this thread's last code that was not ZSCR_OK */
ZSCR_API const char *zscr_version(void);

#ifdef __cplusplus
}
#endif
#endif
