#!/usr/bin/python3
"""A pause, a cancel and an outcome at the photo finish, thousands of times. Afterwards the
canceller, the waiter, status, history and the job's own ledger tell one story.

Cancel and pause are sent a moment after the submission; the moment is tuned from round to
round, so that about as many come too late as come in time.
"""
from fleet import *

QUEUE = "reports"
SCRIPT = "printf 'fence %s' $GANGER_FENCE"
IN_TIME, STOPPING, TOO_LATE = 1, 2, 3


class Aim:
    """When to fire, in seconds after the submission, or before it: earlier after a miss,
    later after a hit, with some spread."""

    def __init__(self, at_s, earliest_s):
        self.at_s = at_s
        self.earliest_s = earliest_s
        self.step_s = 0.00005

    def moment(self):
        return self.at_s + (secrets.randbelow(1000) - 500) / 1e6

    def learn(self, late):
        self.at_s += -self.step_s if late else self.step_s
        self.at_s = min(max(self.at_s, self.earliest_s), 0.1)


class Story:
    """All that was told of one round's job."""

    def __init__(self, fleet, clients, job, verdict, end):
        canceller = clients[0]
        self.job = job
        self.verdict = verdict
        self.end = end
        self.status = canceller.get(job)
        self.history = canceller.history(job)
        self.rows = [row for row in fleet.ledger.rows(job) if row.job != "-"]

    def __str__(self):
        return (f"verdict {self.verdict}\nwaiter {self.end}\nstatus {self.status}\n"
                f"history {self.history}\nledger {self.rows}")

    def fences(self, what):
        return [row.fence for row in self.rows if row.what == what]

    def kinds(self, kind):
        return [moment for moment in self.history if moment[2] == kind]

    def judge(self):
        state = SUCCEEDED if self.verdict == TOO_LATE else CANCELLED
        tell = lambda true, what: expect(true, what + "\n", self)
        tell(self.status[6] == state and self.end[6] == state, "another state")
        tell(self.end.get(21) == self.status.get(21), "another result")
        tell(len(self.kinds(M_ENDED)) == 1, "ended more than once")
        tell(self.kinds(M_ENDED)[0].get(3) == state, "ended as another")
        tell(len(set(self.fences("start"))) == len(self.fences("start")), "fence twice")
        tell(not self.fences("rival"), "two at once")
        assigned = {moment[5] for moment in self.kinds(M_ASSIGNED)}
        started = {moment[5] for moment in self.kinds(M_STARTED)}
        ran = set(self.fences("start"))
        tell(ran <= assigned, "ran what was not assigned")
        tell(len(ran) <= 1, "ran more than once")
        if self.verdict == IN_TIME:
            tell(not ran and not started, "was to never start, and did")
        if self.verdict == TOO_LATE:
            tell(len(self.fences("end")) == 1, "succeeded without its end")
            tell(self.status[21] == b"fence %d" % self.fences("end")[0], "result")
        else:
            tell(21 not in self.status and 21 not in self.end, "a result all the same")
            tell(self.status.get(19) == E_CANCELLED, "another reason")
            tell(len(self.kinds(M_CANCEL)) == 1, "no cancel in its history")


def submit(waiter):
    """Begin a submission; the answers come under its request."""
    waiter.requests += 1
    job = waiter.submit(QUEUE, SCRIPT.encode(), request=waiter.requests, f16=KEEP_MS,
                        f20=True)
    return job, waiter.requests


def fire(clients, aims, takes_part):
    """Submit, cancel and pause, each at its moment: the job and the requests. A cancel
    follows the job's acceptance; a pause may come before."""
    canceller, pauser, waiter = clients
    moments = {name: aim.moment() for name, aim in aims.items()} | {"submit": 0}
    moments["cancel"] = max(moments["cancel"], 1e-6)
    start = time.perf_counter() - min(moments.values())
    asked = {}
    for name in sorted(moments, key=moments.get):
        # Tenths of a millisecond are too short for anything but to look at the clock.
        while time.perf_counter() < start + moments[name]:
            pass
        if name == "submit":
            job, asked[name] = submit(waiter)
            waiter.answer(asked[name], C_JOB)
        elif name == "cancel" and name in takes_part:
            asked[name] = canceller.begin(C_CANCEL, {1: job, 12: "photo finish"})
        elif name == "pause" and name in takes_part:
            asked[name] = pauser.begin(C_PAUSE, {1: "default", 2: QUEUE})
    return job, asked


def settle_pause(clients, asked, job):
    """The answer to the pause has come: has it held the job back?"""
    done = clients[1].answer(asked["pause"], C_DONE)
    expect(done.get(2, 0) == 0, "unsettled", done)
    kinds = {moment[2] for moment in clients[1].history(job)}
    return not kinds & {M_STARTED, M_OUTCOME}


def one_round(fleet, clients, aims, number):
    """A cancel, a pause, or both: the verdict of the cancel and whether a pause held."""
    canceller, pauser, waiter = clients
    takes_part = ({"cancel"}, {"pause"}, {"cancel", "pause"})[number % 3]
    job, asked = fire(clients, aims, takes_part)
    held, verdict = False, TOO_LATE
    if "pause" in takes_part:
        held = settle_pause(clients, asked, job)
    if "cancel" in takes_part:
        verdict = canceller.answer(asked["cancel"], C_CANCELLED)[1]
    if held:
        started = fleet.ledger.of(job, "start")
        expect(not started, "started while paused:", started, pauser.history(job))
    if "pause" in takes_part:
        pauser.ask(C_RESUME, C_DONE, {1: "default", 2: QUEUE})
    end = waiter.answer(asked["submit"], C_JOB)
    Story(fleet, clients, job, verdict, end).judge()
    if takes_part == {"cancel"}:
        aims["cancel"].learn(verdict == TOO_LATE)
    if takes_part == {"pause"}:
        aims["pause"].learn(not held)
    return takes_part, verdict, held


def main():
    count = rounds(1000)
    told = collections.Counter()
    with Fleet(grace_ms="2s") as fleet:
        fleet.start_agent("agent", QUEUE, slots=2)
        clients = [fleet.client() for _ in range(3)]
        aims = {"cancel": Aim(0.002, 0), "pause": Aim(0, -0.005)}
        for number in range(count):
            takes_part, verdict, held = one_round(fleet, clients, aims, number)
            told[verdict] += "cancel" in takes_part
            told["held"] += held
    print(f"{count} rounds: {told[IN_TIME]} cancelled before they started,"
          f" {told[STOPPING]} while they ran, {told[TOO_LATE]} too late;"
          f" a pause held {told['held']} of {count * 2 // 3}; one story each")


if __name__ == "__main__":
    main()
