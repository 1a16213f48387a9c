#include "common/name.h"

#include "common/assert.h"

static bool is_alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name_char(uint8_t c)
{
    return is_alnum(c) || c == '.' || c == '_' || c == '-';
}

bool gg_name_valid(struct gg_slice name)
{
    if (name.len == 0 || name.len > GG_NAME_BYTES_MAX || !is_alnum(name.data[0])) {
        return false;
    }
    for (size_t i = 1; i < name.len; i++) {
        if (!is_name_char(name.data[i])) {
            return false;
        }
    }
    return true;
}

bool gg_pattern_valid(struct gg_slice pattern)
{
    if (pattern.len == 0 || pattern.len > GG_NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < pattern.len; i++) {
        uint8_t c = pattern.data[i];
        if (!is_name_char(c) && c != '*' && c != '?') {
            return false;
        }
    }
    return true;
}

/* Greedy with one step back to the last star: no recursion, no exponential case. */
bool gg_pattern_match(struct gg_slice pattern, struct gg_slice name)
{
    size_t p = 0;
    size_t n = 0;
    size_t star = SIZE_MAX; /* Place after the last star seen. */
    size_t star_n = 0;      /* Where that star's run ends for now. */
    while (n < name.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = ++p;
            star_n = n;
        } else if (p < pattern.len &&
                   (pattern.data[p] == '?' || pattern.data[p] == name.data[n])) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star;
            n = ++star_n;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

void gg_name_set(struct gg_name *out, struct gg_slice name)
{
    GG_ASSERT(name.len <= GG_NAME_BYTES_MAX);
    *out = (struct gg_name){.len = (uint8_t)name.len};
    if (name.len > 0) {
        memcpy(out->text, name.data, name.len);
    }
}
