/* ask.h - what a user asks for, checked and put into the protocol's records. What could
 * not be written, or would be cut, is refused here with a sentence; whether a value
 * makes sense is the broker's to say. */
#ifndef GG_CLIENT_SRC_ASK_H
#define GG_CLIENT_SRC_ASK_H

#include "client/src/handle.h"

/* Fill *out; its texts are lent from `from`, its lists and the key of `unique` stand in
 * the handle until the next submission is made, its payload is in handle->lent where it
 * need not be copied: gg_ask() takes it from there. On error the sentence is set. */
GG_MUST_USE ganger_err gg_ask_submit(ganger *handle, const ganger_submission *from,
                                     struct gg_submit *out);

/* Submissions that come to nothing: their payloads are not needed. */
void gg_ask_give_back(const ganger_submission *from, size_t count);

/* All of them as one command; the entries stand in handle->entries. */
GG_MUST_USE ganger_err gg_ask_submit_many(ganger *handle, const ganger_submission *from,
                                          size_t count, struct gg_submit_many *out);

GG_MUST_USE ganger_err gg_ask_target(ganger *handle, const ganger_target *from,
                                     struct gg_target *out);

/* A reason for the audit log; NULL: none. */
GG_MUST_USE ganger_err gg_ask_reason(ganger *handle, const char *reason,
                                     struct gg_slice *out);

/* At most `most` bytes; `what` they are is for the sentence. */
GG_MUST_USE ganger_err gg_ask_bytes(ganger *handle, const char *what, ganger_bytes from,
                                    size_t most, struct gg_slice *out);

/* Realm and pattern; NULL: default and all. */
GG_MUST_USE ganger_err gg_ask_realm(ganger *handle, const char *realm,
                                    struct gg_slice *out);
GG_MUST_USE ganger_err gg_ask_pattern(ganger *handle, const char *pattern,
                                      struct gg_slice *out);

/* Put `record` in line as a request. `timeout_ms` below 0 waits for ever. TOO_MANY,
 * NO_MEMORY: the sentence is set. */
GG_MUST_USE ganger_err gg_ask(ganger *handle, enum gg_command_code code,
                              const void *record, int timeout_ms,
                              const struct gg_asker *asker, uint64_t *out_number);

#endif
