#!/usr/bin/python3
"""The faults measured in a supervisor that shares one budget, as tests of ours, for
programs and for co-processes:

  1. one job that always kills its executor, beside ten healthy ones: ten of ten finish
  2. four different jobs that each fail once: all succeed on their second try, and nothing
     else is touched
  3. a crash loop exhausts its own budget and is shown as down with the cause and its last
     job; everything else runs on
"""
from pools import *

CONFIG = (pool("programs", "program", "size = 4") + pool("co", "coprocess", "size = 4") +
          pool("other", "coprocess", "size = 2") +
          pool("co-loop", "coprocess", "size = 1", "max_restarts = 2",
               "backoff_min = 60s"))
QUICK = {"f12": 1, "f13": 50}  # Tried again after 50 ms.
E_POISONED = 33


def say(queue, text):
    return f"answer {text}" if queue != "programs" else f"printf {text}"


def attempt_of(end):
    return end.get(8, 0)


def killer_beside_healthy_ones(client, queue):
    good = [client.put(queue, "sleep 0.3; " + say(queue, "good"), wait=True)
            for _ in range(5)]
    bad = client.put(queue, "kill -KILL $$", wait=True, f11=5, **QUICK)
    good += [client.put(queue, "sleep 0.1; " + say(queue, "good"), wait=True)
             for _ in range(5)]
    for _, request in good:
        end = client.answer(request, C_JOB)
        expect(end[6] == SUCCEEDED and end[21] == b"good" and attempt_of(end) == 1,
               queue, "a healthy one ended", end)
    end = client.answer(bad[1], C_JOB)
    expect(end[6] == FAILED and end[19] == E_POISONED and end.get(30) == signal.SIGKILL,
           queue, "the killer ended", end)
    expect(attempt_of(end) == 3, queue, "the killer was tried", attempt_of(end))


def four_that_fail_once(fleet, client, queue, number):
    ways = ["kill -KILL $$", "kill -SEGV $$", "exit 3", "exit 1"]
    jobs = []
    beside = [client.put(queue if i % 2 else "other", "sleep 0.5; " +
                         say(queue if i % 2 else "other", "beside"), wait=True)
              for i in range(2)]
    for i, way in enumerate(ways):
        gate = os.path.join(fleet.folder, f"gate-{queue}-{number}-{i}")
        jobs.append(client.put(queue, f"[ -e {gate} ] || {{ touch {gate}; {way}; }}; " +
                               say(queue, f"job{i}"), wait=True, f11=5, **QUICK))
    for i, (_, request) in enumerate(jobs):
        end = client.answer(request, C_JOB)
        expect(end[6] == SUCCEEDED and end[21] == b"job%d" % i, queue, "ended", end)
        expect(attempt_of(end) == 2, queue, "took", attempt_of(end), "attempts")
    for _, request in beside:
        end = client.answer(request, C_JOB)
        expect(end[6] == SUCCEEDED and attempt_of(end) == 1, "touched:", end)


def crash_loop(fleet, client, agent):
    # It dies between jobs: as often as its budget allows, and then it is down.
    for deaths in range(1, 4):
        _, request = client.put("co-loop", "answer on; echo no such database >&2; exit 7",
                                wait=True)
        expect(client.answer(request, C_JOB)[6] == SUCCEEDED, "its job")
        fleet.until_shown(agent, "co-loop", lambda p: p.get("state") == "down" or
                          p.get("restarts", 0) == deaths)
    last = fleet.shown(agent, "co-loop")
    expect("exit status 7" in last["cause"] and "last job " in last["cause"], last)
    expect("none" not in last["cause"].rpartition("last job ")[2], last)
    expect("down" in fleet.ganger("tree") and last["slots"] == 0, last)
    for queue in ("programs", "co", "other"):
        end = client.answer(client.put(queue, say(queue, "on"), wait=True)[1], C_JOB)
        expect(end[6] == SUCCEEDED, queue, "does not run on:", end)
        expect(fleet.shown(agent, queue)["state"] == "open", queue, "is not open")


def main():
    count = rounds(2)
    with Pools() as fleet:
        agent = fleet.start_pools("agent", CONFIG)
        client = fleet.client()
        for number in range(count):
            for queue in ("programs", "co"):
                killer_beside_healthy_ones(client, queue)
                four_that_fail_once(fleet, client, queue, number)
        expect(not [line for line in agent.lines if "pool_closed" in line], agent.lines)
        crash_loop(fleet, client, agent)
    print(f"{count} rounds: 10 of 10 beside a killer, 4 of 4 at their second try; the loop"
          " alone is down")


if __name__ == "__main__":
    main()
