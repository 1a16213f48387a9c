/* report.h - faults as sentences with a path, for people. */
#ifndef GG_BROKER_STORE_REPORT_H
#define GG_BROKER_STORE_REPORT_H

#include "broker/store/sqlite.h"

/* Write the fault and return `err`; the first fault told is the one that stays. */
__attribute__((format(printf, 3, 4))) enum gg_err gg_report_fault(
    struct gg_store_report *report, enum gg_err err, const char *format, ...);

/* Add a sentence to the notice. */
__attribute__((format(printf, 2, 3))) void gg_report_notice(
    struct gg_store_report *report, const char *format, ...);

/* A system call on `path` failed with `number`: GG_ERR_STORE, or GG_ERR_NO_MEMORY. */
enum gg_err gg_report_system(struct gg_store_report *report, const char *call,
                             const char *path, int number);

#endif
