#include <stdio.h>
#include <zscr.h>

int main(int count, char **arguments) {
  zscr_options options = ZSCR_OPTIONS_INIT;
  zscr_query query = ZSCR_QUERY_INIT;
  zscr_searcher *searcher = NULL;
  zscr_answers *answers = NULL;
  if (count < 4) return 2;
  options.onnxruntime = arguments[2];
  query.text = arguments[3];
  if (zscr_open(arguments[1], NULL, &options, &searcher) != ZSCR_OK ||
      zscr_search(searcher, &query, 1, NULL, &answers) != ZSCR_OK) {
    printf("%s\n", zscr_message());
    zscr_close(searcher);
    return 1;
  }
  printf("%s\n", zscr_answer_at(answers, 0)->hits[0].id);
  zscr_free_answers(answers);
  zscr_close(searcher);
  return 0;
}
