#!/usr/bin/python3
"""An agent is stopped beyond its lease. Its keeper kills the attempt before the lease
ends, another agent runs the job, and when the first goes on, its late outcome is refused
as stale: the result is the newest fence's.

Every other attempt has ended well by itself while its agent was stopped; and every other
agent goes on before the second attempt ends, the others after it.
"""
from fleet import *

QUEUE = "reports"
STALE = "outcomes_stale_total"


def script(ends_itself, holds):
    """The first attempt goes on until it is killed, or ends while its agent is stopped;
    the second waits for the gate to open, or not."""
    gate = 'read -r line <"$folder/gate"'
    forever = "setsid sleep 86400 & sleep 86400 & note ready; wait"
    return (f"if [ $GANGER_ATTEMPT = 1 ]; then {gate if ends_itself else forever};"
            f"else {gate if holds else ':'}; fi; printf 'fence %s' $GANGER_FENCE")


def open_gate(fleet):
    """Let the job that reads from the gate go on."""
    with open(fleet.gate, "w", encoding="ascii") as gate:
        gate.write("go\n")


def stop_until_lost(fleet, client, job, agent, ends_itself):
    """Stop the agent and wait for the end of its lease."""
    row = fleet.ledger.started(job)
    if not ends_itself:
        fleet.ledger.wait(lambda: fleet.ledger.of(job, "ready"))
    pids = [row.pid, *children_of(row.pid)]
    agent.halt()
    if ends_itself:
        open_gate(fleet)
    left = wait_gone(pids)
    gone_at = time.time() * 1000
    expect(not left, "still there after the lease:", left)
    fleet.ledger.started(job, attempt=2)
    lost = client.moments(job, M_LEASE_LOST)
    expect(len(lost) == 1, "lease_lost", lost)
    expect(gone_at < lost[0][1], "killed", gone_at - lost[0][1], "ms after the lease")
    return row


def one_round(fleet, client, number):
    ends_itself, holds = number % 2 == 1, number % 4 >= 2
    before = stat(client, STALE)
    job = client.put(QUEUE, script(ends_itself, holds))
    fleet.ledger.started(job)
    agent = fleet.agent_of(client, job)
    first = stop_until_lost(fleet, client, job, agent, ends_itself)

    if holds:
        agent.go_on()
        client.until(lambda: stat(client, STALE) == before + 1)
        expect(client.get(job)[6] == RUNNING, "a stale outcome ended the job")
        open_gate(fleet)
    end = client.end_of(job)
    if not holds:
        agent.go_on()
        client.until(lambda: stat(client, STALE) == before + 1)
    client.until(lambda: client.agents_up() == 2)

    second = fleet.ledger.started(job, attempt=2)
    expect(first.fence < second.fence, "fences", first, second)
    for answer in (end, client.get(job)):
        expect(answer[6] == SUCCEEDED, "ended as", answer)
        expect(answer[21] == f"fence {second.fence}".encode(), "result", answer[21])
        expect(answer[12] != agent.name, "ran at", answer[12], "again")
    expect(len(fleet.ledger.of(job, "start")) == 2, fleet.ledger.rows(job))
    expect(not fleet.ledger.of(job, "rival"), "two at once:", fleet.ledger.rows(job))
    expect(len(client.moments(job, M_ENDED)) == 1, client.history(job))


def main():
    count = rounds(8)
    with Fleet(lease_ms="1500ms", heartbeat_ms="100ms", dead_after_ms="400ms") as fleet:
        fleet.gate = os.path.join(fleet.folder, "gate")
        os.mkfifo(fleet.gate)
        fleet.start_agent("left", QUEUE)
        fleet.start_agent("right", QUEUE)
        client = fleet.client()
        for number in range(count):
            one_round(fleet, client, number)
    print(f"{count} agents stopped beyond their leases, {count} late outcomes refused")


if __name__ == "__main__":
    main()
