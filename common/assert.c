#include "common/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void gg_assert_fail(const char *what, const char *file, int line,
                              const char *func)
{
    (void)fprintf(stderr, "error event=bug what=\"%s\" at=%s:%d in=%s\n", what, file,
                  line, func);
    abort();
}
