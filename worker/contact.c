#include "worker/contact.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"

enum {
    BACKOFF_MS_MIN = 10,
    BACKOFF_MS_MAX = 2000,
    UNREACHABLE_MS = 1000, /* Not up for this long at the start: say so. */
};

/* Why it is not up; each is said once in an outage. */
enum cause {
    CAUSE_LOST = 1,
    CAUSE_UNREACHABLE = 2,
    CAUSE_KEY = 4,
    CAUSE_NO_GANGER = 8,
    CAUSE_RESET = 16,
};

static void say(struct gg_contact *contact, enum cause cause, const char *event,
                const char *reason)
{
    if ((contact->said & (uint32_t)cause) == 0) {
        contact->said |= (uint32_t)cause;
        gg_log(GG_LOG_WARN, event, "broker=\"%s\" reason=\"%s\"",
               contact->socket.endpoint, reason);
    }
}

static uint64_t next_backoff(struct gg_contact *contact)
{
    uint64_t ms = contact->backoff_ms;
    contact->backoff_ms = ms * 2 < BACKOFF_MS_MAX ? ms * 2 : BACKOFF_MS_MAX;
    return ms / 2 + gg_rng_below(&contact->rng, ms / 2 + 1);
}

static const char *base_endpoint(const struct gg_contact *contact)
{
    return contact->settings->agent_endpoint != NULL ? contact->settings->agent_endpoint
                                                     : contact->settings->broker;
}

static void set_down(struct gg_contact *contact, struct gg_mono now)
{
    if (contact->is_up) {
        contact->is_up = false;
        contact->down_since_ms = now.ms;
        contact->said = 0;
    }
}

/* Throw the socket away and make a new one, to the broker as configured, in a while. */
static void rebuild(struct gg_contact *contact, struct gg_mono now)
{
    gg_worker_lost(contact->agent);
    gg_socket_close(&contact->socket);
    contact->redirected = false;
    contact->open_at_ms = gg_mono_add(now, next_backoff(contact)).ms;
}

static enum gg_err open_socket(struct gg_contact *contact, const char *endpoint,
                               struct gg_mono now)
{
    contact->hello_at_ms = now.ms;
    return gg_socket_open(&contact->socket, endpoint);
}

enum gg_err gg_contact_init(struct gg_contact *contact,
                            const struct gg_worker_settings *settings,
                            const struct gg_worker_keys *keys, struct gg_worker *agent,
                            char *why, size_t room)
{
    struct gg_mono now = gg_mono_now();
    *contact = (struct gg_contact){.settings = settings,
                                   .agent = agent,
                                   .backoff_ms = BACKOFF_MS_MIN,
                                   .down_since_ms = now.ms};
    gg_rng_seed(&contact->rng);
    enum gg_err err = gg_socket_init(&contact->socket, agent->slots_max, keys);
    if (err == GG_OK) {
        err = open_socket(contact, base_endpoint(contact), now);
    }
    if (err == GG_ERR_CONFIG) {
        (void)snprintf(why, room, "%.200s is not an endpoint, as tcp://host:7440",
                       base_endpoint(contact));
    }
    return err;
}

void gg_contact_fini(struct gg_contact *contact)
{
    gg_socket_fini(&contact->socket);
}

/* ---- what the connection does ---- */

/* A handshake ended without a word. A broker that hangs does that, or a proxy without
 * one behind it: nothing new in an outage that has been told. With keys the other side
 * also closes like this when we have the wrong key of it, which nothing else tells. */
static void on_mute(struct gg_contact *contact, struct gg_mono now)
{
    bool silent = now.ms - contact->hello_at_ms >= GG_SOCKET_HANDSHAKE_MS;
    bool with_keys = contact->socket.keys != NULL;
    set_down(contact, now);
    if ((contact->said & (uint32_t)CAUSE_LOST) == 0 || (with_keys && !silent)) {
        say(contact, CAUSE_NO_GANGER, "refused",
            with_keys
                ? "the handshake fails: another server key, or it hangs, or it is not "
                  "a Ganger broker"
                : "the handshake fails: it wants keys, or it hangs, or it is not a "
                  "Ganger broker");
    }
    rebuild(contact, now);
}

static void on_events(struct gg_contact *contact, unsigned events, struct gg_mono now)
{
    if ((events & GG_SOCKET_REFUSED) != 0) {
        set_down(contact, now);
        say(contact, CAUSE_KEY, "refused", "the broker does not accept this key");
        rebuild(contact, now);
        return;
    }
    if ((events & GG_SOCKET_NO_GANGER) != 0) {
        set_down(contact, now);
        say(contact, CAUSE_NO_GANGER, "refused",
            contact->socket.keys != NULL
                ? "the handshake fails: another server key, or not a Ganger broker"
                : "the handshake fails: it wants keys, or it is not a Ganger broker");
        rebuild(contact, now);
        return;
    }
    if ((events & GG_SOCKET_MUTE) != 0) {
        on_mute(contact, now);
        return;
    }
    if ((events & GG_SOCKET_DISCONNECTED) != 0 &&
        contact->agent->state != GG_WORKER_DOWN) {
        bool was_up = contact->is_up;
        set_down(contact, now);
        gg_worker_lost(contact->agent);
        contact->hello_at_ms = now.ms;
        if (was_up) {
            say(contact, CAUSE_LOST, "disconnected", "the connection was closed");
        }
    }
}

static bool may_greet(const struct gg_contact *contact, struct gg_mono now)
{
    return contact->socket.socket != NULL && contact->socket.connected &&
           contact->agent->state == GG_WORKER_DOWN && contact->hello_at_ms <= now.ms;
}

static void say_hello(struct gg_contact *contact, struct gg_now now)
{
    uint64_t session = 0;
    while (session == 0) {
        session = gg_rng_next(&contact->rng);
    }
    gg_worker_hello(contact->agent, now, session);
}

void gg_contact_turn(struct gg_contact *contact, struct gg_now now)
{
    if (contact->socket.socket == NULL) {
        if (contact->open_at_ms > now.mono.ms) {
            return;
        }
        if (open_socket(contact, base_endpoint(contact), now.mono) != GG_OK) {
            contact->open_at_ms = gg_mono_add(now.mono, next_backoff(contact)).ms;
            return;
        }
    }
    on_events(contact, gg_socket_events(&contact->socket), now.mono);
    if (may_greet(contact, now.mono) && gg_socket_is_writable(&contact->socket)) {
        say_hello(contact, now);
    }
}

/* ---- what the broker says ---- */

/* Is this welcome from where agents belong? If not, connect to there. */
static bool follow(struct gg_contact *contact, struct gg_mono now)
{
    char target[sizeof contact->socket.endpoint];
    const char *told = contact->agent->agent_endpoint;
    if (contact->redirected || contact->settings->agent_endpoint != NULL ||
        told[0] == '\0' ||
        !gg_endpoint_resolve(told, contact->socket.endpoint, target, sizeof target) ||
        strcmp(target, contact->socket.endpoint) == 0) {
        return false;
    }
    gg_worker_lost(contact->agent);
    gg_socket_close(&contact->socket);
    if (open_socket(contact, target, now) != GG_OK) {
        contact->open_at_ms = gg_mono_add(now, next_backoff(contact)).ms;
        return true;
    }
    contact->redirected = true;
    return true;
}

static void on_welcome(struct gg_contact *contact, struct gg_mono now)
{
    if (follow(contact, now)) {
        return;
    }
    contact->is_up = true;
    contact->said = 0;
    contact->backoff_ms = BACKOFF_MS_MIN;
    gg_log(GG_LOG_INFO, "connected", "broker=\"%s\" program=\"%s\" epoch=%llu",
           contact->socket.endpoint, contact->agent->broker_program,
           (unsigned long long)contact->agent->epoch);
}

static void on_reset(struct gg_contact *contact, struct gg_mono now)
{
    const struct gg_worker *agent = contact->agent;
    uint64_t wait_ms = next_backoff(contact);
    bool was_up = contact->is_up;
    set_down(contact, now);
    if (agent->reset_retry_ms > wait_ms) {
        wait_ms = agent->reset_retry_ms;
    }
    contact->hello_at_ms = gg_mono_add(now, wait_ms).ms;
    if (agent->reset_err == GG_ERR_NO_SESSION) {
        if (was_up) {
            say(contact, CAUSE_LOST, "session_lost",
                agent->reset_text[0] != '\0' ? agent->reset_text
                                             : gg_err_text(agent->reset_err));
        }
        return;
    }
    char reason[400];
    (void)snprintf(reason, sizeof reason, "%s%s%s", gg_err_name(agent->reset_err),
                   agent->reset_text[0] != '\0' ? ": " : "", agent->reset_text);
    say(contact, CAUSE_RESET, "refused", reason);
}

void gg_contact_news(struct gg_contact *contact, struct gg_mono now,
                     enum gg_worker_news news)
{
    switch (news) {
    case GG_NEWS_NONE:
        return;
    case GG_NEWS_WELCOME:
        on_welcome(contact, now);
        return;
    case GG_NEWS_RESET:
        on_reset(contact, now);
        return;
    case GG_NEWS_ERROR:
        gg_log(GG_LOG_WARN, "broker_refused", "error=%s reason=\"%s\"",
               gg_err_name(contact->agent->error_err), contact->agent->error_text);
        return;
    }
}

void gg_contact_judge(struct gg_contact *contact, struct gg_mono now)
{
    int64_t down_ms = now.ms - contact->down_since_ms;
    if (gg_worker_is_silent(contact->agent, now)) {
        bool was_up = contact->is_up;
        set_down(contact, now);
        if (was_up) {
            say(contact, CAUSE_LOST, "disconnected", "the broker is silent");
        } else if ((contact->said & (uint32_t)CAUSE_LOST) == 0) {
            say(contact, CAUSE_NO_GANGER, "unreachable", "the broker is silent");
        } /* Else it is an outage that has been told: a start may take its time. */
        rebuild(contact, now);
        return;
    }
    if (contact->is_up) {
        return;
    }
    if (down_ms >= UNREACHABLE_MS && contact->said == 0) {
        say(contact, CAUSE_UNREACHABLE, "unreachable",
            "no connection yet; trying on until there is one");
    }
    if (contact->redirected && contact->agent->state == GG_WORKER_DOWN &&
        contact->socket.socket != NULL &&
        down_ms > (int64_t)contact->agent->dead_after_ms &&
        now.ms - contact->hello_at_ms > (int64_t)contact->agent->dead_after_ms) {
        rebuild(contact, now); /* It may be elsewhere by now: ask again. */
    }
}

bool gg_contact_wants_out(const struct gg_contact *contact)
{
    return contact->socket.blocked || may_greet(contact, gg_mono_now());
}

struct gg_mono gg_contact_next_wake(const struct gg_contact *contact)
{
    int64_t at = INT64_MAX;
    if (contact->socket.socket == NULL) {
        at = contact->open_at_ms;
    } else if (contact->agent->state == GG_WORKER_DOWN) {
        int64_t now = gg_mono_now().ms;
        if (contact->hello_at_ms > now) {
            at = contact->hello_at_ms;
        } else if (contact->redirected) {
            at = contact->hello_at_ms + (int64_t)contact->agent->dead_after_ms + 1;
            at = at > now ? at : now + BACKOFF_MS_MAX;
        }
    }
    if (!contact->is_up && contact->said == 0 &&
        contact->down_since_ms + UNREACHABLE_MS < at) {
        at = contact->down_since_ms + UNREACHABLE_MS;
    }
    return (struct gg_mono){at};
}
