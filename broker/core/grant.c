#include "broker/core/grant.h"

enum {
    ANYONE = 0,
    S = GG_ROLE_SUBMIT,
    W = GG_ROLE_WORK,
    O = GG_ROLE_OBSERVE,
    P = GG_ROLE_OPERATE,
    NOBODY = 0x80, /* A peer never sends it: the broker does. */
};

/* A command of command.h without a row here does not compile (see roles_for below). */
enum {
    ROLES_HELLO = ANYONE,
    ROLES_WELCOME = NOBODY,
    ROLES_RESET = NOBODY,
    ROLES_BYE = ANYONE,
    ROLES_HEARTBEAT = ANYONE,
    ROLES_ERROR = NOBODY,
    ROLES_DONE = NOBODY,
    ROLES_SUBMIT = S | P,
    ROLES_SUBMIT_MANY = S | P,
    ROLES_GET = S | O | P,
    ROLES_WAIT = S | O | P,
    ROLES_CANCEL = S | P,
    ROLES_RETRY = P,
    ROLES_LIST_JOBS = O | P,
    ROLES_HISTORY = S | O | P,
    ROLES_WHY = S | O | P,
    ROLES_LIST_QUEUES = O | P,
    ROLES_PAUSE = P,
    ROLES_RESUME = P,
    ROLES_PURGE = P,
    ROLES_LIST_WORKERS = O | P,
    ROLES_GET_STATS = O | P,
    ROLES_GET_BROKER = O | P,
    ROLES_SUBSCRIBE = O | P,
    ROLES_UNSUBSCRIBE = O | P,
    ROLES_UNWAIT = S | O | P,
    ROLES_BACKUP = P,
    ROLES_STEER = P,
    ROLES_JOB = NOBODY,
    ROLES_JOBS = NOBODY,
    ROLES_CANCELLED = NOBODY,
    ROLES_MOMENTS = NOBODY,
    ROLES_REASONS = NOBODY,
    ROLES_QUEUES = NOBODY,
    ROLES_WORKERS = NOBODY,
    ROLES_STATS = NOBODY,
    ROLES_BROKER = NOBODY,
    ROLES_EVENT = NOBODY,
    ROLES_ASSIGN = NOBODY,
    ROLES_STOP = NOBODY,
    ROLES_CONFIRM = NOBODY,
    ROLES_STARTED = W,
    ROLES_PROGRESS = W,
    ROLES_PARTIAL = W,
    ROLES_CHECKPOINT = W,
    ROLES_OUTCOME = W,
    ROLES_STEERED = W,
    ROLES_REPORT = W,
};

static const uint8_t roles_for[GG_CMD_CODE_MAX + 1] = {
#define X(symbol, code, record, member, senders, name, meaning) [code] = ROLES_##symbol,
    GG_COMMAND_LIST(X)
#undef X
};

void gg_grant_all(struct gg_grant *out, const char *name)
{
    *out = (struct gg_grant){.roles = GG_ROLE_ALL, .realm_count = 1, .queue_count = 1};
    gg_name_set(&out->name, gg_slice_text(name));
    gg_name_set(&out->realms[0], gg_slice_text("*"));
    gg_name_set(&out->queues[0], gg_slice_text("*"));
}

uint8_t gg_grant_roles_for(enum gg_command_code code)
{
    return gg_command_type_of(code) == NULL ? NOBODY : roles_for[code];
}

bool gg_grant_command(const struct gg_grant *grant, enum gg_command_code code)
{
    uint8_t roles = gg_grant_roles_for(code);
    return roles == ANYONE || (roles & grant->roles) != 0;
}

static bool any_match(const struct gg_name *patterns, uint8_t count,
                      struct gg_slice name)
{
    for (uint8_t i = 0; i < count; i++) {
        bool all = patterns[i].len == 1 && patterns[i].text[0] == '*';
        if (all || gg_pattern_match(gg_name_slice(&patterns[i]), name)) {
            return true;
        }
    }
    return false;
}

bool gg_grant_realm(const struct gg_grant *grant, struct gg_slice realm)
{
    return any_match(grant->realms, grant->realm_count, realm);
}

bool gg_grant_queue(const struct gg_grant *grant, struct gg_slice realm,
                    struct gg_slice queue)
{
    return gg_grant_realm(grant, realm) &&
           any_match(grant->queues, grant->queue_count, queue);
}
