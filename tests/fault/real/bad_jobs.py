#!/usr/bin/python3
"""Bad jobs among good ones: each bad one ends with its true reason, 200 good ones beside
them all succeed at their first attempt, and nothing is left of any.
"""
from fleet import *

QUEUE = "reports"
GOOD = 200
MARK = f"86400.{os.getpid()}"
RUN_TIMEOUT_MS = 700

# Name, script, state, error, exit status or signal, what its text says, run timeout.
Bad = collections.namedtuple("Bad", "name script state error status text limit_ms")
BAD = [
    Bad("forks", f"for i in 1 2 3 4 5 6 7 8; do sleep {MARK} & setsid sleep {MARK} &"
        " done; (setsid sh -c 'sleep " + MARK + " & sleep " + MARK + "' &); echo forked",
        SUCCEEDED, 0, 0, "", 0),
    Bad("ignores TERM", f"trap '' TERM HUP INT; while :; do sleep {MARK}; done",
        FAILED, E_RUN_TIMEOUT, None, "", RUN_TIMEOUT_MS),
    Bad("closes stdout", "exec >&-; read -r x </dev/null; exit 4",
        FAILED, E_FAILED, 4, "exit status 4", 0),
    Bad("closes stdout, goes on", f"exec >&- 2>&- 3>&-; sleep {MARK}",
        FAILED, E_RUN_TIMEOUT, None, "", RUN_TIMEOUT_MS),
    Bad("writes 1 GB", "head -c 1000000000 /dev/zero",
        FAILED, E_FAILED, None, "16777216", 0),
    Bad("no output", "exit 0", SUCCEEDED, 0, 0, "", 0),
    Bad("no output, fails", "exit 7", FAILED, E_FAILED, 7, "exit status 7", 0),
    Bad("segfaults", "kill -SEGV $$", FAILED, E_CRASHED, -signal.SIGSEGV, "SIGSEGV", 0),
    Bad("sleeps past its limit", f"sleep {MARK}",
        FAILED, E_RUN_TIMEOUT, None, "", RUN_TIMEOUT_MS),
]


def judge_bad(client, bad, end):
    expect(end[6] == bad.state, bad.name, "ended as", end)
    expect(end.get(19, 0) == bad.error, bad.name, "for the reason", end)
    expect(bad.text in end.get(20, ""), bad.name, "says", end.get(20))
    if bad.status is not None and bad.status < 0:
        expect(end.get(30) == -bad.status, bad.name, "signal", end)
    elif bad.status is not None:
        expect(end.get(29) == bad.status, bad.name, "exit status", end)
    if bad.limit_ms > 0:
        ran_ms = end[15] - end[14]
        expect(ran_ms >= bad.limit_ms, bad.name, "was stopped after", ran_ms, "ms")


def one_round(fleet, client):
    waiting = []
    for i in range(GOOD):
        if i % (GOOD // len(BAD)) == 0 and i // (GOOD // len(BAD)) < len(BAD):
            bad = BAD[i // (GOOD // len(BAD))]
            extra = {"f10": bad.limit_ms} if bad.limit_ms > 0 else {}
            waiting.append((bad, *client.put(QUEUE, bad.script, wait=True, f11=1, **extra)))
        waiting.append((i, *client.put(QUEUE, f"printf 'good %s' {i}", wait=True)))
    for what, job, request in waiting:
        end = client.answer(request, C_JOB)
        if isinstance(what, Bad):
            judge_bad(client, what, end)
        else:
            expect(end[6] == SUCCEEDED and end.get(21) == b"good %d" % what, end)
        expect(len(fleet.ledger.of(job, "start")) == 1, what, "ran more than once")
    left = wait_gone(marked(MARK), limit_s=10)
    expect(not left, "left of the jobs:", left)


def main():
    count = rounds(1)
    with Fleet(grace_ms="300ms") as fleet:
        agent = fleet.start_agent("agent", QUEUE, slots=4)
        client = fleet.client()
        for _ in range(count):
            one_round(fleet, client)
            expect(agent.process.poll() is None, "the agent ended")
            expect(client.agents_up() == 1, "the agent is not up")
    print(f"{count} rounds: {len(BAD)} bad jobs with their reasons, {GOOD} good beside")


if __name__ == "__main__":
    main()
