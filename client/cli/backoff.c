#include "client/cli/backoff.h"

#include <string.h>

#include "common/duration.h"

/* A duration of `len` bytes that need not be ended. */
static bool duration_of(const char *text, size_t len, uint64_t *out_ms)
{
    char copy[GG_DURATION_TEXT_BYTES];
    if (len == 0 || len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    return gg_duration_parse(copy, out_ms);
}

static bool parse_exponential(const char *text, struct gg_backoff_policy *out)
{
    const char *dots = strstr(text, "..");
    if (dots == NULL) {
        return duration_of(text, strlen(text), &out->first_ms);
    }
    return duration_of(text, (size_t)(dots - text), &out->first_ms) &&
           duration_of(dots + 2, strlen(dots + 2), &out->most_ms) &&
           out->most_ms >= out->first_ms;
}

static bool parse_list(const char *text, struct gg_backoff_policy *out)
{
    for (;;) {
        size_t len = strcspn(text, ",");
        if (out->list_count == GG_BACKOFF_LIST_MAX ||
            !duration_of(text, len, &out->list_ms[out->list_count])) {
            return false;
        }
        out->list_count++;
        if (text[len] == '\0') {
            return true;
        }
        text += len + 1;
    }
}

bool gg_backoff_parse(const char *text, struct gg_backoff_policy *out)
{
    struct gg_backoff_policy policy = {0};
    bool good = false;
    if (strncmp(text, "fixed:", 6) == 0) {
        policy.kind = 1;
        good = duration_of(text + 6, strlen(text + 6), &policy.first_ms);
    } else if (strncmp(text, "exp:", 4) == 0) {
        policy.kind = 2;
        good = parse_exponential(text + 4, &policy);
    } else if (strncmp(text, "list:", 5) == 0) {
        policy.kind = 3;
        good = parse_list(text + 5, &policy);
    }
    if (good) {
        *out = policy;
    }
    return good;
}
