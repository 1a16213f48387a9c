/* test_oracle.c - every place where the oracle judges convicts a history made by hand:
 * the one that breaks just that promise, and not before it does. A check without a
 * history, and a place of judgement that none of them reaches, fail by name.
 */
#include <stdio.h>
#include <string.h>

#include "common/assert.h"
#include "tests/sim/tale.h"

extern struct fact_site *const __start_fact_sites[];
extern struct fact_site *const __stop_fact_sites[];

static const char *const check_names[ORACLE_CHECK_COUNT] = {
#define X(symbol, meaning) [ORACLE_##symbol] = #symbol,
    ORACLE_CHECK_LIST(X)
#undef X
};

static void begin(struct tale *t)
{
    *t = (struct tale){.last_fence = FENCE};
    t->sim.now = 1000;
    t->sim.broker.epoch = 1;
    gg_bounds_default(&t->sim.broker.bounds);
    for (size_t i = 0; i < sizeof t->lists / sizeof t->lists[0]; i++) {
        gg_buf_init(&t->lists[i], 1 << 16);
    }
    gg_buf_init(&t->sim.scratch, 1 << 16);
    oracle_begin(&t->sim);
}

static void end(struct tale *t)
{
    oracle_end();
    gg_core_destroy(&t->sim.broker.core);
    gg_buf_fini(&t->sim.scratch);
    for (size_t i = 0; i < sizeof t->lists / sizeof t->lists[0]; i++) {
        gg_buf_fini(&t->lists[i]);
    }
}

static int tell(const struct tale_row *row)
{
    static struct tale tale;
    begin(&tale);
    row->tell(&tale);
    const char *verdict = oracle_verdict();
    GG_ASSERT(tale.fine); /* It says up to where nothing is wrong. */
    bool convicted = verdict != NULL && oracle_broken() == row->check;
    if (!convicted) {
        (void)printf("%s: %s is not found: %s\n", row->name, check_names[row->check],
                     verdict == NULL ? "no verdict" : verdict);
    }
    end(&tale);
    return convicted ? 0 : 1;
}

static int tell_all(const struct tale_row *rows, size_t count, uint32_t *told)
{
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        failed += tell(&rows[i]);
        told[rows[i].check]++;
    }
    return failed;
}

int main(void)
{
    uint32_t told[ORACLE_CHECK_COUNT] = {0};
    size_t of_broker = 0;
    size_t of_world = 0;
    size_t sites = 0;
    const struct tale_row *rows = tales_of_broker(&of_broker);
    int failed = tell_all(rows, of_broker, told);
    rows = tales_of_world(&of_world);
    failed += tell_all(rows, of_world, told);
    for (int i = 0; i < ORACLE_CHECK_COUNT; i++) {
        if (told[i] == 0) {
            (void)printf("%s has no history made by hand\n", check_names[i]);
            failed++;
        }
    }
    for (struct fact_site *const *at = __start_fact_sites; at < __stop_fact_sites;
         at++, sites++) {
        if (!(*at)->convicted) {
            (void)printf("%s:%d: judges, and has convicted none of them\n", (*at)->file,
                         (*at)->line);
            failed++;
        }
    }
    (void)printf("checks=%d places=%zu histories=%zu failed=%d\n", ORACLE_CHECK_COUNT,
                 sites, of_broker + of_world, failed);
    return failed == 0 ? 0 : 1;
}
