#include "broker/core/terms.h"

#include <stdlib.h>

#include "common/assert.h"

enum { COMPARED_BYTES = offsetof(struct gg_terms, refs) };

_Static_assert(COMPARED_BYTES == 5 * sizeof(uint64_t) + 4, "terms have padding");

static bool alike(const struct gg_terms *a, const struct gg_terms *b)
{
    return memcmp(a, b, COMPARED_BYTES) == 0;
}

static struct gg_terms **place_of(struct gg_core *core, const struct gg_terms *terms)
{
    uint64_t hash = gg_hash(gg_slice_of(terms, COMPARED_BYTES), core->seed);
    return &core->terms[hash % GG_TERMS_PLACES];
}

struct gg_terms *gg_terms_get(struct gg_core *core, const struct gg_terms *wanted)
{
    struct gg_terms *last = core->terms_last;
    if (last != NULL && alike(last, wanted)) {
        last->refs++;
        return last;
    }
    struct gg_terms **place = place_of(core, wanted);
    if (*place == NULL || !alike(*place, wanted)) {
        struct gg_terms *made = malloc(sizeof *made);
        if (made == NULL) {
            return NULL;
        }
        *made = *wanted;
        made->refs = 0;
        *place = made;
    }
    (*place)->refs++;
    core->terms_last = *place;
    return *place;
}

void gg_terms_unref(struct gg_core *core, struct gg_terms **terms_p)
{
    struct gg_terms *terms = *terms_p;
    *terms_p = NULL;
    if (terms == NULL) {
        return;
    }
    GG_ASSERT(terms->refs > 0);
    if (--terms->refs > 0) {
        return;
    }
    struct gg_terms **place = place_of(core, terms);
    *place = *place == terms ? NULL : *place;
    core->terms_last = core->terms_last == terms ? NULL : core->terms_last;
    free(terms);
}
