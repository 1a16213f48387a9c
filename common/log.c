#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

static enum gg_log_level level_max = GG_LOG_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void gg_log_set_level(enum gg_log_level level)
{
    level_max = level;
}

void gg_log(enum gg_log_level level, const char *event, const char *format, ...)
{
    if (level > level_max) {
        return;
    }
    char line[LINE_BYTES];
    int head = snprintf(line, sizeof line - 1, "%s event=%s%s", level_names[level],
                        event, format[0] == '\0' ? "" : " ");
    size_t len = head < 0 ? 0 : (size_t)head;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + len, sizeof line - 1 - len, format, args);
    va_end(args);
    len = strlen(line);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[len++] = '\n';
    (void)!write(STDERR_FILENO, line, len); /* One call, so that lines stay whole. */
}
