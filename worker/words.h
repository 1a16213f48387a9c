/* words.h - a command line as words, the way it is written in a configuration. Pure. */
#ifndef GG_WORKER_WORDS_H
#define GG_WORKER_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Split `text` in place at blanks. '...' keeps everything, "..." all but \" and \\, and
 * outside of quotes a backslash keeps the next character. No variables, no wildcards:
 * this is no shell. `words` has room for most + 1 and is ended by NULL. False: more
 * words than that, or a quote without its end. */
bool gg_words_split(char *text, char **words, uint32_t most, uint32_t *out_count);

/* The number of `text` among `words`, which are ended by NULL; -1: none of them. */
int gg_word_choice(const char *text, const char *const *words);

#endif
