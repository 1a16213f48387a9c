#include "common/ini.h"

#include <ini.h>

struct reading {
    gg_ini_line_fn *fn;
    void *ctx;
    bool refused;
};

/* inih calls this for each line; 0 makes the line the one it reports. */
static int on_line(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    if (reading->refused) {
        return 1;
    }
    reading->refused = !reading->fn(reading->ctx, section, name,
                                    value == NULL ? "" : value);
    return !reading->refused;
}

int gg_ini_read(FILE *file, gg_ini_line_fn *fn, void *ctx)
{
    struct reading reading = {.fn = fn, .ctx = ctx};
    int line = ini_parse_file(file, on_line, &reading);
    return line < 0 ? 1 : line;
}
