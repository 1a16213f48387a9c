#!/usr/bin/python3
"""Twenty finished results are kept; beside them reports that always fail, each in its own
way, until they have used up their attempts. All results are still there, by key and by
id, and the agent is the same process as before.
"""
from fleet import *

QUEUE = "reports"
RESULTS = 20
ATTEMPTS = 4
FAILING = {
    "exit 3": E_FAILED,
    "kill -SEGV $$": E_CRASHED,
    "sleep 86400": E_RUN_TIMEOUT,
}


def use_up(fleet, client, script, error):
    """One report that always fails, to its last attempt."""
    job = client.put(QUEUE, script, f5=b"broken", f10=200, f11=ATTEMPTS, f12=1, f13=20)
    end = client.end_of(job)
    starts = [row.attempt for row in fleet.ledger.of(job, "start")]
    expect(end[6] == FAILED, script, "ended as", end)
    expect(starts == list(range(1, ATTEMPTS + 1)), script, "ran as", starts)
    expect(not fleet.ledger.of(job, "end"), fleet.ledger.rows(job))
    reasons = {m[7] for m in client.moments(job, M_OUTCOME)}
    expect(reasons == {error}, script, "has reasons", client.history(job))


def main():
    count = rounds(1)
    with Fleet(grace_ms="100ms", crashes_max="100") as fleet:
        agent = fleet.start_agent("only", QUEUE, slots=2)
        client = fleet.client()
        keys = [f"month-{i}".encode() for i in range(RESULTS)]
        jobs = [client.put(QUEUE, f"printf 'result %s' {key.decode()}", f5=key)
                for key in keys]
        for job in jobs:
            expect(client.end_of(job)[6] == SUCCEEDED, "a good report did not succeed")
        keeper = children_of(agent.pid)

        for _ in range(count):
            for script, error in FAILING.items():
                use_up(fleet, client, script, error)

        for job, key in zip(jobs, keys):
            wanted = b"result " + key
            by_id = client.get(job)
            by_key = client.ask(C_GET, C_JOB, {3: QUEUE, 4: key, 6: True})
            again = client.put(QUEUE, f"printf 'result %s' {key.decode()}", f5=key)
            expect(by_id.get(21) == wanted and by_key.get(21) == wanted, by_id, by_key)
            expect(again == job, "another job under", key)
            expect(len(fleet.ledger.of(job, "start")) == 1, "ran again:", key)
        expect(agent.process.poll() is None, "the agent ended")
        expect(children_of(agent.pid) == keeper, "another keeper")
    print(f"{RESULTS} of {RESULTS} results kept beside {count * len(FAILING)} reports"
          f" that failed {ATTEMPTS} times each")


if __name__ == "__main__":
    main()
