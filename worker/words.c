#include "worker/words.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Take one word from *from, unquoted, to *to. False: a quote does not end. */
static bool take_word(char **from, char **to)
{
    char quote = '\0';
    char *in = *from;
    char *out = *to;
    for (; *in != '\0' && (quote != '\0' || !is_blank(*in)); in++) {
        if (quote == '\0' && (*in == '\'' || *in == '"')) {
            quote = *in;
        } else if (quote != '\0' && *in == quote) {
            quote = '\0';
        } else if (*in == '\\' && in[1] != '\0' &&
                   (quote == '\0' ||
                    (quote == '"' && (in[1] == '"' || in[1] == '\\')))) {
            *out++ = *++in;
        } else {
            *out++ = *in;
        }
    }
    *from = *in == '\0' ? in : in + 1;
    *out = '\0';
    *to = out + 1;
    return quote == '\0';
}

bool gg_words_split(char *text, char **words, uint32_t most, uint32_t *out_count)
{
    uint32_t count = 0;
    char *to = text;
    for (char *from = text;;) {
        while (is_blank(*from)) {
            from++;
        }
        if (*from == '\0') {
            words[count] = NULL;
            *out_count = count;
            return true;
        }
        if (count == most) {
            return false;
        }
        words[count++] = to;
        if (!take_word(&from, &to)) {
            return false;
        }
    }
}

int gg_word_choice(const char *text, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (text != NULL && strcmp(text, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}
