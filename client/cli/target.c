#include "client/cli/target.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/say.h"

static bool by_key(const struct gg_call *call, struct gg_targets *out)
{
    const struct gg_options *said = &call->options;
    const char *queue = gg_texts_last(&said->queues);
    if (queue == NULL || said->key == NULL || call->arg_count > 0) {
        (void)gg_say_usage("name jobs by ID, or one job by --queue QUEUE --key KEY");
        return false;
    }
    out->items[out->count++] = (ganger_target){
        .realm = gg_texts_last(&said->realms),
        .queue = queue,
        .key = {.data = said->key, .len = strlen(said->key)},
    };
    return true;
}

bool gg_targets_read(const struct gg_call *call, struct gg_targets *out)
{
    *out = (struct gg_targets){0};
    if (call->options.key != NULL || call->options.queues.count > 0) {
        return by_key(call, out);
    }
    for (size_t i = 0; i < call->arg_count && i < GG_TARGETS_MAX; i++) {
        ganger_target *target = &out->items[out->count++];
        if (!ganger_id_parse(call->args[i], &target->id)) {
            (void)gg_say_usage("'%s' is not a job's id: that has 26 letters and digits",
                               call->args[i]);
            gg_say_try("ganger job list");
            return false;
        }
    }
    if (out->count == 0) {
        (void)gg_say_usage("which job? name an ID, or --queue QUEUE --key KEY");
        return false;
    }
    return true;
}

void gg_target_text(const ganger_target *target, char text[GG_TARGET_TEXT_BYTES])
{
    if (target->queue != NULL) {
        (void)snprintf(text, GG_TARGET_TEXT_BYTES, "key %.*s of queue %s",
                       (int)target->key.len, (const char *)target->key.data,
                       target->queue);
        return;
    }
    ganger_id_format(&target->id, text);
}
