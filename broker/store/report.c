#include "broker/store/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum gg_err gg_report_fault(struct gg_store_report *report, enum gg_err err,
                            const char *format, ...)
{
    if (report->fault[0] == '\0') {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(report->fault, sizeof report->fault, format, args);
        va_end(args);
    }
    return err;
}

void gg_report_notice(struct gg_store_report *report, const char *format, ...)
{
    size_t len = strlen(report->notice);
    if (len > 0 && len + 3 < sizeof report->notice) {
        memcpy(report->notice + len, "; ", 3);
        len += 2;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(report->notice + len, sizeof report->notice - len, format, args);
    va_end(args);
}

enum gg_err gg_report_system(struct gg_store_report *report, const char *call,
                             const char *path, int number)
{
    char text[128];
    return gg_report_fault(report, number == ENOMEM ? GG_ERR_NO_MEMORY : GG_ERR_STORE,
                           "%s: %s: %s", path, call,
                           strerror_r(number, text, sizeof text));
}
