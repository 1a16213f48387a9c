#include "client/cli/moment.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

/* Add one more thing to `text`, behind a comma where there is something already. */
__attribute__((format(printf, 2, 3))) static void add(char *text, const char *format,
                                                      ...)
{
    size_t len = strlen(text);
    if (len > 0 && len + 2 < GG_MOMENT_DETAIL_BYTES) {
        memcpy(text + len, ", ", 3);
        len += 2;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text + len, GG_MOMENT_DETAIL_BYTES - len, format, args);
    va_end(args);
}

void gg_moment_detail(const ganger_moment *moment, char text[GG_MOMENT_DETAIL_BYTES])
{
    text[0] = '\0';
    if (moment->text[0] != '\0') {
        add(text, "%s", moment->text);
    } else if (moment->error != GANGER_OK) {
        add(text, "%s", ganger_err_text(moment->error));
    }
    if (moment->error != GANGER_OK) {
        size_t len = strlen(text);
        (void)snprintf(text + len, GG_MOMENT_DETAIL_BYTES - len, " [%s]",
                       ganger_err_name(moment->error));
    }
    if (moment->signal > 0) {
        add(text, "signal %d", moment->signal);
    } else if (moment->exit_status > 0) {
        add(text, "exit %d", moment->exit_status);
    }
    if (moment->until_at > 0) {
        char until[GG_WALL_TEXT_BYTES];
        gg_wall_format((struct gg_wall){moment->until_at}, until);
        add(text, "until %s", until);
    }
    if (moment->count > 0) {
        add(text, "%" PRIu64 " of them", moment->count);
    }
}
