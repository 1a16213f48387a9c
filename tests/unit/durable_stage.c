#include "tests/unit/durable_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/test_core_walk.h"

static void durable(struct gg_bounds *bounds)
{
    bounds->durable = true;
    gg_name_set(&bounds->volatile_queues[bounds->volatile_count++],
                gg_slice_text("memory"));
}

int durable_setup(void **state)
{
    stage_client(walked_open(state, durable), CLIENT);
    return 0;
}

void crash(struct stage *stage)
{
    stage_crash(stage, stage_written(stage), DOWN_MS);
    assert_null(core_walk(stage->core));
    stage_client(stage, CLIENT);
}

struct gg_id submit_keyed(struct stage *stage, const char *key)
{
    struct gg_submit submit = stage_submission(stage, "q");
    submit.payload = gg_slice_text("work");
    submit.key = gg_slice_text(key);
    return stage_submit(stage, CLIENT, 1, &submit);
}

const struct gg_assign *assigned(struct stage *stage, uint32_t peer, uint32_t n)
{
    const struct said *said = stage_heard(stage, peer, GG_CMD_ASSIGN, n);
    return said == NULL ? NULL : &said->command.as.assign;
}

const struct gg_job_info *get(struct stage *stage, const struct gg_id *id)
{
    struct gg_target target;
    gg_record_default(GG_RECORD_TARGET, &target);
    target.id = *id;
    target.want_result = true;
    stage_say(stage, CLIENT, GG_CMD_GET, 77, &target);
    const struct said *said = stage_heard(stage, CLIENT, GG_CMD_JOB, 0);
    return said == NULL ? NULL : &said->command.as.job;
}
