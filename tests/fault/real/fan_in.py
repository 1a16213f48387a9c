#!/usr/bin/python3
"""A thousand callers ask for the same thing at the same moment: 1,000 sockets in 8
processes behind a barrier submit one key. One job comes of it and one accepted outcome;
each caller gets the same id and the same bytes, and nobody sees an error.

Every other round the broker is stopped until all have submitted, so that each of them has
asked before the first answer; in the rounds between, they race with the answers. In every
third round the job's agent is killed while it runs: a second attempt only after the kill.

    fan_in.py                            the test
    fan_in.py caller ENDPOINT SOCKETS    one of its processes
"""
import json

from fleet import *

QUEUE = "reports"
PROCESSES = 8
SOCKETS = 1000
SCRIPT = """
if [ $HANG$GANGER_ATTEMPT = yes1 ]; then note hangs; sleep 86400 & wait; fi
printf 'fence %s' $GANGER_FENCE
"""


# ---- a process of callers ----


def submit_all(callers, key, payload):
    """Everyone sends; nobody reads yet."""
    for caller in callers:
        caller.requests += 1
        caller.mine = caller.submit(QUEUE, payload.encode(), request=caller.requests,
                                    f5=key.encode(), f16=KEEP_MS, f20=True)


def collect(caller):
    """What one caller has been told, from its first to its last answer."""
    ids = set()
    while True:
        answer = caller.answer(caller.requests, C_JOB)
        ids.add(id_text(answer[1]))
        if answer[6] >= SUCCEEDED:
            break
        caller.fresh = not answer.get(5)
    created = answer[1] == caller.mine
    return {"ids": sorted(ids), "state": answer[6], "created": created,
            "result": answer.get(21, b"").decode()}


def told_one(caller):
    try:
        return collect(caller)
    except AssertionError as error:
        return {"ids": [], "state": 0, "created": False, "result": repr(error)}


def call(endpoint, sockets):
    """Rounds, as told on standard input; what was seen goes to standard output."""
    callers = [Client(endpoint) for _ in range(sockets)]
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        submit_all(callers, order["key"], order["payload"])
        print("sent", flush=True)
        seen = [told_one(caller) for caller in callers]
        told = {}
        for one in seen:
            text = json.dumps(one)
            told[text] = told.get(text, 0) + 1
        print(json.dumps(told), flush=True)
    for caller in callers:
        caller.close()


# ---- the test ----


class Callers:
    """The processes, and the barrier before them."""

    def __init__(self, endpoint):
        command = [sys.executable, "-B", os.path.abspath(__file__), "caller", endpoint,
                   str(SOCKETS // PROCESSES)]
        self.processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)
            for _ in range(PROCESSES)
        ]
        self.hear("ready")

    def say(self, **order):
        for process in self.processes:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()

    def hear(self, word=None):
        lines = [process.stdout.readline().strip() for process in self.processes]
        expect(word is None or set(lines) == {word}, "no", word, "but", lines)
        return lines

    def told(self):
        """What all callers have been told: how many were told each."""
        total = {}
        for line in self.hear():
            for text, count in json.loads(line).items():
                total[text] = total.get(text, 0) + count
        return [(json.loads(text), count) for text, count in total.items()]

    def close(self):
        for process in self.processes:
            process.stdin.close()
            expect(process.wait(LIMIT_S) == 0, "a process of callers ended badly")
            process.stdout.close()


def ask_together(fleet, callers, key, payload, held):
    if held:
        fleet.broker.process.send_signal(signal.SIGSTOP)
    callers.say(key=key, payload=payload)
    callers.hear("sent")
    if held:
        fleet.broker.process.send_signal(signal.SIGCONT)


def kill_its_agent(fleet, client, key):
    """Kill the agent while it runs the key's job."""
    row = fleet.ledger.wait(lambda: [r for r in fleet.ledger.rows() if r.what == "hangs"
                                     and r.job not in fleet.killed])[0]
    fleet.killed.add(row.job)
    job = client.ask(C_GET, C_JOB, {3: QUEUE, 4: key.encode()})
    expect(id_text(job[1]) == row.job, "another job holds the key")
    agent = next(a for a in fleet.agents if a.name == job[12])
    fleet.ledger.note("kill", agent.name)
    agent.process.kill()
    agent.wait()
    fleet.agents.remove(agent)
    fleet.start_agent(f"agent-{len(fleet.killed) + 1}", QUEUE)


def judge(fleet, client, told, killed):
    created = sum(count for one, count in told if one["created"])
    alike = {(tuple(one["ids"]), one["state"], one["result"]) for one, _ in told}
    expect(sum(count for _, count in told) == SOCKETS, "callers without an answer")
    expect(len(alike) == 1, "callers were told", alike)
    expect(created == 1, created, "jobs were made")
    ids, state, result = alike.pop()
    expect(len(ids) == 1 and state == SUCCEEDED, "told", ids, state, result)

    rows = [row for row in fleet.ledger.rows() if row.job in (ids[0], "-")]
    starts = [row for row in rows if row.what == "start"]
    ends = [row for row in rows if row.what == "end"]
    expect(len(starts) == 1 + killed and len(ends) == 1, rows)
    expect(not [row for row in rows if row.what == "rival"], "two at once", rows)
    expect(result == f"fence {ends[0].fence}", result, "is not of", ends)
    if killed:
        kill = max(i for i, row in enumerate(rows) if row.what == "kill")
        expect(rows.index(starts[0]) < kill < rows.index(starts[1]), rows)
    return ids[0]


def judge_history(client, key):
    job = client.ask(C_GET, C_JOB, {3: QUEUE, 4: key.encode()})[1]
    kinds = [moment[2] for moment in client.history(job)]
    good = [m for m in client.moments(job, M_OUTCOME) if not m.get(7)]
    expect(kinds.count(M_ENDED) == 1 and len(good) <= 1, client.history(job))


def one_round(fleet, callers, client, number):
    killed = number % 3 == 2
    key = f"round-{number}"
    before = stat(client, "jobs_accepted_total"), stat(client, "jobs_succeeded_total")
    payload = f"HANG={'yes' if killed else 'no'};{SCRIPT}"
    ask_together(fleet, callers, key, payload, held=number % 2 == 0)
    if killed:
        kill_its_agent(fleet, client, key)
    judge(fleet, client, callers.told(), killed)
    judge_history(client, key)
    after = stat(client, "jobs_accepted_total"), stat(client, "jobs_succeeded_total")
    expect([b - a for a, b in zip(before, after)] == [1, 1], "counters", before, after)


def main():
    count = rounds(6)
    with Fleet(gone_grace_ms="300ms", client_heartbeat_ms="5m",
               client_dead_after_ms="10m") as fleet:
        fleet.killed = set()
        fleet.start_agent("agent-0", QUEUE)
        fleet.start_agent("agent-1", QUEUE)
        client = fleet.client()
        callers = Callers(fleet.broker.client)
        try:
            for number in range(count):
                one_round(fleet, callers, client, number)
            callers.close()
        finally:
            for process in callers.processes:
                process.kill()
    print(f"{count} rounds of {SOCKETS} callers in {PROCESSES} processes,"
          f" {len(fleet.killed)} with a kill: one job, one outcome, one answer each")


if __name__ == "__main__":
    if sys.argv[1:2] == ["caller"]:
        call(sys.argv[2], int(sys.argv[3]))
    else:
        main()
