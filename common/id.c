#include "common/id.h"

#include "common/rng.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

struct gg_id gg_id_new(struct gg_wall now, struct gg_rng *rng)
{
    struct gg_id id;
    uint64_t ms = (uint64_t)now.ms;
    for (int i = 5; i >= 0; i--) {
        id.bytes[i] = (uint8_t)(ms & 0xff);
        ms >>= 8;
    }
    uint64_t low = gg_rng_next(rng);
    uint64_t high = gg_rng_next(rng);
    memcpy(id.bytes + 6, &low, sizeof low);
    memcpy(id.bytes + 14, &high, 2);
    return id;
}

/* 128 bits are 25 groups of five and three bits at the front. */
void gg_id_format(const struct gg_id *id, char text[GG_ID_TEXT_BYTES])
{
    unsigned carry = 0;
    int bits = 2; /* Two zero bits in front make 130, a multiple of five. */
    int at = 0;
    for (int i = 0; i < GG_ID_BYTES; i++) {
        carry = carry << 8 | id->bytes[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            text[at++] = alphabet[(carry >> bits) & 31];
        }
        carry &= (1U << bits) - 1;
    }
    text[at] = '\0';
}

static int digit(char c)
{
    if (c >= 'a' && c <= 'z') {
        c = (char)(c - 'a' + 'A');
    }
    const char *found = c == '\0' ? NULL : strchr(alphabet, c);
    return found == NULL ? -1 : (int)(found - alphabet);
}

bool gg_id_parse(const char *text, struct gg_id *out_id)
{
    if (strlen(text) != GG_ID_TEXT_BYTES - 1 || digit(text[0]) < 0 ||
        digit(text[0]) > 7) {
        return false;
    }
    struct gg_id id;
    unsigned carry = 0;
    int bits = -2;
    int at = 0;
    for (int i = 0; i < GG_ID_TEXT_BYTES - 1; i++) {
        int value = digit(text[i]);
        if (value < 0) {
            return false;
        }
        carry = carry << 5 | (unsigned)value;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            id.bytes[at++] = (uint8_t)(carry >> bits);
            carry &= (1U << bits) - 1;
        }
    }
    *out_id = id;
    return true;
}
