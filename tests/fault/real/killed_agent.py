#!/usr/bin/python3
"""kill -9 of an agent, with the broker's own settings: its job runs elsewhere within 5 s,
and no process of it is left, grandchildren in sessions of their own included.

Several agents are killed at the same time. That one attempt follows the other is told by
the ledger: the second looks for processes of the first as it starts.
"""
from fleet import *

QUEUE = "reports"
ELSEWHERE_MS_MAX = 5000
AT_ONCE = 4

# Deaf to signals, in a session of its own; the same without an environment; and one whose
# parents have gone, so that nothing but the keeper is above it.
MARK = f"86400.{os.getpid()}"
SCRIPT = """
trap '' TERM HUP INT
brood()
{
    setsid sh -c 'trap "" TERM HUP INT; sleep 86400' &
    env -i setsid sleep 86400 &
    (setsid sh -c 'setsid sleep 86400 & exec setsid sleep 86400' &)
    note ready
    wait
}
[ $GANGER_ATTEMPT = 1 ] && brood
printf 'fence %s' $GANGER_FENCE
""".replace("86400", MARK)


class Victim:
    def __init__(self, fleet, client, job):
        self.job = job
        self.row = fleet.ledger.started(job)
        fleet.ledger.wait(lambda: fleet.ledger.of(job, "ready"))
        self.agent = fleet.agent_of(client, job)
        self.pids = children_of(self.agent.pid)

    def kill(self, fleet):
        self.killed_at = time.time() * 1000
        fleet.ledger.note("kill", self.agent.name)
        self.agent.process.kill()

    def judge(self, fleet, client):
        end = client.end_of(self.job)
        left = [pid for pid in self.pids if lives(pid)]
        expect(not left, "of", self.agent.name, "there are left", left)
        second = fleet.ledger.started(self.job, attempt=2)
        assigned = [m[1] for m in client.moments(self.job, M_ASSIGNED) if m[4] == 2]
        late_ms = assigned[0] - self.killed_at
        expect(late_ms < ELSEWHERE_MS_MAX, "elsewhere after", late_ms, "ms")
        expect(end[6] == SUCCEEDED and end[12] != self.agent.name, "ended", end)
        expect(end[21] == f"fence {second.fence}".encode(), "result", end[21])
        expect(len(fleet.ledger.of(self.job, "start")) == 2, fleet.ledger.rows(self.job))
        expect(not fleet.ledger.of(self.job, "rival"), fleet.ledger.rows(self.job))
        story = [row.what for row in fleet.ledger.rows(self.job)]
        kill = max(i for i, row in enumerate(fleet.ledger.rows(self.job))
                   if row == Row("kill", "-", 0, 0, 0, self.agent.name))
        expect(story.index("start") < kill < story.index("end"), story)
        return late_ms


def wave(fleet, client, number, count):
    """Kill `count` agents at once; the agents started in their place run the jobs."""
    jobs = [client.put(QUEUE, SCRIPT) for _ in range(count)]
    victims = [Victim(fleet, client, job) for job in jobs]
    for victim in victims:
        victim.kill(fleet)
    for i in range(count):
        fleet.start_agent(f"agent-{number}-{i}", QUEUE)
    late = [victim.judge(fleet, client) for victim in victims]
    for victim in victims:
        victim.agent.wait()
        fleet.agents.remove(victim.agent)
    return late


def main():
    count = rounds(8)
    late = []
    with Fleet() as fleet:
        client = fleet.client()
        for i in range(min(AT_ONCE, count)):
            fleet.start_agent(f"agent-{i}", QUEUE)
        while len(late) < count:
            more = min(AT_ONCE, count - len(late))
            late += wave(fleet, client, f"after-{len(late)}", more)
            expect(not marked(MARK), "there are left", marked(MARK))
    print(f"{len(late)} agents killed; elsewhere after {min(late):.0f} to"
          f" {max(late):.0f} ms; nothing left of them")


if __name__ == "__main__":
    main()
