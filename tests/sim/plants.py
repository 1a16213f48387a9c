#!/usr/bin/env python3
"""Planted bugs: each is a small wrong turn in a product file, and the simulator must
find each within 1,000 seeds. No product file knows of them: a copy is made in which every
place asks whether its plant is switched on.

    plants.py make ROOT FOLDER    copies with all plants, for the build; and a table
    plants.py check SIM MISSING   run each; exit 1 if one is not found, or has no place
    plants.py list                what there is

To add one: a row in PLANTS. PLANT in the new text is true while it is switched on; the
old text must stand exactly once in its file. A plant whose place has changed fails the
check by name: give it a new place. Its promise is a checker of oracle.h; `found_by` says
which of them may convict it (or CRASH: an assertion of the product stops it).
"""
import pathlib
import subprocess
import sys

SEEDS = 1000

# name, found by, [(file, old text, new text)]
PLANTS = [
    ("outcome_of_any_fence", "STALE ONE_LEASE CRASH", [(
        "broker/core/outcome.c",
        "job->state == GG_JOB_RUNNING && job->newest->fence == fence &&",
        "job->state == GG_JOB_RUNNING && (PLANT || job->newest->fence == fence) &&")]),
    ("outcome_of_any_agent", "STALE SOUND CRASH", [(
        "broker/core/outcome.c",
        "job->newest->agent == agent\n               ? job",
        "(PLANT || job->newest->agent == agent)\n               ? job")]),
    ("fences_stand_still", "FENCE CRASH", [(
        "broker/core/lease.c",
        "if (++core->fence_count >> GG_FENCE_SHIFT != 0) {",
        "if ((PLANT ? 1 : ++core->fence_count) >> GG_FENCE_SHIFT != 0) {")]),
    ("window_one_too_wide", "WINDOW", [(
        "broker/core/lease.c",
        "return pool->busy < pool->slots && ",
        "return pool->busy < pool->slots + (PLANT ? 1 : 0) && ")]),
    ("paused_queue_goes_on", "PAUSE SOUND", [(
        "broker/core/lease.c",
        "if (queue->paused) {\n        return false;",
        "if (queue->paused && !PLANT) {\n        return false;")]),
    ("pause_answered_too_soon", "PAUSE", [(
        "broker/core/operate.c",
        "if (queue->paused && gg_queue_fits",
        "if (!PLANT && queue->paused && gg_queue_fits")]),
    ("pause_not_written_down", "PAUSE", [(
        "broker/core/persist.c",
        "if (!queue->paused) {\n        write_erasure",
        "if (!queue->paused || PLANT) {\n        write_erasure")]),
    ("cancel_forgotten", "CANCEL", [(
        "broker/core/operate.c",
        "job->cancelling = true;",
        "job->cancelling = !PLANT;")]),
    ("cancelled_but_not_ended", "CANCEL CRASH SOUND", [(
        "broker/core/operate.c",
        "            gg_end_waiting(core, fx, job, GG_JOB_CANCELLED, GG_ERR_CANCELLED);\n"
        "        } else {",
        "            if (!PLANT) {\n"
        "                gg_end_waiting(core, fx, job, GG_JOB_CANCELLED,\n"
        "                               GG_ERR_CANCELLED);\n"
        "            }\n"
        "        } else {")]),
    ("last_come_first_served", "ORDER", [(
        "broker/core/queue.c",
        "    if (front) {\n",
        "    if (front || PLANT) {\n")]),
    ("no_back_off", "NOT_BEFORE", [(
        "broker/core/ending.c",
        "job->due = gg_mono_add(core->now.mono, delay);",
        "job->due = gg_mono_add(core->now.mono, PLANT ? 0 : delay);")]),
    ("no_delay", "NOT_BEFORE", [(
        "broker/core/submit.c",
        "    } else if (submit->delay_ms > 0) {",
        "    } else if (submit->delay_ms > 0 && !PLANT) {")]),
    ("starts_after_its_deadline", "EXPIRY", [(
        "broker/core/lease.c",
        "if (job == NULL || !gg_mono_reached(job->expires, core->now.mono)) {",
        "if (PLANT || job == NULL ||\n"
        "            !gg_mono_reached(job->expires, core->now.mono)) {")]),
    ("attempts_without_end", "ATTEMPTS CRASH SOUND", [(
        "broker/core/ending.c",
        "    if (job->attempt >= job->attempts_max) {",
        "    if (job->attempt >= job->attempts_max && !PLANT) {")]),
    ("one_attempt_too_few", "ATTEMPTS", [(
        "broker/core/lease.c",
        "    } else if (gg_job_at_most_once(job) || job->attempt >= job->attempts_max) {",
        "    } else if (gg_job_at_most_once(job) ||\n"
        "               job->attempt + (PLANT ? 1 : 0) >= job->attempts_max) {")]),
    ("lost_once_and_again", "AT_MOST_ONCE ATTEMPTS", [(
        "broker/core/outcome.c",
        "    if (gg_job_at_most_once(job) || job->attempt >= job->attempts_max) {",
        "    if ((gg_job_at_most_once(job) || job->attempt >= job->attempts_max) &&\n"
        "        !PLANT) {")]),
    ("leases_not_renewed", "ONE_LEASE", [(
        "broker/core/lease.c",
        "lease_at(place)->lease_until = until;",
        "lease_at(place)->lease_until =\n"
        "                PLANT ? lease_at(place)->lease_until\n"
        "                      : until;")]),
    ("closed_is_dead_at_once", "ONE_LEASE", [(
        "broker/core/agent.c",
        "at = gg_mono_add(agent->gone_since, bounds->gone_grace_ms);",
        "at = gg_mono_add(agent->gone_since, PLANT ? 0 : bounds->gone_grace_ms);"), (
        "broker/core/agent.c",
        "if (gg_mono_reached(gg_mono_add(agent->gone_since, core->bounds.gone_grace_ms),\n"
        "                        now)) {",
        "if (PLANT ||\n"
        "        gg_mono_reached(gg_mono_add(agent->gone_since,\n"
        "                                    core->bounds.gone_grace_ms),\n"
        "                        now)) {")]),
    ("ids_forgotten_too_soon", "RESEND", [(
        "broker/core/ending.c",
        "if (job->answer_acked || gg_mono_reached(job->due, core->now.mono)) {",
        "if (PLANT || job->answer_acked ||\n"
        "        gg_mono_reached(job->due, core->now.mono)) {")]),
    ("key_not_looked_up", "KEY CRASH SOUND", [(
        "broker/core/submit.c",
        "job = queue == NULL || submit->key.len == 0",
        "job = PLANT || queue == NULL || submit->key.len == 0")]),
    ("success_frees_its_key", "KEY", [(
        "broker/core/ending.c",
        "if (job->terms->unique_until == GG_UNIQUE_EVICTED) {",
        "if (job->terms->unique_until == GG_UNIQUE_EVICTED && !PLANT) {")]),
    ("kept_half_the_time", "RETAINED", [(
        "broker/core/ending.c",
        "return terms->keep_ms == GG_UNSAID ? core->bounds.keep_keyed_ms\n"
        "                                           : terms->keep_ms;",
        "uint64_t kept = terms->keep_ms == GG_UNSAID ? core->bounds.keep_keyed_ms\n"
        "                                                    : terms->keep_ms;\n"
        "        return PLANT ? kept / 2 : kept;")]),
    ("result_cut_short", "RETAINED", [(
        "broker/core/answer.c",
        "info.result = gg_blob_slice(gg_job_newest(job)->result);",
        "info.result = gg_blob_slice(gg_job_newest(job)->result);\n"
        "        info.result.len -= PLANT && info.result.len > 1 ? 1 : 0;")]),
    ("success_thrown_away", "KEPT_OUTCOME", [(
        "broker/core/outcome.c",
        "    if (job != NULL) {\n        take(core, fx, agent, job, outcome);",
        "    if (job != NULL && PLANT && outcome->fence % 16 == 0) {\n"
        "        return;\n"
        "    }\n"
        "    if (job != NULL) {\n        take(core, fx, agent, job, outcome);")]),
    ("retry_not_armed", "IN_TIME SOUND", [(
        "broker/core/ending.c",
        "    gg_job_arm(core, job);\n    core->stat[GG_STAT_RETRIED]++;",
        "    if (!PLANT) {\n        gg_job_arm(core, job);\n    }\n"
        "    core->stat[GG_STAT_RETRIED]++;")]),
    ("evicted_still_charged", "SOUND BOUNDED", [(
        "broker/core/ending.c",
        "gg_charge(core, job, (int64_t)GG_JOB_BYTES - (int64_t)job->charged);",
        "gg_charge(core, job, PLANT ? 0 : (int64_t)GG_JOB_BYTES - (int64_t)job->charged);")]),
    ("living_called_lost", "NO_LOSS", [(
        "broker/core/core.c",
        "    if (job != NULL && gg_grant_queue(",
        "    job = PLANT && job != NULL && job->number % 32 == 5 ? NULL : job;\n"
        "    if (job != NULL && gg_grant_queue(")]),
    ("answer_before_disk", "NO_LOSS FINAL CANCEL PAUSE RETAINED", [(
        "broker/io/outbox.c",
        "if (effect->after <= box->durable) {",
        "if (PLANT || effect->after <= box->durable) {")]),
    ("confirm_before_disk", "FINAL NO_LOSS AT_MOST_ONCE", [(
        "broker/core/outcome.c",
        "gg_say_patiently(core, fx, agent->peer, 0, GG_CMD_CONFIRM, &answer, after);",
        "gg_say_patiently(core, fx, agent->peer, 0, GG_CMD_CONFIRM, &answer,\n"
        "                     PLANT ? 0 : after);")]),
    ("gap_overlooked", "WAITS_END IN_TIME CRASH", [(
        "broker/io/peers.c",
        "if (header->sequence != peer->heard + 1) {",
        "if (header->sequence != peer->heard + 1 &&\n"
        "        !(PLANT && header->sequence > peer->heard)) {")]),
    ("outcome_said_once_only", "IN_TIME", [(
        "worker/agent.c",
        "        if (attempt->state == GG_ATTEMPT_FINISHED) {\n"
        "            gg_say_outcome(agent, attempt);\n"
        "        } else if (attempt->work != NULL",
        "        if (attempt->state == GG_ATTEMPT_FINISHED) {\n"
        "            if (!PLANT) {\n"
        "                gg_say_outcome(agent, attempt);\n"
        "            }\n"
        "        } else if (attempt->work != NULL")]),
    ("lease_counted_too_long", "ONE_PROCESS", [(
        "worker/agent.c",
        "int64_t end = lease_end(agent, newest.sent_ms);",
        "int64_t end = lease_end(agent, newest.sent_ms +\n"
        "                                       (PLANT ? (int64_t)agent->lease_ms : 0));")]),
    ("run_timeout_ignored", "RUN_LIMIT", [(
        "worker/agent_begin.c",
        "if (attempt->work->run_timeout_ms > 0) {",
        "if (attempt->work->run_timeout_ms > 0 && !PLANT) {")]),
    ("lost_hello_waited_for", "IN_TIME", [(
        "worker/agent_time.c",
        "at = tick < at ? tick : at;",
        "at = tick < at && !PLANT ? tick : at;")]),
    ("request_not_sent_again", "WAITS_END", [(
        "client/src/session_receive.c",
        "void gg_session_link_down(struct gg_session *session)\n{\n"
        "    gg_session_requeue(session);",
        "void gg_session_link_down(struct gg_session *session)\n{\n"
        "    if (PLANT) {\n"
        "        session->state = GG_SESSION_DOWN;\n"
        "        return;\n"
        "    }\n"
        "    gg_session_requeue(session);"), (
        "client/src/session_receive.c",
        "void gg_session_link_up(struct gg_session *session, struct gg_mono now)\n{\n"
        "    gg_session_requeue(session);",
        "void gg_session_link_up(struct gg_session *session, struct gg_mono now)\n{\n"
        "    if (!PLANT) {\n"
        "        gg_session_requeue(session);\n"
        "    }")]),
    ("refused_but_run", "REFUSED", [(
        "broker/core/submit.c",
        "    if (verdict->err == GG_OK) {\n        create(",
        "    if (verdict->err == GG_OK || (PLANT && verdict->err == GG_ERR_QUEUE_FULL)) {\n"
        "        create("), (
        "broker/core/submit.c",
        "    take(core, peer, submit, &verdict);\n    if (verdict.err != GG_OK) {",
        "    take(core, peer, submit, &verdict);\n"
        "    if (PLANT && verdict.err == GG_ERR_QUEUE_FULL && verdict.job != NULL) {\n"
        "        launch(core, fx, verdict.job);\n"
        "    }\n"
        "    if (verdict.err != GG_OK) {")]),
    ("jobs_without_limit", "BOUNDED", [(
        "broker/core/submit.c",
        "    if (core->jobs >= bounds->jobs_max) {",
        "    if (core->jobs >= bounds->jobs_max && !PLANT) {")]),
    ("restart_awaits_nobody", "ONE_PROCESS", [(
        "broker/core/recover.c",
        "    queue->awaited++;",
        "    queue->awaited += PLANT ? 0 : 1;")]),
    ("epoch_not_raised", "FENCE CRASH", [(
        "broker/core/recover.c",
        "core->epoch = past >= core->epoch ? past + 1 : core->epoch;",
        "core->epoch = past >= core->epoch && !PLANT ? past + 1 : core->epoch;")]),
    ("roles_not_looked_at", "ROLE", [(
        "broker/core/core.c",
        "    if (!gg_grant_command(session->grant,",
        "    if (!PLANT && !gg_grant_command(session->grant,")]),
    ("queues_out_of_reach_served", "ROLE", [(
        "broker/core/submit.c",
        "    if (!gg_grant_queue(session->grant, realm, submit->queue)) {",
        "    if (!PLANT && !gg_grant_queue(session->grant, realm, submit->queue)) {")]),
    ("queues_out_of_reach_steered", "ROLE", [(
        "broker/core/operate.c",
        "    if (!gg_name_valid(scope->queue) || gg_grant_queue(",
        "    if (PLANT || !gg_name_valid(scope->queue) || gg_grant_queue(")]),
    ("many_taken_in_part", "WHOLE ROLE", [(
        "broker/core/submit.c",
        "        undo(core, jobs, met);\n",
        "        for (uint32_t i = 0; PLANT && jobs[i] != NULL; i++) {\n"
        "            if (met[i] == 0) {\n"
        "                launch(core, fx, jobs[i]);\n"
        "            }\n"
        "        }\n"
        "        if (!PLANT) {\n"
        "            undo(core, jobs, met);\n"
        "        }\n")]),
    ("checkpoint_not_handed_on", "CHECKPOINT", [(
        "broker/core/lease.c",
        "        assign.checkpoint = gg_blob_slice(job->extra->checkpoint);",
        "        assign.checkpoint = PLANT ? (struct gg_slice){0}\n"
        "                                  : gg_blob_slice(job->extra->checkpoint);")]),
    ("words_of_the_attempt_before", "OUTPUT", [(
        "broker/core/lease.c",
        "    if (extra != NULL) {\n        gg_job_text(core, job, &extra->progress_text,",
        "    if (extra != NULL && !PLANT) {\n"
        "        gg_job_text(core, job, &extra->progress_text,")]),
    ("volatile_called_safe", "NO_LOSS", [(
        "broker/core/answer.c",
        "    out->durability = job->durability;\n    out->attempt = job->attempt;",
        "    out->durability = PLANT ? GG_DURABILITY_FSYNC : job->durability;\n"
        "    out->attempt = job->attempt;")]),
    ("pool_gets_what_it_does_not_serve", "SERVED", [(
        "broker/core/agent.c",
        "        if (gg_pattern_match(gg_name_slice(&pool->patterns[i]),\n",
        "        if (PLANT || gg_pattern_match(gg_name_slice(&pool->patterns[i]),\n")]),
    ("once_not_written_down", "AT_MOST_ONCE", [(
        "broker/core/lease.c",
        "    return gg_job_at_most_once(job) || job->lost ||",
        "    return (gg_job_at_most_once(job) && !PLANT) || job->lost ||")]),
]


def make(root, folder):
    """Copies of the files that have plants; plants.missing names those without place."""
    texts, missing = {}, []
    for number, (name, _, edits) in enumerate(PLANTS, 1):
        for file, old, new in edits:
            text = texts.get(file) or (root / file).read_text()
            new = new.replace("PLANT", f"(gg_plant == {number})")
            if text.count(old) == 1:
                texts[file] = text.replace(old, new)
            else:
                missing.append(f"{name}: {file} has its place {text.count(old)} times")
                texts.setdefault(file, text)
    for file, text in texts.items():
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f'#line 1 "{root / file}"\nextern int gg_plant;\n{text}')
    (folder / "plants.missing").write_text("".join(line + "\n" for line in missing))


def find(sim, number, name, found_by):
    """Run the simulator with one plant; a line, and whether it was found as it should."""
    run = subprocess.run([sim, "--plant", str(number), "--seeds", str(SEEDS)],
                         capture_output=True, text=True, check=False)
    line = next((text for text in run.stdout.splitlines() if text.startswith("seed ")), "")
    if run.returncode < 0:
        check = "CRASH"
        line = (run.stderr.strip().splitlines() or ["no words"])[-1]
    else:
        check = line.split(": ")[1].split(" ")[0] if line else "nothing"
    return check in found_by.split(), f"{name}: {check}: {line or 'survives'}"


def check(sim, missing):
    lost = pathlib.Path(missing).read_text().splitlines()
    for line in lost:
        print(f"no place: {line}")
    found = 0
    for number, (name, found_by, _) in enumerate(PLANTS, 1):
        good, line = find(sim, number, name, found_by)
        print(f"{'found ' if good else 'MISSED'} {line}", flush=True)
        found += good
    canary = subprocess.run([sim, "--canary", "--seeds", "1"], capture_output=True,
                            text=True, check=False)
    alive = canary.returncode == 1 and "CANARY" in canary.stdout
    print(f"{found} of {len(PLANTS)} plants found, canary {'fails' if alive else 'LIVES'}")
    return 0 if found == len(PLANTS) and alive and not lost else 1


def main():
    args = sys.argv[1:]
    if len(args) == 3 and args[0] == "make":
        make(pathlib.Path(args[1]).resolve(), pathlib.Path(args[2]))
    elif len(args) == 3 and args[0] == "check":
        sys.exit(check(args[1], args[2]))
    elif args == ["list"]:
        for number, (name, found_by, edits) in enumerate(PLANTS, 1):
            print(f"{number:2} {name}: {edits[0][0]}, found by {found_by}")
    elif args == ["files"]:
        print("\n".join(sorted({edit[0] for plant in PLANTS for edit in plant[2]})))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
