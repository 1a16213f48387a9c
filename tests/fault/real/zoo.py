#!/usr/bin/python3
"""A zoo of bad jobs under limits: each ends with its true reason, 200 good jobs beside
them finish, and within 30 s processes, folders, descriptors and memory are back at what
they were.

The fork bomb is let loose only where something holds it: a pids cgroup, or a user of its
own. Where neither is to be had that is said, and the bomb stays in.
"""
from pools import *

GOOD = 200
BACK_S = 30
MARK = f"86400.{os.getpid()}"
MEMORY_SPARE_KIB = 4096
RUN_TIMEOUT_MS = 1500
CAGED = ["size = 4", "limit_memory = 200M", "limit_cpu = 1s", "limit_files = 64",
         "limit_output = 1M"]

# Name, script, error (0: it succeeds), signal, part of its text, run timeout.
Animal = collections.namedtuple("Animal", "name script error signal text limit_ms")
ZOO = [
    Animal("memory eater", r"x=$(head -c 400000000 /dev/zero | tr '\0' x)",
           E_FAILED, 0, "cannot allocate", 0),
    Animal("eats CPU", "while :; do :; done", E_CRASHED, signal.SIGXCPU, "SIGXCPU", 0),
    Animal("leaks descriptors",
           'for i in $(seq 200); do eval "exec $((i + 10))</dev/null" || exit 9; done',
           E_FAILED, 0, "Bad file descriptor", 0),
    Animal("ignores TERM", f"trap '' TERM HUP INT; while :; do sleep {MARK}; done",
           E_RUN_TIMEOUT, 0, "", RUN_TIMEOUT_MS),
    Animal("daemonised grandchild",
           f"(setsid setsid sleep {MARK} </dev/null >/dev/null 2>&1 3>&- &); echo good",
           0, 0, "", 0),
    Animal("fills its folder", "head -c 90000000 /dev/zero >$TMPDIR/big; exit $?",
           E_FAILED, 0, "File size limit", 0),
    Animal("fills its folder with files",
           "mkdir -p $TMPDIR/a/b; for i in $(seq 3000); do : >$TMPDIR/a/b/$i; done; "
           "echo good", 0, 0, "", 0),
    Animal("floods its output", "yes", E_FAILED, 0, "result_bytes_max", 0),
    Animal("floods its log", "yes >&2 & sleep 0.2; kill $!; exit 4",
           E_FAILED, 0, "exit status 4", 0),
]
ROOTS = Animal("kills its parent, as another user", "kill -9 $PPID || exit 9",
               E_FAILED, 0, "not permitted", 0)
BOMB = Animal("fork bomb", f"b() {{ b | b & }}; b 2>/dev/null; sleep {MARK}; b",
              E_RUN_TIMEOUT, 0, "", RUN_TIMEOUT_MS)


def starts_with(fleet, settings):
    """Does the system allow a pool these settings?"""
    path = os.path.join(fleet.folder, "try.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(pool("tried", "program", *settings))
    agent = Program(program("ganger-worker"), "--config", path, "--broker",
                    fleet.broker.agent)
    with agent.changed:
        agent.changed.wait_for(lambda: agent.lines, LIMIT_S)
    allowed = "event=agent_started" in agent.lines[0]
    agent.stop()
    return allowed


def bash(name, *settings):
    return pool(name, "program", *settings).replace("sh -c", "bash -c")


def keeper_of(agent):
    """The keeper's pid and the folder of the agent's attempts."""
    for pid in children_of(agent.pid):
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as line:
            words = line.read().split("\0")
        if "--role=keeper" in words:
            return pid, words[2]
    raise AssertionError("no keeper")


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(l for l in status if l.startswith("VmRSS:")).split()[1])


def holding(agent):
    """What the agent has of the machine: processes, folders, descriptors, memory."""
    keeper, folder = keeper_of(agent)
    return {"processes": len(children_of(agent.pid)) + len(marked(MARK)),
            "folders": len(os.listdir(folder)),
            "descriptors": sum(len(os.listdir(f"/proc/{pid}/fd"))
                               for pid in (agent.pid, keeper)),
            "KiB": rss_kib(agent.pid) + rss_kib(keeper)}


def wait_until_back(agent, before):
    """All that the zoo took is given back; how long that took, and what it is now."""
    began = time.monotonic()
    while True:
        now = holding(agent)
        spare = {"KiB": 0 if SANITIZED else MEMORY_SPARE_KIB}
        left = {what: (before[what], now[what]) for what in now
                if now[what] > before[what] + spare.get(what, 0) and
                not (SANITIZED and what == "KiB")}
        took_s = time.monotonic() - began
        if not left:
            return took_s, now
        expect(took_s < BACK_S, "not back after", BACK_S, "s:", left)


def judge(animal, end):
    expect(end.get(19, 0) == animal.error, animal.name, "for the reason", end)
    expect(animal.text in end.get(20, ""), animal.name, "says", end.get(20))
    expect(not animal.signal or end.get(30) == animal.signal, animal.name, end)
    expect(end[6] == (FAILED if animal.error else SUCCEEDED), animal.name, end)


def one_round(client, zoo):
    waiting = []
    for i in range(GOOD):
        if i % 15 == 0 and i // 15 < len(zoo):
            queue, animal = zoo[i // 15]
            extra = {"f10": animal.limit_ms} if animal.limit_ms else {}
            waiting.append((animal, client.put(queue, animal.script, wait=True, f11=1,
                                               **extra)[1]))
        waiting.append((i, client.put("good", f"printf 'good %s' {i}", wait=True)[1]))
    for what, request in waiting:
        end = client.answer(request, C_JOB)
        if isinstance(what, Animal):
            judge(what, end)
        else:
            expect(end[6] == SUCCEEDED and end[21] == b"good %d" % what and end[8] == 1,
                   "a good one ended", end)


def kill_the_keeper(client, agent):
    """A job of the agent's own user can do that: all that runs is lost with it, and what
    is lost for no fault of its own runs again."""
    good = [client.put("good", "sleep 0.3; printf good", wait=True)[1] for _ in range(8)]
    bad = client.put("good", f"kill -9 $PPID; sleep {MARK}", wait=True, f11=1)[1]
    end = client.answer(bad, C_JOB)
    expect(end[6] == FAILED and end[19] == E_LEASE_LOST and
           "with the keeper" in end.get(20, ""), "the killer of the keeper ended", end)
    for request in good:
        end = client.answer(request, C_JOB)
        expect(end[6] == SUCCEEDED and end[21] == b"good", "a good one ended", end)
    expect(agent.process.poll() is None and not marked(MARK), "left:", marked(MARK))


def has_version_2():
    """Are memory and pids to be had from version 2 of cgroups, where we are?"""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        folders = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    with open("/proc/self/cgroup", encoding="ascii") as own:
        paths = [line.strip()[3:] for line in own if line.startswith("0::")]
    for folder in folders:
        for path in paths:
            try:
                with open(folder + path + "/cgroup.controllers", encoding="ascii") as file:
                    return {"memory", "pids"} <= set(file.read().split())
            except OSError:
                pass
    return False


def bomb_pool(fleet):
    for settings in (["cgroup_pids = 30"], ["user = games", "limit_processes = 30"]):
        if starts_with(fleet, settings):
            print("the fork bomb is held by", settings[0], flush=True)
            if "cgroup" in settings[0] and not has_version_2():
                print("NOT TRIED: version 2 of cgroups: it has no memory and pids here",
                      flush=True)
            return bash("bomb", *settings)
    print("NOT TRIED: the fork bomb: no pids cgroup may be written here, and no user"
          " changed; run this as root, or under systemd with Delegate=yes", flush=True)
    return ""


def main():
    count = rounds(1)
    with Pools(grace_ms="300ms", result_bytes_max="1M") as fleet:
        os.chmod(fleet.folder, 0o711)
        zoo = [("caged", animal) for animal in ZOO]
        config = bash("caged", *CAGED) + bash("good", "size = 4")
        bombs = bomb_pool(fleet)
        zoo += [("bomb", BOMB)] if bombs else []
        if starts_with(fleet, ["user = games"]):
            config += bash("games", "user = games")
            zoo.append(("games", ROOTS))
        else:
            print("NOT TRIED: jobs as another user: only root can", flush=True)
        agent = fleet.start_pools("agent", config + bombs)
        client = fleet.client()
        for queue in dict.fromkeys(["good", *(queue for queue, _ in zoo)]):
            end = client.answer(client.put(queue, "echo warm", wait=True)[1], C_JOB)
            expect(end[6] == SUCCEEDED, queue, end)
        before = holding(agent)
        for _ in range(count):
            one_round(client, zoo)
            took_s, after = wait_until_back(agent, before)
            expect(agent.process.poll() is None, "the agent ended")
        kill_the_keeper(client, agent)
    print(f"{count} rounds: {len(zoo)} bad jobs with their reasons, {GOOD} good beside;"
          f" back after {took_s:.1f} s: {before} -> {after}")


if __name__ == "__main__":
    main()
