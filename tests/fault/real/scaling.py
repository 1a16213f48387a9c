#!/usr/bin/python3
"""A pool is scaled from 2 to 16 and to 3 under load, again and again, programs and
co-processes alike: nothing is lost, nothing runs twice, nothing is cut off."""
from pools import *

BIG, SMALL, AT_ONCE = 16, 3, 60
WORK = "sleep 0.05"


def main():
    count = rounds(5)
    with Pools() as fleet:
        agent = fleet.start_pools("agent", pool("programs", "program", "size = 2") +
                                  pool("co", "coprocess", "size = 2"))
        load = Load(fleet, {"programs": WORK, "co": WORK}, AT_ONCE)
        load.start()
        for _ in range(count):
            for size in (2, BIG, SMALL):
                for name in ("programs", "co"):
                    fleet.ganger("pool", "scale", f"{name}={size}")
            # It is as small as that, and so is what it runs, once the others have ended.
            for name in ("programs", "co"):
                fleet.until_shown(agent, name, lambda p: p.get("size") == SMALL and
                                  p["busy"] <= SMALL and p["executors"] <= SMALL)
            for name in ("programs", "co"):
                fleet.ganger("pool", "scale", f"{name}={BIG}")
            for name in ("programs", "co"):
                fleet.until_shown(agent, name, lambda p: p.get("busy", 0) > SMALL)
        jobs = load.finish()
        expect(agent.process.poll() is None, "the agent ended")
        expect(not [line for line in agent.lines if "executor_died" in line], agent.lines)
    print(f"{count} times 2 to {BIG} to {SMALL}: {jobs} jobs, each run once")


if __name__ == "__main__":
    main()
