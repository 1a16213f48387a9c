#include "broker/core/agent.h"

#include <stdlib.h>

#include "broker/core/answer.h"
#include "broker/core/lease.h"
#include "broker/core/persist.h"
#include "broker/core/queue.h"
#include "broker/core/recover.h"
#include "broker/core/registry.h"
#include "broker/core/timers.h"
#include "broker/core/watch.h"
#include "common/assert.h"
#include "common/codec.h"

/* Timers that come so soon are looked at with those that are due. */
enum { TOGETHER_MS = 250 };

/* ---- life time ---- */

struct gg_agent *gg_agent_ref(struct gg_agent *agent)
{
    agent->refs++;
    return agent;
}

static void free_subs(struct gg_pool *pool)
{
    GG_LIST_EACH(&pool->subs, it)
    {
        struct gg_sub *sub = GG_CONTAINER(it, struct gg_sub, of_pool);
        gg_list_remove(&sub->of_pool);
        gg_list_remove(&sub->of_queue);
        gg_list_remove(&sub->open);
        free(sub);
    }
    gg_heap_fini(&pool->urgent);
    pool->sub_count = 0;
}

static void free_pools(struct gg_agent *agent)
{
    for (uint8_t i = 0; i < agent->pool_count; i++) {
        free_subs(agent->pools[i]);
        free(agent->pools[i]);
    }
    agent->pool_count = 0;
}

void gg_agent_unref(struct gg_agent **agent_p)
{
    struct gg_agent *agent = *agent_p;
    *agent_p = NULL;
    if (agent == NULL) {
        return;
    }
    GG_ASSERT(agent->refs > 0);
    if (--agent->refs == 0) {
        free_pools(agent);
        gg_blob_unref(&agent->name);
        gg_blob_unref(&agent->host);
        gg_blob_unref(&agent->program);
        gg_blob_unref(&agent->awaited);
        gg_blob_unref(&agent->report);
        free(agent);
    }
}

static bool match_name(const void *item, const void *key)
{
    const struct gg_agent *agent = item;
    const struct gg_slice *name = key;
    return gg_slice_equal(gg_blob_slice(agent->name), *name);
}

/* Take the agent out of the map; jobs may go on naming it. */
static void forget(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent)
{
    gg_erase_agent(core, fx, agent);
    gg_heap_remove(&core->agent_timers, &agent->timer);
    free_pools(agent);
    (void)gg_map_remove(&core->agents, agent->hash, agent);
    gg_agent_unref(&agent);
}

static struct gg_agent *new_agent(struct gg_core *core, struct gg_slice name)
{
    if (gg_map_reserve(&core->agents) != GG_OK ||
        gg_heap_reserve(&core->agent_timers,
                        (uint32_t)gg_map_count(&core->agents) + 1) != GG_OK) {
        return NULL; /* Whom nobody could watch is not let in. */
    }
    struct gg_agent *agent = calloc(1, sizeof *agent);
    if (agent == NULL) {
        return NULL;
    }
    agent->name = gg_blob_new(name);
    if (agent->name == NULL) {
        free(agent);
        return NULL;
    }
    agent->refs = 1;
    agent->peer = GG_PEER_NONE;
    agent->hash = gg_hash(name, core->seed);
    gg_list_init(&agent->leases);
    gg_map_put(&core->agents, agent->hash, agent);
    return agent;
}

struct gg_agent *gg_agent_restore(struct gg_core *core, struct gg_slice name)
{
    struct gg_agent *agent = gg_map_find(&core->agents, gg_hash(name, core->seed),
                                         match_name, &name);
    return agent != NULL ? agent : new_agent(core, name);
}

void gg_agents_fini(struct gg_core *core)
{
    size_t place = 0;
    struct gg_agent *agent;
    while ((agent = gg_map_next(&core->agents, &place)) != NULL) {
        GG_ASSERT(agent->refs == 1); /* The jobs that named it are gone already. */
        gg_agent_unref(&agent);
    }
    gg_map_fini(&core->agents);
}

/* ---- what it is ---- */

enum gg_agent_state gg_agent_state_of(const struct gg_agent *agent)
{
    if (agent->peer == GG_PEER_NONE) {
        return GG_AGENT_GONE;
    }
    if (agent->suspect) {
        return GG_AGENT_SUSPECT;
    }
    return agent->draining ? GG_AGENT_DRAINING : GG_AGENT_UP;
}

bool gg_agent_takes_work(const struct gg_core *core, const struct gg_agent *agent)
{
    return gg_agent_state_of(agent) == GG_AGENT_UP &&
           agent->busy < core->bounds.assign_window_max;
}

/* ---- pools and subscriptions ---- */

static bool pool_fits(const struct gg_pool *pool, const struct gg_queue *queue)
{
    if (!gg_slice_equal(gg_name_slice(&pool->realm),
                        gg_name_slice(&queue->realm->name))) {
        return false;
    }
    for (uint8_t i = 0; i < pool->pattern_count; i++) {
        if (gg_pattern_match(gg_name_slice(&pool->patterns[i]),
                             gg_name_slice(&queue->name))) {
            return true;
        }
    }
    return false;
}

/* May the agent's key work on this queue? */
static bool may_serve(struct gg_core *core, const struct gg_agent *agent,
                      const struct gg_queue *queue)
{
    const struct gg_session *session = gg_session_of(core, agent->peer);
    return session != NULL &&
           gg_grant_queue(session->grant, gg_name_slice(&queue->realm->name),
                          gg_name_slice(&queue->name));
}

static enum gg_err subscribe(struct gg_pool *pool, struct gg_queue *queue)
{
    enum gg_err err = gg_heap_reserve(&pool->urgent, pool->sub_count + 1);
    struct gg_sub *sub = err == GG_OK ? calloc(1, sizeof *sub) : NULL;
    if (sub == NULL) {
        return GG_ERR_NO_MEMORY;
    }
    pool->sub_count++;
    gg_heap_set(&pool->urgent, &sub->urgent, 0); /* It may hold the most urgent job. */
    sub->pool = pool;
    sub->queue = queue;
    gg_list_push_back(&pool->subs, &sub->of_pool);
    gg_list_push_back(&queue->subs, &sub->of_queue);
    gg_list_push_back(&queue->open, &sub->open);
    return GG_OK;
}

static void unsubscribe_all(struct gg_queue *queue)
{
    GG_LIST_EACH(&queue->subs, it)
    {
        struct gg_sub *sub = GG_CONTAINER(it, struct gg_sub, of_queue);
        gg_heap_remove(&sub->pool->urgent, &sub->urgent);
        sub->pool->sub_count--;
        gg_list_remove(&sub->of_pool);
        gg_list_remove(&sub->of_queue);
        gg_list_remove(&sub->open);
        free(sub);
    }
}

enum gg_err gg_agents_subscribe(struct gg_core *core, struct gg_queue *queue)
{
    size_t place = 0;
    struct gg_agent *agent;
    while ((agent = gg_map_next(&core->agents, &place)) != NULL) {
        for (uint8_t i = 0; i < agent->pool_count; i++) {
            if (!pool_fits(agent->pools[i], queue) || !may_serve(core, agent, queue)) {
                continue;
            }
            if (subscribe(agent->pools[i], queue) != GG_OK) {
                unsubscribe_all(queue);
                return GG_ERR_NO_MEMORY;
            }
        }
    }
    return GG_OK;
}

/* A queue that a pool names in full is there from then on, so that it can be seen. */
static void make_named_queues(struct gg_core *core, const struct gg_pool *pool)
{
    const struct gg_session *session = gg_session_of(core, pool->agent->peer);
    for (uint8_t i = 0; i < pool->pattern_count; i++) {
        struct gg_slice name = gg_name_slice(&pool->patterns[i]);
        struct gg_slice realm = gg_name_slice(&pool->realm);
        struct gg_queue *queue;
        if (gg_name_valid(name) && gg_grant_queue(session->grant, realm, name) &&
            gg_queue_get(core, realm, name, &queue) != GG_OK) {
            return; /* Over a limit: it is made when there is room and a job for it. */
        }
    }
}

static void subscribe_pool(struct gg_core *core, struct gg_pool *pool)
{
    for (uint32_t i = 0; i < core->queue_count; i++) {
        struct gg_queue *queue = core->queues[i];
        if (pool_fits(pool, queue) && may_serve(core, pool->agent, queue) &&
            subscribe(pool, queue) != GG_OK) {
            return; /* Without memory the pool serves less. */
        }
    }
}

static struct gg_pool *find_pool(const struct gg_agent *agent, uint64_t number)
{
    for (uint8_t i = 0; i < agent->pool_count; i++) {
        if (agent->pools[i]->number == number) {
            return agent->pools[i];
        }
    }
    return NULL;
}

static void add_pool(struct gg_core *core, struct gg_agent *agent,
                     struct gg_pool_info *info)
{
    struct gg_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL || agent->pool_count == GG_POOLS_MAX) {
        free(pool);
        return;
    }
    pool->agent = agent;
    pool->number = (uint8_t)info->pool;
    pool->slots = (uint32_t)info->slots;
    gg_list_init(&pool->subs);
    gg_list_init(&pool->shut);
    gg_name_set(&pool->name, info->name);
    gg_name_set(&pool->realm, gg_realm_or_default(info->realm));
    struct gg_slice pattern;
    while (pool->pattern_count < GG_PATTERNS_MAX &&
           gg_list_next_text(&info->queues, &pattern)) {
        if (gg_pattern_valid(pattern)) {
            gg_name_set(&pool->patterns[pool->pattern_count++], pattern);
        }
    }
    if (agent->pool_count == 0) {
        agent->realm = pool->realm;
    }
    make_named_queues(core, pool);
    agent->pools[agent->pool_count++] = pool;
    subscribe_pool(core, pool);
}

/* Pools that the agent does not name any more: gone, once nothing of theirs runs. True:
 * one has gone. */
static bool drop_pools(struct gg_agent *agent, uint64_t named)
{
    uint8_t kept = 0;
    for (uint8_t i = 0; i < agent->pool_count; i++) {
        struct gg_pool *pool = agent->pools[i];
        bool stays = (named >> (pool->number - 1) & 1) != 0;
        pool->slots = stays ? pool->slots : 0;
        if (stays || pool->busy > 0) {
            agent->pools[kept++] = pool;
        } else {
            free_subs(pool);
            free(pool);
        }
    }
    bool dropped = kept != agent->pool_count;
    agent->pool_count = kept;
    return dropped;
}

/* Take the windows as stated; of pools not known yet also what they serve. (Leases can
 * be theirs already: an attempt taken back names the pool that runs it.) True: a window
 * is larger than before. */
static bool take_pools(struct gg_core *core, struct gg_effects *fx,
                       struct gg_agent *agent, struct gg_list pools)
{
    struct gg_pool_info info;
    struct gg_fault fault;
    uint8_t known = agent->pool_count;
    uint64_t named = 0;
    bool larger = false;
    while (gg_list_next_record(&pools, GG_RECORD_POOL, &info, &fault)) {
        named |= UINT64_C(1) << (info.pool - 1);
        struct gg_pool *pool = find_pool(agent, info.pool);
        larger = larger || pool == NULL || info.slots > pool->slots;
        if (pool == NULL) {
            add_pool(core, agent, &info);
        } else {
            pool->slots = (uint32_t)info.slots;
        }
    }
    bool changed = agent->pool_count != known;
    if (named != 0 && drop_pools(agent, named)) {
        changed = true;
    }
    if (changed) {
        gg_leases_count_pools(agent);
        gg_persist_agent(core, fx, agent);
    }
    return larger;
}

void gg_agent_feed(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent)
{
    for (uint8_t i = 0; i < agent->pool_count; i++) {
        gg_dispatch_pool(core, fx, agent->pools[i]);
    }
}

/* ---- liveness ---- */

static void event(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                  enum gg_moment kind)
{
    static const char *const names[GG_MOMENT_COUNT] = {
        [GG_MOMENT_WORKER_UP] = "worker_up",
        [GG_MOMENT_WORKER_SUSPECT] = "worker_suspect",
        [GG_MOMENT_WORKER_DOWN] = "worker_down",
    };
    gg_note(fx, GG_FX_LOG, "event=%s worker=%.*s host=%.*s leases=%u", names[kind],
            GG_PRINT(gg_blob_slice(agent->name)), GG_PRINT(gg_blob_slice(agent->host)),
            agent->busy);
    gg_watch_agent(core, fx, agent, kind);
}

static void arm(struct gg_core *core, struct gg_agent *agent)
{
    const struct gg_bounds *bounds = &core->bounds;
    struct gg_mono at;
    if (agent->peer != GG_PEER_NONE) {
        at = agent->suspect ? gg_mono_add(core->now.mono, bounds->lease_ms)
                            : gg_mono_add(agent->last_seen, bounds->dead_after_ms);
    } else if (!gg_list_empty(&agent->leases)) {
        at = gg_mono_add(agent->gone_since, bounds->gone_grace_ms);
    } else {
        at = gg_mono_add(agent->gone_since, GG_AGENT_FORGET_MS);
    }
    gg_heap_set(&core->agent_timers, &agent->timer, at.ms);
}

bool gg_agent_heard(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent)
{
    agent->last_seen = core->now.mono; /* The timer finds out when it is due. */
    if (!agent->suspect) {
        return false;
    }
    agent->suspect = false;
    event(core, fx, agent, GG_MOMENT_WORKER_UP);
    arm(core, agent);
    return true;
}

void gg_agent_heartbeat(struct gg_core *core, struct gg_effects *fx,
                        struct gg_agent *agent, const struct gg_heartbeat *heartbeat)
{
    bool more = agent->draining && !heartbeat->draining;
    gg_leases_renew(core, agent, heartbeat->held);
    agent->draining = heartbeat->draining;
    if (take_pools(core, fx, agent, heartbeat->pools) || more) {
        gg_agent_feed(core, fx, agent);
    }
}

void gg_agent_closed(struct gg_core *core, struct gg_effects *fx,
                     struct gg_agent *agent, bool bye)
{
    agent->peer = GG_PEER_NONE;
    agent->gone_since = core->now.mono;
    agent->suspect = false;
    event(core, fx, agent, GG_MOMENT_WORKER_DOWN);
    free_pools(agent);
    if (bye) {
        gg_leases_end_all(core, fx, agent, GG_LEASE_HANDED_BACK);
        gg_erase_agent(core, fx, agent);
    }
    arm(core, agent);
}

static void on_due(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent)
{
    struct gg_mono now = core->now.mono;
    if (agent->peer != GG_PEER_NONE) {
        struct gg_mono silent = gg_mono_add(agent->last_seen,
                                            core->bounds.dead_after_ms);
        if (!agent->suspect && gg_mono_reached(silent, now)) {
            agent->suspect = true;
            event(core, fx, agent, GG_MOMENT_WORKER_SUSPECT);
        }
        arm(core, agent);
        return;
    }
    if (gg_mono_reached(gg_mono_add(agent->gone_since, core->bounds.gone_grace_ms),
                        now)) {
        gg_leases_end_all(core, fx, agent, GG_LEASE_GIVEN_UP);
    }
    if (gg_list_empty(&agent->leases) &&
        gg_mono_reached(gg_mono_add(agent->gone_since, GG_AGENT_FORGET_MS), now)) {
        forget(core, fx, agent);
        return;
    }
    arm(core, agent);
}

/* Put a timer that is not due yet back to when it should be. True: it has moved. */
static bool move_on(struct gg_core *core, struct gg_agent *agent)
{
    int64_t before = gg_heap_at(&core->agent_timers, &agent->timer);
    if (agent->peer == GG_PEER_NONE || agent->suspect) {
        return false;
    }
    arm(core, agent);
    return gg_heap_at(&core->agent_timers, &agent->timer) != before;
}

/* The timer of an agent that speaks comes every few seconds and finds nothing. A whole
 * fleet's are looked at together: each by itself would wake the broker. */
void gg_agents_due(struct gg_core *core, struct gg_effects *fx)
{
    int64_t now_ms = core->now.mono.ms;
    bool due = false;
    for (int n = 0; n < GG_DUE_PER_STEP; n++) {
        struct gg_heap_node *node = gg_heap_first(&core->agent_timers);
        int64_t at = gg_heap_first_at(&core->agent_timers);
        if (node == NULL || at > now_ms + (due ? TOGETHER_MS : 0)) {
            return;
        }
        struct gg_agent *agent = GG_CONTAINER(node, struct gg_agent, timer);
        if (at <= now_ms) {
            due = true;
            gg_heap_remove(&core->agent_timers, node);
            on_due(core, fx, agent);
        } else if (!move_on(core, agent)) {
            return; /* It will really be due. */
        }
    }
}

void gg_agents_await(struct gg_core *core, struct gg_mono until)
{
    size_t place = 0;
    struct gg_agent *agent;
    while ((agent = gg_map_next(&core->agents, &place)) != NULL) {
        agent->gone_since = (struct gg_mono){until.ms -
                                             (int64_t)core->bounds.gone_grace_ms};
        arm(core, agent);
    }
}

static struct gg_mono later(struct gg_mono a, struct gg_mono b)
{
    return a.ms > b.ms ? a : b;
}

void gg_agents_forgive(struct gg_core *core)
{
    size_t place = 0;
    struct gg_agent *agent;
    while ((agent = gg_map_next(&core->agents, &place)) != NULL) {
        if (agent->peer != GG_PEER_NONE) {
            agent->last_seen = core->now.mono;
        } else {
            agent->gone_since = later(agent->gone_since, core->now.mono);
        }
        gg_leases_extend(core, agent);
    }
}

/* ---- hello ---- */

/* May this incarnation have the name? The old one's attempts are dead when it may; an
 * older one is no proof of that while they have leases. */
static bool admit(struct gg_core *core, struct gg_effects *fx, struct gg_agent *agent,
                  uint32_t peer, const struct gg_hello *hello)
{
    bool here = agent->peer != GG_PEER_NONE;
    if (hello->incarnation == agent->incarnation ||
        (!here && gg_list_empty(&agent->leases))) {
        return true;
    }
    bool heard = !gg_mono_reached(
        gg_mono_add(agent->last_seen, core->bounds.dead_after_ms), core->now.mono);
    if ((here && heard) || hello->incarnation < agent->incarnation) {
        gg_refuse_session(core, fx, peer, GG_ERR_NAME_TAKEN,
                          "an agent named %.*s (pid %llu on %.*s) holds the name",
                          GG_PRINT(hello->name), (unsigned long long)agent->pid,
                          GG_PRINT(gg_blob_slice(agent->host)));
        return false;
    }
    return true;
}

/* The agent's session before this one is over, whatever its connection does. */
static void replace_session(struct gg_core *core, struct gg_effects *fx,
                            struct gg_agent *agent)
{
    struct gg_session *old = gg_session_of(core, agent->peer);
    if (old != NULL) {
        gg_refuse_session(core, fx, agent->peer, GG_ERR_NO_SESSION,
                          "the agent has opened another session");
        old->open = false;
        old->agent = NULL;
    }
    agent->peer = GG_PEER_NONE;
    free_pools(agent);
}

static struct gg_agent *find_or_new(struct gg_core *core, struct gg_effects *fx,
                                    uint32_t peer, const struct gg_hello *hello)
{
    uint64_t hash = gg_hash(hello->name, core->seed);
    struct gg_agent *agent = gg_map_find(&core->agents, hash, match_name, &hello->name);
    if (agent != NULL) {
        return admit(core, fx, agent, peer, hello) ? agent : NULL;
    }
    if (gg_map_count(&core->agents) >= core->bounds.agents_max) {
        gg_refuse_session(core, fx, peer, GG_ERR_TOO_MANY,
                          "there are %llu agents, as many as may be",
                          (unsigned long long)core->bounds.agents_max);
        return NULL;
    }
    agent = new_agent(core, hello->name);
    if (agent == NULL) {
        gg_refuse_session(core, fx, peer, GG_ERR_NO_MEMORY, "out of memory");
    }
    return agent;
}

/* Can every pool and every attempt in hand be read? What cannot would count as one
 * that the agent does not have. */
static bool lists_are_sound(const struct gg_hello *hello)
{
    struct gg_list held = hello->held;
    struct gg_list pools = hello->pools;
    struct gg_held one;
    struct gg_pool_info pool;
    struct gg_fault fault;
    while (gg_list_next_record(&held, GG_RECORD_HELD, &one, &fault)) {
    }
    while (gg_list_next_record(&pools, GG_RECORD_POOL, &pool, &fault)) {
    }
    return held.count == 0 && pools.count == 0;
}

void gg_agent_hello(struct gg_core *core, struct gg_effects *fx, uint32_t peer,
                    const struct gg_hello *hello)
{
    struct gg_session *session = core->sessions[peer];
    if (hello->name.len == 0) {
        session->open = false;
        gg_refuse_session(core, fx, peer, GG_ERR_BAD_FIELD, "an agent needs a name");
        return;
    }
    if (!lists_are_sound(hello)) {
        session->open = false;
        gg_refuse_session(core, fx, peer, GG_ERR_BAD_FIELD,
                          "an entry of pools or held is not valid");
        return;
    }
    struct gg_agent *agent = find_or_new(core, fx, peer, hello);
    if (agent == NULL) {
        session->open = false;
        return;
    }
    replace_session(core, fx, agent);
    if (hello->incarnation != agent->incarnation) {
        gg_leases_end_all(core, fx, agent, GG_LEASE_LOST);
    }
    agent->incarnation = hello->incarnation;
    agent->peer = peer;
    agent->pid = hello->pid;
    agent->suspect = false;
    agent->draining = hello->draining;
    agent->last_seen = core->now.mono;
    agent->connected_at = core->now.wall;
    gg_text_replace(&agent->host, hello->host, 255);
    gg_text_replace(&agent->program, hello->program, 64);
    session->agent = agent;
    gg_say_welcome(core, fx, peer);
    gg_leases_settle(core, fx, agent, hello->held);
    agent->seq = 0;
    (void)take_pools(core, fx, agent, hello->pools);
    if (agent->seq == 0) {
        gg_persist_agent(core, fx, agent); /* It may come without pools. */
    }
    gg_recover_agent(core, fx, agent);
    arm(core, agent);
    event(core, fx, agent, GG_MOMENT_WORKER_UP);
    gg_agent_feed(core, fx, agent);
}
