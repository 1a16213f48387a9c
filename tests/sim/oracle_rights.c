/* oracle_rights.c - what keys may do, by the promise and not by the core's table; and
 * requests for many jobs, which are one. */
#include "tests/sim/facts.h"

/* Only what clients of this world send. */
static bool may_send(uint8_t roles, uint64_t code)
{
    switch (code) {
    case GG_CMD_SUBMIT:
    case GG_CMD_SUBMIT_MANY:
    case GG_CMD_CANCEL:
        return (roles & (GG_ROLE_SUBMIT | GG_ROLE_OPERATE)) != 0;
    case GG_CMD_GET:
    case GG_CMD_WAIT:
        return (roles & (GG_ROLE_SUBMIT | GG_ROLE_OBSERVE | GG_ROLE_OPERATE)) != 0;
    case GG_CMD_RETRY:
    case GG_CMD_PAUSE:
    case GG_CMD_RESUME:
    case GG_CMD_PURGE:
        return (roles & GG_ROLE_OPERATE) != 0;
    default:
        return true;
    }
}

static bool reaches(const struct gg_grant *key, struct gg_slice queue)
{
    struct gg_slice only = gg_name_slice(&key->queues[0]);
    return gg_slice_equal(only, gg_slice_text("*")) || gg_slice_equal(only, queue);
}

bool facts_reaches(uint32_t peer, struct gg_slice queue)
{
    return facts.keys[peer] != NULL && reaches(facts.keys[peer], queue);
}

static bool may_do(const struct gg_grant *key, const struct gg_command *command)
{
    if (!may_send(key->roles, command->code)) {
        return false;
    }
    if (command->code == GG_CMD_SUBMIT) {
        return reaches(key, command->as.submit.queue);
    }
    if (command->code == GG_CMD_PAUSE || command->code == GG_CMD_RESUME ||
        command->code == GG_CMD_PURGE) {
        return reaches(key, command->as.scope.queue);
    }
    struct gg_submit submit;
    struct gg_fault fault;
    struct gg_list list = command->as.submit_many.jobs;
    while (command->code == GG_CMD_SUBMIT_MANY &&
           gg_list_next_record(&list, GG_RECORD_SUBMIT, &submit, &fault)) {
        if (!reaches(key, submit.queue)) {
            return false;
        }
    }
    return true;
}

void facts_rights_in(const struct gg_event *ev)
{
    facts.forbidden = false;
    facts.said_so = false;
    if (ev->type == GG_EV_HELLO) {
        facts.keys[ev->peer] = ev->grant;
    } else if (ev->type == GG_EV_COMMAND && facts.keys[ev->peer] != NULL) {
        facts.forbidden = !may_do(facts.keys[ev->peer], ev->command);
    }
}

static void check_forbidden(struct sim *sim, uint32_t peer,
                            const struct gg_command *command)
{
    const char *asked = gg_command_type_of(facts.ev->command->code)->name;
    /* For one of many that is wrong in another way too, any reason does. */
    bool refused = command->code == GG_CMD_ERROR && peer == facts.ev->peer &&
                   (command->as.error.error == GG_ERR_NOT_ALLOWED ||
                    facts.ev->command->code == GG_CMD_SUBMIT_MANY);
    facts.said_so = facts.said_so || refused;
    if (!refused) {
        facts_fail(sim, ORACLE_ROLE, "%s by a key that may not: %s to peer %u", asked,
                   gg_command_type_of(command->code)->name, peer);
    }
}

/* ---- many ---- */

static void refuse_many(struct sim *sim)
{
    struct gg_list list = facts.ev->command->as.submit_many.jobs;
    struct gg_submit submit;
    struct gg_fault fault;
    sim_mark(SIM_MARK_MANY_REFUSED);
    if (facts.begun != facts.step_begun) {
        facts_fail(sim, ORACLE_WHOLE, "%llu of many are accepted, and all refused",
                   (unsigned long long)(facts.begun - facts.step_begun));
    }
    while (gg_list_next_record(&list, GG_RECORD_SUBMIT, &submit, &fault)) {
        struct fact *fact = facts_find(&submit.id);
        fact->refused = fact->refused || !fact->accepted;
    }
}

static void take_many(struct sim *sim, struct gg_list answers)
{
    struct gg_job_info job;
    struct gg_fault fault;
    uint32_t asked = facts.ev->command->as.submit_many.jobs.count;
    uint32_t count = 0;
    sim_mark(SIM_MARK_MANY);
    for (; gg_list_next_record(&answers, GG_RECORD_JOB, &job, &fault); count++) {
        const struct fact *fact = facts_find(&job.id);
        if (fact == NULL || !fact->accepted) {
            facts_fail(sim, ORACLE_WHOLE, "number %u of many was never accepted",
                       count);
        }
    }
    if (count != asked) {
        facts_fail(sim, ORACLE_WHOLE, "%u of %u jobs are in the answer", count, asked);
    }
}

void facts_rights_out(struct sim *sim, uint32_t peer, const struct gg_command *command)
{
    const struct gg_event *ev = facts.ev;
    if (facts.forbidden) {
        check_forbidden(sim, peer, command);
    }
    if (ev->type != GG_EV_COMMAND || ev->command->code != GG_CMD_SUBMIT_MANY ||
        ev->peer != peer || ev->command->request != command->request) {
        return;
    }
    if (command->code == GG_CMD_ERROR) {
        refuse_many(sim);
    } else if (command->code == GG_CMD_JOBS) {
        take_many(sim, command->as.jobs.jobs);
    }
}

void facts_rights_end(struct sim *sim)
{
    if (facts.forbidden) {
        sim_mark(SIM_MARK_NOT_ALLOWED);
        if (!facts.said_so) {
            facts_fail(sim, ORACLE_ROLE, "who may not do it is not told");
        }
    }
    if (facts.ev->type == GG_EV_CLOSED) {
        facts.keys[facts.ev->peer] = NULL;
    }
}
