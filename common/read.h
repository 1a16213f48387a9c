/* read.h - one record out of a message; for the codec's own files only (codec.h). */
#ifndef GG_COMMON_READ_H
#define GG_COMMON_READ_H

#include "common/codec.h"

static inline enum gg_err gg_fault_say(struct gg_fault *out, enum gg_err err,
                                       const char *what, const char *field)
{
    out->err = err;
    out->what = what;
    out->field = field;
    return err;
}

static inline enum gg_err gg_fault_bad(struct gg_fault *out, const char *what,
                                       const char *field)
{
    return gg_fault_say(out, GG_ERR_BAD_MESSAGE, what, field);
}

/* Where a BLOB that is written as `true` comes from. */
struct gg_source {
    struct gg_slice attachment; /* Data NULL: there is none. */
    bool taken;
};

/* Read the record at `reader`, which is left behind it, or anywhere inside it when it
 * is bad; *out_fault says why then. Nothing is read beyond the
 * reader's end, whatever the bytes say. */
GG_MUST_USE enum gg_err gg_read_record(enum gg_record_id id, struct gg_reader *reader,
                                       struct gg_source *source, void *record,
                                       struct gg_fault *out_fault);

#endif
