#!/usr/bin/env python3
"""An agent of Ganger from common/PROTOCOL.md alone: its jobs turn a payload around.

    stranger_worker.py ENDPOINT QUEUE COUNT    run COUNT attempts, then leave
"""
import sys
import time

from stranger import HEARTBEAT, Session

ASSIGN, STOP, CONFIRM, STARTED, OUTCOME = 64, 65, 66, 72, 76
AGENT, SUCCEEDED, HANDED_BACK = 2, 1, 8


class Agent(Session):
    """One pool, one slot; leases are renewed by every heartbeat."""

    def __init__(self, endpoint, queue):
        self.held = {}  # Fence: id.
        self.highest = {}  # Id: highest fence ever taken.
        self.draining = False
        self.pool = {1: 1, 2: 1, 3: [queue]}
        now_ms = int(time.time() * 1000)
        super().__init__(
            endpoint, {3: AGENT, 4: "stranger", 7: "stranger", 8: now_ms, 9: [self.pool]}
        )

    def heartbeat(self):
        held = sorted(self.held)
        self.send([[HEARTBEAT, 0, {1: [self.pool], 2: held, 3: self.draining}]])

    def work(self, assignment):
        job, fence = assignment[1], assignment[2]
        if fence <= self.highest.get(job, 0):
            return  # Taken already, or older than one that was.
        self.highest[job] = fence
        self.held[fence] = job
        self.send([[STARTED, 0, {1: job, 2: fence}]])
        result = assignment.get(6, b"")[::-1]
        self.send([[OUTCOME, 0, {1: job, 2: fence, 3: SUCCEEDED, 4: result}]])

    def take_back(self, stop):
        """A stop for what never came is answered as never started. Attempts here are
        over as soon as they come, so that no other stop has anything to stop."""
        job, fence = stop[1], stop[2]
        if fence > self.highest.get(job, 0):
            self.highest[job] = fence
            self.send([[OUTCOME, 0, {1: job, 2: fence, 3: HANDED_BACK, 10: True}]])


def main(argv):
    endpoint, queue, count = argv[1:]
    agent = Agent(endpoint, queue)
    print("ready", flush=True)
    confirmed = 0
    while confirmed < int(count):
        code, _, record = agent.receive()
        if code == ASSIGN:
            agent.work(record)
        elif code == STOP:
            agent.take_back(record)
        elif code == CONFIRM:
            assert record.get(3, 0) == 0, record
            confirmed += agent.held.pop(record[2], None) is not None
    agent.bye()


if __name__ == "__main__":
    main(sys.argv)
