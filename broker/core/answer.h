/* answer.h - what the core tells peers: one function for each thing said.
 *
 * `after` is always the number of the last record of what is revealed, so that nothing
 * is visible before it is durable.
 */
#ifndef GG_BROKER_CORE_ANSWER_H
#define GG_BROKER_CORE_ANSWER_H

#include "broker/core/state.h"

/* What a receipt is for; in the three lowest bits of a token. Only the sender of a
 * job's id will send it again, so only his receipt lets the id be forgotten: not that
 * of another who waits for the job, or met it under its key. */
enum gg_receipt {
    GG_RECEIPT_NONE = 0,
    GG_RECEIPT_ACCEPTED = 1, /* The sender of the id has an answer. */
    GG_RECEIPT_FINAL = 2,    /* Somebody has the final answer. */
    GG_RECEIPT_BOTH = 3,     /* The sender of the id has the final answer. */
    GG_RECEIPT_EVENT = 4,
};

enum { GG_RECEIPT_BITS = 3, GG_RECEIPT_MASK = 7, GG_GENERATION_MASK = 0x1fffffff };

/* A token names a place in a table (of jobs, of subscriptions) and the `generation` of
 * what stands there: what comes for its predecessor is known as such. */
static inline uint64_t gg_token(uint32_t index, uint32_t generation,
                                enum gg_receipt kind)
{
    return (uint64_t)index << 32 |
           (uint64_t)(generation & GG_GENERATION_MASK) << GG_RECEIPT_BITS |
           (uint64_t)kind;
}

/* Is `generation` the one that the token was made for? */
static inline bool gg_token_fits(uint64_t token, uint32_t generation)
{
    return (token >> GG_RECEIPT_BITS & GG_GENERATION_MASK) ==
           (generation & GG_GENERATION_MASK);
}

/* Send one command of a session. */
void gg_say(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
            uint64_t request, enum gg_command_code code, const void *record,
            uint64_t after);

/* The same where nobody hurries for it: it leaves with what comes next, or before the
 * shell sleeps. */
void gg_say_patiently(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                      uint64_t request, enum gg_command_code code, const void *record,
                      uint64_t after);

/* Refuse a request: `format` is the sentence with its values. */
__attribute__((format(printf, 6, 7))) void gg_refuse(struct gg_core *core,
                                                     struct gg_effects *fx,
                                                     uint32_t peer, uint64_t request,
                                                     enum gg_err err,
                                                     const char *format, ...);

/* The same where the sentence tells of what is only safe with record `after`. */
__attribute__((format(printf, 7, 8))) void gg_refuse_after(
    struct gg_core *core, struct gg_effects *fx, uint32_t peer, uint64_t request,
    uint64_t after, enum gg_err err, const char *format, ...);

/* Refuse a hello: the session is not opened. */
__attribute__((format(printf, 5, 6))) void gg_refuse_session(struct gg_core *core,
                                                             struct gg_effects *fx,
                                                             uint32_t peer,
                                                             enum gg_err err,
                                                             const char *format, ...);

void gg_say_done(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                 uint64_t request, const struct gg_done *done);

/* How a job is shown. */
struct gg_job_view {
    bool existing;
    bool with_result;
    bool with_why;
    bool brief;              /* What who submitted it and waits does not know yet. */
    bool patient;            /* Nobody hurries for it. */
    enum gg_receipt receipt; /* 0: none is asked for. */
};

/* Tell a peer how a job stands. */
void gg_say_job(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                uint64_t request, struct gg_job *job, const struct gg_job_view *view);

/* Open the peer's session. */
void gg_say_welcome(struct gg_core *core, struct gg_effects *fx, uint32_t peer);

/* Hand an attempt to its agent, with the payload of `job`. */
void gg_say_assign(struct gg_effects *fx, uint32_t peer, struct gg_assign *assign,
                   const struct gg_job *job);

/* Send an event with a token for its receipt. */
void gg_say_event(struct gg_effects *fx, uint32_t peer, uint64_t request,
                  const struct gg_event_info *event, uint64_t after, uint64_t token);

/* Fill in the wire form of a job, which lends the job's memory; `tags` and `why` are
 * lists that the caller has packed, or NULL. */
void gg_job_describe(const struct gg_core *core, const struct gg_job *job,
                     struct gg_job_info *out);

/* Pack the job's tags into `out`. */
struct gg_list gg_job_tags(const struct gg_job *job, struct gg_buf *out);

/* A new effect at the end of the list whose bytes begin here, and its end once they are
 * written. NULL without memory. */
struct gg_effect *gg_effect_begin(struct gg_effects *fx, enum gg_effect_type type);
void gg_effect_end(struct gg_effects *fx, struct gg_effect *effect);

/* The next effect says what is in `list`: if there was no memory for that, it is
 * dropped like one that had no memory itself, and never sent cut short. */
void gg_effects_need(struct gg_effects *fx, const struct gg_buf *list);

/* A line for the log, or for the audit log. */
__attribute__((format(printf, 3, 4))) void gg_note(struct gg_effects *fx,
                                                   enum gg_effect_type type,
                                                   const char *format, ...);

#endif
