/* disk.c - what the store is told, and what it says. */
#include <stdio.h>

#include "broker/io/shell_state.h"
#include "common/log.h"

/* ---- what it remembers ---- */

/* The core cannot see the store: what it calls kinds are the same numbers. */
_Static_assert((int)GG_KEEP_META == (int)GG_STORE_META, "kinds");
_Static_assert((int)GG_KEEP_JOB == (int)GG_STORE_JOB, "kinds");
_Static_assert((int)GG_KEEP_QUEUE == (int)GG_STORE_QUEUE, "kinds");
_Static_assert((int)GG_KEEP_AGENT == (int)GG_STORE_AGENT, "kinds");

struct reading {
    struct gg_shell *shell;
    struct gg_shell_fault *fault;
};

static enum gg_err restore_one(void *ctx, const struct gg_store_key *key,
                               struct gg_slice value)
{
    struct reading *reading = ctx;
    const char *what = NULL;
    enum gg_err err = gg_core_restore(
        reading->shell->core, (enum gg_keep_kind)key->kind, &key->id, value, &what);
    if (err != GG_OK) {
        char id[GG_ID_TEXT_BYTES];
        gg_id_format(&key->id, id);
        (void)snprintf(reading->fault->text, sizeof reading->fault->text,
                       "record %s %s: %s", gg_store_kind_name(key->kind), id, what);
    }
    return err;
}

/* Read all records, and make the raised epoch durable before anyone is served. */
enum gg_err gg_shell_recover(struct gg_shell *shell, struct gg_shell_fault *out_fault)
{
    static const enum gg_store_kind kinds[] = {GG_STORE_META, GG_STORE_QUEUE,
                                               GG_STORE_AGENT, GG_STORE_JOB};
    struct reading reading = {.shell = shell, .fault = out_fault};
    enum gg_err err = GG_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && err == GG_OK; i++) {
        err = gg_store_scan(shell->store, kinds[i], restore_one, &reading);
    }
    if (err != GG_OK) {
        if (out_fault->text[0] == '\0') {
            gg_store_error(shell->store, out_fault->text);
        }
        return err;
    }
    shell->now = gg_now();
    err = gg_core_restored(shell->core, shell->now, gg_store_number(shell->store),
                           &shell->fx);
    if (err != GG_OK) {
        (void)snprintf(out_fault->text, sizeof out_fault->text,
                       err == GG_ERR_STORE
                           ? "two running jobs have one fence: the store is damaged"
                           : "no memory for what the store holds");
        return err;
    }
    gg_shell_carry_out(shell);
    err = shell->failed == GG_OK ? gg_store_sync(shell->store) : shell->failed;
    if (err != GG_OK) {
        gg_store_error(shell->store, out_fault->text);
        return err;
    }
    shell->uncommitted = false;
    shell->epoch = gg_core_epoch(shell->core);
    return gg_store_durable(shell->store, &shell->outbox.durable);
}

/* ---- records ---- */

void gg_shell_record(struct gg_shell *shell, const struct gg_effect *effect)
{
    enum gg_err err = GG_OK;
    struct gg_store_key key = gg_store_key_of((enum gg_store_kind)effect->kind,
                                              &effect->id);
    struct gg_store_blob_key blob = {.id = effect->id, .part = effect->part};
    if (effect->type == GG_FX_PERSIST) {
        err = gg_store_put(shell->store, effect->after, &key,
                           gg_effect_bytes(&shell->fx, effect));
    } else if (effect->type == GG_FX_ERASE) {
        err = gg_store_del(shell->store, effect->after, &key);
    } else if (effect->type == GG_FX_PERSIST_BLOB) {
        err = gg_store_put_blob(shell->store, effect->after, &blob, effect->attachment);
    } else if (effect->type == GG_FX_ERASE_BLOB) {
        err = gg_store_del_blob(shell->store, effect->after, &blob);
    } else {
        err = gg_store_load(shell->store, effect->token, &blob);
    }
    if (err != GG_OK) {
        shell->failed = err;
    }
    shell->uncommitted = true;
    gg_metrics_add(&shell->metrics, GG_METRIC_STORE_RECORDS, 1);
}

/* ---- backups ---- */

static void answer(struct gg_shell *shell, uint64_t token, enum gg_err err,
                   const char *text, struct gg_blob *blob)
{
    struct gg_event ev = {.type = GG_EV_ANSWERED,
                          .now = shell->now,
                          .token = token,
                          .err = err,
                          .text = text,
                          .blob = blob};
    gg_shell_step(shell, &ev);
}

/* Not while effects are carried out: an answer makes new ones. */
void gg_shell_backup(struct gg_shell *shell, const struct gg_effect *effect)
{
    shell->backup_token = effect->token;
    gg_slice_copy(gg_effect_bytes(&shell->fx, effect), shell->backup_path,
                  sizeof shell->backup_path);
}

static void begin_backup(struct gg_shell *shell)
{
    uint64_t token = shell->backup_token;
    shell->backup_token = 0;
    enum gg_err err = gg_store_backup(shell->store, token, shell->backup_path);
    if (err != GG_OK) {
        answer(shell, token, err, gg_err_text(err), NULL);
    }
}

/* ---- what it says ---- */

static void note_space(struct gg_shell *shell)
{
    static const char *const names[] = {
        [GG_STORE_SPACE_OK] = "ok",
        [GG_STORE_SPACE_LOW] = "low",
        [GG_STORE_SPACE_BEHIND] = "behind",
    };
    enum gg_store_space space = gg_store_space(shell->store);
    if (space == shell->space) {
        return;
    }
    shell->space = space;
    gg_log(space == GG_STORE_SPACE_OK ? GG_LOG_INFO : GG_LOG_WARN, "store_space",
           "space=%s path=%s", names[space], shell->about.store_path);
    struct gg_event ev = {
        .type = GG_EV_SPACE, .now = shell->now, .space = (enum gg_core_space)space};
    gg_shell_step(shell, &ev);
}

_Static_assert((int)GG_CORE_SPACE_LOW == (int)GG_STORE_SPACE_LOW, "space");
_Static_assert((int)GG_CORE_SPACE_BEHIND == (int)GG_STORE_SPACE_BEHIND, "space");

void gg_shell_ask_store(struct gg_shell *shell)
{
    struct gg_store_answer said;
    note_space(shell);
    if (shell->backup_token != 0) {
        begin_backup(shell);
    }
    while (shell->failed == GG_OK && gg_store_answered(shell->store, &said)) {
        answer(shell, said.ticket, said.err, said.text, said.blob);
        gg_blob_unref(&said.blob);
    }
}

void gg_shell_store_status(void *ctx, struct gg_broker_info *out)
{
    struct gg_shell *shell = ctx;
    struct gg_store_status status;
    if (!shell->config->bounds.durable) {
        return;
    }
    gg_store_status(shell->store, &status);
    out->store_path = gg_slice_text(shell->about.store_path);
    out->committed_at = (uint64_t)status.committed_at.ms;
    out->commit_p50_us = status.commit_p50_us;
    out->commit_p99_us = status.commit_p99_us;
    out->commits = status.group_count;
    out->disk_bytes = status.disk_bytes;
    out->free_bytes = status.free_bytes;
    out->records = status.record_count;
    out->record_bytes = status.record_bytes;
    out->blobs = status.blob_count;
    out->blob_bytes = status.blob_bytes;
    out->waiting_bytes = status.waiting_bytes;
    out->space = status.space;
}
