#!/usr/bin/python3
"""All agents are restarted one after the other under load, drained: no job is cut off, run
twice or lost, and each agent comes back as the same process."""
from pools import *

AGENTS, PASSES_MAX, AT_ONCE = 4, 3, 40


def main():
    passes = rounds(PASSES_MAX)
    config = (pool("programs", "program", "size = 3") +
              pool("co", "coprocess", "size = 3"))
    with Pools() as fleet:
        agents = [fleet.start_pools(f"agent-{i}", config) for i in range(AGENTS)]
        load = Load(fleet, {"programs": "sleep 0.3", "co": "sleep 0.2"}, AT_ONCE)
        load.start()
        for _ in range(passes):
            for agent in agents:
                after = len(agent.lines)
                fleet.ganger("worker", "restart", agent.name, "--yes")
                agent.wait_for_line("event=restarting", after)
                agent.wait_for_line("event=connected", after)
                expect(agent.process.poll() is None, agent.name, "ended")
        jobs = load.finish()
        for agent in agents:
            expect(not [line for line in agent.lines if "left_behind" in line],
                   agent.lines[-20:])
    print(f"{passes} times {AGENTS} agents restarted: {jobs} jobs, each run once")


if __name__ == "__main__":
    main()
