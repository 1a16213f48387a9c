#include "client/cli/submission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/say.h"
#include "common/bytes.h"
#include "common/name.h"

enum { PAYLOAD_BYTES_MAX = 1 << 30, CHUNK_BYTES = 1 << 16 };

static int check_names(const ganger_submission *out)
{
    if (!gg_name_valid(gg_slice_text(out->queue)) ||
        (out->realm != NULL && !gg_name_valid(gg_slice_text(out->realm)))) {
        gg_say("'%s' is not a name: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a "
               "letter or digit [bad_name]",
               gg_name_valid(gg_slice_text(out->queue)) ? out->realm : out->queue);
        return GG_EXIT_INPUT;
    }
    for (size_t i = 0; i < out->tag_count; i++) {
        if (!gg_name_valid(gg_slice_text(out->tags[i]))) {
            gg_say("the tag '%s' is not a name [bad_name]", out->tags[i]);
            return GG_EXIT_INPUT;
        }
    }
    if (out->key.len > GG_KEY_BYTES_MAX) {
        gg_say("the key has %zu bytes; at most %d are allowed [bad_field]",
               out->key.len, GG_KEY_BYTES_MAX);
        return GG_EXIT_INPUT;
    }
    return GG_EXIT_DONE;
}

static uint64_t keep_of(uint64_t said)
{
    return said == GG_OPTION_UNSAID ? GANGER_DEFAULT : said;
}

int gg_submission_read(const struct gg_call *call, ganger_submission *out)
{
    const struct gg_options *said = &call->options;
    *out = (ganger_submission)GANGER_SUBMIT_INIT;
    if (said->id != NULL && !ganger_id_parse(said->id, &out->id)) {
        return gg_say_usage("--id takes a job's id, not '%s'", said->id);
    }
    if (said->unique && said->key != NULL) {
        return gg_say_usage("--unique makes the key itself: give it or --key");
    }
    if (said->delay_ms > 0 && said->run_at > 0) {
        return gg_say_usage("give --in or --at, not both");
    }
    out->queue = call->args[0];
    out->realm = gg_texts_last(&said->realms);
    out->unique = said->unique;
    if (said->key != NULL) {
        out->key = (ganger_bytes){.data = said->key, .len = strlen(said->key)};
    }
    if (said->priority != GG_OPTION_UNSAID) {
        out->priority = (unsigned)said->priority;
    }
    out->delay_ms = said->delay_ms;
    out->run_at = said->run_at;
    out->expires_ms = said->expires_ms;
    out->run_timeout_ms = said->run_timeout_ms;
    out->attempts = (unsigned)said->attempts;
    out->backoff = said->backoff.kind;
    out->backoff_ms = said->backoff.first_ms;
    out->backoff_max_ms = said->backoff.most_ms;
    out->backoff_list = said->backoff.list_ms;
    out->backoff_count = said->backoff.list_count;
    out->keep_ms = keep_of(said->keep_ms);
    out->keep_failed_ms = keep_of(said->keep_failed_ms);
    out->unique_until = said->unique_until;
    out->durability = said->durability;
    out->tags = said->tags.items;
    out->tag_count = said->tags.count;
    return check_names(out);
}

static int read_stream(FILE *from, const char *name, ganger_bytes *out,
                       void **out_memory)
{
    struct gg_buf buf;
    gg_buf_init(&buf, PAYLOAD_BYTES_MAX);
    while (gg_buf_reserve(&buf, CHUNK_BYTES)) {
        size_t got = fread(buf.data + buf.len, 1, CHUNK_BYTES, from);
        buf.len += got;
        if (got == 0) {
            break;
        }
    }
    if (ferror(from) || buf.failed) {
        gg_say("cannot read %s: %s", name,
               buf.failed ? "it is larger than 1 GiB" : strerror(errno));
        gg_buf_fini(&buf);
        return GG_EXIT_INPUT;
    }
    *out = (ganger_bytes){.data = buf.data, .len = buf.len};
    *out_memory = buf.data;
    return GG_EXIT_DONE;
}

int gg_submission_payload(const char *arg, ganger_bytes *out, void **out_memory)
{
    *out_memory = NULL;
    *out = (ganger_bytes){0};
    if (arg == NULL) {
        return GG_EXIT_DONE;
    }
    if (strcmp(arg, "-") == 0) {
        return read_stream(stdin, "standard input", out, out_memory);
    }
    if (arg[0] != '@') {
        *out = (ganger_bytes){.data = arg, .len = strlen(arg)};
        return GG_EXIT_DONE;
    }
    FILE *file = fopen(arg + 1, "re");
    if (file == NULL) {
        gg_say("cannot open %s: %s", arg + 1, strerror(errno));
        return GG_EXIT_INPUT;
    }
    int status = read_stream(file, arg + 1, out, out_memory);
    (void)fclose(file);
    return status;
}
