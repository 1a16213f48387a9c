#include "client/cli/connect.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/say.h"
#include "common/clock.h"
#include "common/version.h"

enum { CONNECT_MS = 3000, ANSWER_MS = 10000, WAIT_MS = 5000, PATIENCE_MS = 1000 };

static int as_int_ms(uint64_t ms)
{
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int gg_answer_ms(const struct gg_call *call)
{
    uint64_t said = call->options.timeout_ms;
    return said == GG_OPTION_UNSAID ? ANSWER_MS : as_int_ms(said);
}

int gg_wait_ms(const struct gg_call *call)
{
    uint64_t said = call->options.wait_ms;
    if (said == GG_OPTION_FOREVER) {
        return -1;
    }
    return said == GG_OPTION_UNSAID ? WAIT_MS : as_int_ms(said);
}

/* What stands behind the colon when there is no connection: the library's sentence,
 * less the address that it begins with. */
static const char *reason_of(const struct gg_call *call, ganger_err err)
{
    if (err == GANGER_CONNECTION_REFUSED) {
        return "connection refused";
    }
    const char *endpoint = ganger_endpoint(call->broker);
    const char *text = ganger_last_error(call->broker);
    const char *found = strstr(text, endpoint);
    if (found != NULL && strncmp(found + strlen(endpoint), ": ", 2) == 0) {
        text = found + strlen(endpoint) + 2;
    }
    return text[0] != '\0' ? text : ganger_err_text(err);
}

static int cannot_reach(const struct gg_call *call, ganger_err err, int64_t waited_ms)
{
    const char *endpoint = ganger_endpoint(call->broker);
    gg_say("cannot reach a broker at %s (%.1f s): %s", endpoint,
           (double)waited_ms / 1000.0, reason_of(call, err));
    if (err == GANGER_KEY_REFUSED || err == GANGER_NOT_ALLOWED) {
        gg_say_try(
            "--key-file FILE and --server-key KEY, or ask for 'ganger key allow'");
    } else if (strcmp(call->command->noun, "doctor") != 0) {
        gg_say_try("ganger doctor --broker %s", endpoint);
    }
    int status = ganger_err_exit(err == GANGER_TIMED_OUT ? GANGER_NO_BROKER : err);
    return status;
}

/* A first short wait; then the reason is named, and the rest of the time is waited. */
static ganger_err wait_for_broker(struct gg_call *call, int limit_ms, int64_t start_ms)
{
    int first = limit_ms < PATIENCE_MS ? limit_ms : PATIENCE_MS;
    ganger_err err = ganger_connect(call->broker, first);
    int64_t waited = gg_mono_now().ms - start_ms;
    if (err == GANGER_OK || waited < first || limit_ms - waited <= 0) {
        return err;
    }
    gg_say("waiting for a broker at %s: %s", ganger_endpoint(call->broker),
           reason_of(call, err));
    return ganger_connect(call->broker, (int)(limit_ms - waited));
}

int gg_connect(struct gg_call *call)
{
    const struct gg_options *said = &call->options;
    ganger_options options = {
        .endpoint = said->broker,
        .key_file = said->key_file,
        .server_key = said->server_key,
        .program = "ganger " GG_VERSION,
    };
    ganger_err err = ganger_open(&options, &call->broker);
    if (err != GANGER_OK) {
        const char *text = ganger_last_error(NULL);
        gg_say("%s [%s]", text[0] != '\0' ? text : ganger_err_text(err),
               ganger_err_name(err));
        return ganger_err_exit(err);
    }
    int limit = said->timeout_ms == GG_OPTION_UNSAID ? CONNECT_MS
                                                     : as_int_ms(said->timeout_ms);
    int64_t start = gg_mono_now().ms;
    err = wait_for_broker(call, limit, start);
    if (err != GANGER_OK) {
        return cannot_reach(call, err, gg_mono_now().ms - start);
    }
    return GG_EXIT_DONE;
}

void gg_disconnect(struct gg_call *call)
{
    ganger_close(&call->broker);
}

int gg_failed_text(const struct gg_call *call, ganger_err err, const char *what,
                   const char *text)
{
    const char *sentence = text[0] != '\0' ? text : ganger_err_text(err);
    gg_say("%s: %s [%s]", what, sentence, ganger_err_name(err));
    if (err >= GANGER_BUSY && err <= GANGER_NO_MEMORY) {
        unsigned retry_ms = ganger_retry_ms(call->broker);
        if (retry_ms > 0) {
            gg_say_try("again in %u ms", retry_ms);
        }
    } else if (err == GANGER_NOT_ALLOWED) {
        gg_say_try("another key: --key-file FILE");
    } else if (err == GANGER_NO_BROKER || err == GANGER_TIMED_OUT) {
        gg_say_try("ganger doctor --broker %s", ganger_endpoint(call->broker));
    }
    return ganger_err_exit(err);
}

int gg_failed(const struct gg_call *call, ganger_err err, const char *what)
{
    return gg_failed_text(call, err, what, ganger_last_error(call->broker));
}
