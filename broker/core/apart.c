#include "broker/core/apart.h"

#include <stdlib.h>

#include "broker/core/ending.h"
#include "broker/core/lease.h"
#include "broker/core/registry.h"
#include "common/assert.h"

enum { ASKS_MAX = 65536, PAYLOAD = 0, RESULT = 1 };

/* Somebody waits for a result to be read. */
struct gg_asked {
    uint32_t index;
    uint32_t generation;
    uint32_t peer;
    uint64_t request;
    struct gg_job_view view;
};

/* ---- on disk ---- */

/* Unlike under each acceptance, so that no blob is ever written over another. */
static uint32_t part_of(const struct gg_job *job, int which)
{
    return (uint32_t)(job->number << 1) | (uint32_t)which;
}

static struct gg_effect *begin(struct gg_effects *fx, enum gg_effect_type type,
                               const struct gg_job *job, int which)
{
    struct gg_effect *effect = gg_effect_begin(fx, type);
    if (effect != NULL) {
        effect->id = job->id;
        effect->part = part_of(job, which);
        effect->after = job->seq;
    }
    return effect;
}

static void write_blob(struct gg_effects *fx, const struct gg_job *job, int which,
                       struct gg_blob *blob)
{
    struct gg_effect *effect = begin(fx, GG_FX_PERSIST_BLOB, job, which);
    if (effect != NULL) {
        effect->attachment = gg_blob_ref(blob);
        gg_effect_end(fx, effect);
    }
}

static void erase_blob(struct gg_effects *fx, const struct gg_job *job, int which)
{
    struct gg_effect *effect = begin(fx, GG_FX_ERASE_BLOB, job, which);
    if (effect != NULL) {
        gg_effect_end(fx, effect);
    }
}

void gg_apart_erase(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    if (job->payload_apart) {
        gg_payload_drop(core, job);
        erase_blob(fx, job, PAYLOAD);
        job->payload_apart = false;
    }
    if (job->result_apart) {
        gg_result_drop(core, job);
        erase_blob(fx, job, RESULT);
        job->result_apart = false;
    }
}

void gg_apart_write(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    if (job->state == GG_JOB_EVICTED) {
        gg_apart_erase(core, fx, job);
        return;
    }
    if (job->state == GG_JOB_SUCCEEDED && job->payload_apart) {
        erase_blob(fx, job, PAYLOAD);
        job->payload_apart = false;
    }
    if (!job->payload_apart && gg_is_large(gg_blob_slice(job->payload).len)) {
        write_blob(fx, job, PAYLOAD, job->payload);
        job->payload_apart = true;
        job->extra->payload_bytes = job->payload->len;
        core->apart_bytes += job->payload->len;
    }
    struct gg_blob *result = gg_job_newest(job)->result;
    if (!job->result_apart && gg_is_large(gg_blob_slice(result).len)) {
        write_blob(fx, job, RESULT, result);
        job->result_apart = true;
        core->apart_bytes += result->len;
    }
}

/* ---- in memory ---- */

static void drop(struct gg_core *core, struct gg_job *job, struct gg_blob **blob_p,
                 bool apart)
{
    size_t len = gg_blob_slice(*blob_p).len;
    if (apart) {
        core->apart_bytes -= len;
    }
    gg_charge(core, job, -(int64_t)len);
    gg_blob_unref(blob_p);
}

void gg_payload_drop(struct gg_core *core, struct gg_job *job)
{
    drop(core, job, &job->payload, job->payload_apart);
}

void gg_result_drop(struct gg_core *core, struct gg_job *job)
{
    if (job->newest != NULL) {
        drop(core, job, &job->newest->result, job->result_apart);
    }
}

void gg_apart_settle(struct gg_core *core, struct gg_job *job)
{
    if (core->apart_bytes <= core->bounds.payload_memory_bytes_max) {
        return;
    }
    if (job->payload_apart) {
        gg_payload_drop(core, job);
    }
    if (job->result_apart) {
        gg_result_drop(core, job);
    }
}

/* ---- reading ---- */

static void load(struct gg_effects *fx, const struct gg_job *job, int which)
{
    struct gg_effect *effect = begin(fx, GG_FX_LOAD, job, which);
    if (effect != NULL) {
        effect->token = gg_token(job->index, job->generation,
                                 which == RESULT ? GG_RECEIPT_FINAL
                                                 : GG_RECEIPT_ACCEPTED);
        gg_effect_end(fx, effect);
    }
}

bool gg_payload_ready(struct gg_core *core, struct gg_effects *fx, struct gg_job *job)
{
    (void)core;
    if (job->payload != NULL || !job->payload_apart) {
        return true;
    }
    job->unsent = true;
    if (!job->payload_loading) {
        job->payload_loading = true;
        load(fx, job, PAYLOAD);
    }
    return false;
}

static bool add_ask(struct gg_core *core, const struct gg_asked *asked)
{
    if (core->ask_count == core->ask_room) {
        uint32_t room = core->ask_room == 0 ? 64 : core->ask_room * 2;
        struct gg_asked *asks = room > ASKS_MAX
                                    ? NULL
                                    : realloc(core->asks, room * sizeof *asks);
        if (asks == NULL) {
            return false;
        }
        core->asks = asks;
        core->ask_room = room;
    }
    core->asks[core->ask_count++] = *asked;
    return true;
}

bool gg_result_asked(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                     uint64_t request, struct gg_job *job,
                     const struct gg_job_view *view)
{
    if (!view->with_result || !job->result_apart || job->newest->result != NULL) {
        return false;
    }
    struct gg_asked asked = {.index = job->index,
                             .generation = job->generation,
                             .peer = peer,
                             .request = request,
                             .view = *view};
    if (!add_ask(core, &asked)) {
        gg_refuse(core, fx, peer, request, GG_ERR_BUSY,
                  "as many results are being read as may be");
        return true;
    }
    if (!job->result_loading) {
        job->result_loading = true;
        load(fx, job, RESULT);
    }
    return true;
}

static void payload_loaded(struct gg_core *core, struct gg_effects *fx,
                           struct gg_job *job, const struct gg_event *ev)
{
    job->payload_loading = false;
    if (ev->err == GG_OK && job->payload == NULL && job->payload_apart) {
        job->payload = gg_blob_ref(ev->blob);
        core->apart_bytes += ev->blob->len;
        gg_charge(core, job, (int64_t)ev->blob->len);
    }
    if (job->unsent && job->payload != NULL) {
        gg_lease_send(core, fx, job);
    } else if (job->unsent) {
        gg_lease_unreadable(core, fx, job, ev->text);
    }
    gg_apart_settle(core, job);
}

/* Answer those who wait for this result. */
static void answer_asks(struct gg_core *core, struct gg_effects *fx, struct gg_job *job,
                        const struct gg_event *ev)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < core->ask_count; i++) {
        struct gg_asked asked = core->asks[i];
        if (asked.index != job->index || asked.generation != job->generation) {
            core->asks[left++] = asked;
        } else if (job->newest->result != NULL) {
            gg_say_job(core, fx, asked.peer, asked.request, job, &asked.view);
        } else {
            gg_refuse(core, fx, asked.peer, asked.request, GG_ERR_STORE,
                      "the result cannot be read: %s",
                      ev->text == NULL ? "it is gone" : ev->text);
        }
    }
    core->ask_count = left;
}

static void result_loaded(struct gg_core *core, struct gg_effects *fx,
                          struct gg_job *job, const struct gg_event *ev)
{
    job->result_loading = false;
    if (ev->err == GG_OK && job->result_apart && job->newest->result == NULL) {
        job->newest->result = gg_blob_ref(ev->blob);
        core->apart_bytes += ev->blob->len;
        gg_charge(core, job, (int64_t)ev->blob->len);
    }
    answer_asks(core, fx, job, ev);
    gg_apart_settle(core, job);
}

void gg_apart_loaded(struct gg_core *core, struct gg_effects *fx,
                     const struct gg_event *ev)
{
    struct gg_job *job = gg_registry_at(core, (uint32_t)(ev->token >> 32));
    if (job == NULL || !gg_token_fits(ev->token, job->generation)) {
        return; /* Forgotten while it was read. */
    }
    if ((ev->token & GG_RECEIPT_MASK) == GG_RECEIPT_FINAL) {
        result_loaded(core, fx, job, ev);
    } else {
        payload_loaded(core, fx, job, ev);
    }
}

void gg_apart_close(struct gg_core *core, uint32_t peer)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < core->ask_count; i++) {
        if (core->asks[i].peer != peer) {
            core->asks[left++] = core->asks[i];
        }
    }
    core->ask_count = left;
}

void gg_apart_fini(struct gg_core *core)
{
    free(core->asks);
}
