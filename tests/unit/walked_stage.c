#include "tests/unit/walked_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/test_core_walk.h"

struct stage *walked_open(void **state, void (*change)(struct gg_bounds *bounds))
{
    static struct stage stage;
    stage_init(&stage, change);
    *state = &stage;
    return &stage;
}

int walked_teardown(void **state)
{
    struct stage *stage = *state;
    const char *fault = core_walk(stage->core);
    stage_fini(stage);
    if (fault != NULL) {
        print_error("%s\n", fault);
    }
    return fault != NULL;
}
