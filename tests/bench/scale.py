"""How the broker's cost and memory grow: rows of run.py beside its pairs.

Each row prints its figures and the bound it is held against, and gives run.py one short
text for the summary. Sizes are for a full run; `quick` takes less of everything.
"""
import contextlib
import functools
import pathlib
import statistics
import subprocess
import time
from collections.abc import Callable

from parts import (BENCH, BIN, Broker, agent, beating, broker, cpu_of, figures, folder,
                   relay, swarm, tool)

ROOM = ["--set", "jobs_max=20000000", "--set", "realm_jobs_max=20000000",
        "--set", "queue_jobs_max=20000000", "--set", "memory_bytes_max=32G",
        "--set", "realm_bytes_max=32G", "--set", "queue_bytes_max=32G",
        "--set", "queues_max=20000", "--set", "connections_max=20000"]
PAYLOAD = 100
HOUR_MS = 3600000
PIECE = 1000000  # Jobs that are timed: into, and out of, a backlog.
FLEET = 200
BEATS_MS = (1000, 100)  # Between two heartbeats of an agent; the first is the default.


def say(name: str, text: str) -> None:
    print(f"{name:34} {text}", flush=True)


def drive(one: Broker, what: str, jobs: int, *words: object) -> dict[str, float]:
    return tool("drive", what, one.endpoint, "--jobs", jobs, *words)


def job_cost(one: Broker, jobs: int, *words: object) -> float:
    """Microseconds of the broker's CPU for a job that is submitted, run, answered."""
    before = one.cpu()
    drive(one, "run", jobs, "--window", 1000, *words)
    return (one.cpu() - before) * 1e6 / jobs


def in_turn(rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """Each measure once a round, since the machine is not the same from one minute to
    the next: the figures of each."""
    return [list(each) for each in zip(*([measure() for measure in measures]
                                         for _ in range(rounds)))]


def over(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios of each round."""
    return statistics.median(one / other for one, other in zip(ours, theirs))


def fan_in(quick: bool) -> str:
    with broker("--volatile") as one, agent(one, "bench"):
        drive(one, "fan", 5, "--window", 1000)
        took = drive(one, "fan", 20 if quick else 200, "--window", 1000)
    say("fan-in, 1,000 waiters",
        f"from the first submission to the last answer: p50 {took['p50_us']:.0f} us, "
        f"p99 {took['p99_us']:.0f} us; {took['p50_us'] / 1000:.2f} us a waiter")
    return f"fan-in of 1,000 {took['p50_us'] / 1000:.1f} ms"


def filling(one: Broker, jobs: int) -> float:
    """Jobs a second into the queue as it stands."""
    return drive(one, "fill", jobs)["jobs_per_second"]


def draining(one: Broker, jobs: int) -> float:
    """Jobs a second out of it again."""
    base = one.stat("jobs_succeeded_total")
    process = subprocess.Popen(
        [BENCH / "drive", "drain", one.endpoint, "--jobs", str(jobs), "--base",
         str(base)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    with agent(one, "bench"):
        return figures(process.communicate()[0])["jobs_per_second"]


def backlog(count: int) -> Callable[[bool], str]:
    """Memory a ready job, speed into and out of a backlog, and the cost beside it."""

    def row(quick: bool) -> str:
        jobs = count // 10 if quick else count
        piece = PIECE // 5 if quick else PIECE
        rounds = 3 if quick else 5
        with broker("--volatile", *ROOM) as empty, agent(empty, "beside"), \
                broker("--volatile", *ROOM) as full, agent(full, "beside"):
            before = full.memory()
            drive(full, "fill", jobs)
            each = (full.memory() - before) / jobs - PAYLOAD
            empty_in, empty_out, full_in, full_out = in_turn(
                rounds, lambda: filling(empty, piece), lambda: draining(empty, piece),
                lambda: filling(full, piece), lambda: draining(full, piece))
            plain, deep = in_turn(
                rounds, lambda: job_cost(empty, piece // 4, "--queue", "beside"),
                lambda: job_cost(full, piece // 4, "--queue", "beside"))
        into, out, beside = (over(full_in, empty_in), over(full_out, empty_out),
                             over(deep, plain))
        say(f"backlog of {jobs:,}",
            f"{each:.0f} bytes a ready job beside its payload (at most 250); into it "
            f"{statistics.median(full_in):.0f}/s, {into:.2f} of the empty queue's, out "
            f"of it {statistics.median(full_out):.0f}/s, {out:.2f} (at least 0.8); a job "
            f"beside it {statistics.median(deep):.2f} us, {beside:.2f} times (at most "
            "1.5)")
        return (f"backlog {jobs:,}: {each:.0f} B, in {into:.2f}, out {out:.2f}, beside "
                f"x{beside:.2f}")

    return row


def growth(name: str, what: str, costs: dict[int, list[float]], bound: float) -> str:
    """Says what a job costs at each size; the largest over the smallest."""
    grown = over(costs[max(costs)], costs[min(costs)])
    say(name, ", ".join(f"{count:,}: {statistics.median(cost):.2f} us"
                        for count, cost in costs.items()) +
        f"; {grown:.2f} times (at most {bound})")
    return f"{max(costs):,} {what} x{grown:.2f}"


def queues(quick: bool) -> str:
    jobs = 50000 if quick else 300000
    counts = (1, 100, 10000)
    with contextlib.ExitStack() as stack:
        brokers = []
        for count in counts:
            one = stack.enter_context(broker("--volatile", *ROOM))
            stack.enter_context(agent(one, "q*"))
            drive(one, "run", max(count, 1000), "--queues", count)
            brokers.append(one)
        costs = in_turn(3 if quick else 5, *(
            functools.partial(job_cost, one, jobs, "--queues", count)
            for one, count in zip(brokers, counts)))
    return growth("cost a job, 1 to 10,000 queues", "queues",
                  dict(zip(counts, costs)), 1.5)


def working_off(count: int, jobs: int) -> float:
    """Microseconds of the broker's CPU for a job of a backlog that `count` agents, each
    64 slots wide, work off."""
    with broker("--volatile", *ROOM) as one:
        drive(one, "fill", jobs)
        before = one.cpu()
        with swarm("agents", one.agents, count):
            drive(one, "drain", jobs)
            return (one.cpu() - before) * 1e6 / jobs


def agents(quick: bool) -> str:
    counts = (1, 16, 512)
    costs = in_turn(3 if quick else 5, *(
        functools.partial(working_off, count, 100000 if quick else 500000)
        for count in counts))
    return growth("cost a job, 1 to 512 agents", "agents", dict(zip(counts, costs)), 1.5)


def idle_connections(quick: bool) -> str:
    count = 1000 if quick else 10000
    with broker("--volatile", *ROOM) as one:
        before = one.memory()
        # Two descriptors a connection: one process has not enough of them.
        half = count // 2
        with swarm("idle", one.endpoint, half), swarm("idle", one.endpoint, half):
            each = (one.memory() - before) / count / 1024
            cpu = one.cpu()
            time.sleep(3)
            share = (one.cpu() - cpu) / 3 * 100
    say(f"{count:,} idle connections",
        f"{each:.1f} KB each (at most 40); {share:.2f} % of a core")
    return f"connection {each:.0f} KB"


def beats_cost(process: subprocess.Popen[str], endpoint: str, every_ms: int,
               seconds: int) -> tuple[float, dict[str, float]]:
    """CPU seconds a second under an idle fleet's heartbeats, and what these were."""
    with beating(endpoint, FLEET, every_ms) as told:
        before, start = cpu_of(process), time.monotonic()
        time.sleep(seconds)
        cost = (cpu_of(process) - before) / (time.monotonic() - start)
    if told["answers"] != told["beats"]:
        raise SystemExit(f"of {told['beats']:.0f} heartbeats {told['answers']:.0f} were "
                         "answered")
    return cost, told


def beats_pair(one: Broker, bare: tuple[subprocess.Popen[str], str], every_ms: int,
               seconds: int, broker_first: bool) -> tuple[float, float]:
    """What the broker and the relay cost, one after the other."""
    sides = [(one.process, one.agents), bare]
    costs, told = [0.0, 0.0], []
    for side in (0, 1) if broker_first else (1, 0):
        costs[side], said = beats_cost(*sides[side], every_ms, seconds)
        told.append((said["beat_bytes"], said["answer_bytes"]))
    if told[0] != told[1]:
        raise SystemExit(f"not the same bytes: {told}")
    return costs[0], costs[1]


def idle_fleet(where: pathlib.Path | None) -> Callable[[bool], str]:
    """Agents without work: the broker beside a bare relay of the same heartbeats. Where
    each beat has to wake a processor, what that costs varies threefold from one moment to
    the next: the row with ten beats a second is the one to compare."""

    def row(quick: bool) -> str:
        short = []
        with folder(where) as data, broker("--data", data) as one:
            _, told = beats_cost(one.process, one.agents, BEATS_MS[0], 1)
            with relay(int(told["answer_bytes"])) as bare:
                for every_ms in BEATS_MS:
                    pairs = [beats_pair(one, bare, every_ms, 1 if quick else 2,
                                        i % 2 == 0) for i in range(2 if quick else 8)]
                    ratios = [ours / least for ours, least in pairs]
                    ours, least = (statistics.median(side) * 100 for side in zip(*pairs))
                    say(f"idle fleet of {FLEET}, {every_ms} ms",
                        f"{ours:.2f} % of a core, a relay of the same heartbeats "
                        f"{least:.2f} %: {statistics.median(ratios):.2f} "
                        f"({min(ratios):.2f}-{max(ratios):.2f}; at most 1.3)")
                    short.append(f"{statistics.median(ratios):.2f}")
        return f"idle fleet {', '.join(short)} of the relay's"

    return row


def timers(quick: bool) -> str:
    count = 100000 if quick else 1000000
    jobs = 50000 if quick else 300000
    with broker("--volatile", *ROOM) as without, agent(without, "bench"), \
            broker("--volatile", *ROOM) as one, agent(one, "bench"):
        drive(one, "fill", count, "--delay", HOUR_MS)
        plain, pending = in_turn(5 if quick else 15, lambda: job_cost(without, jobs),
                                 lambda: job_cost(one, jobs))
        cpu = one.cpu()
        time.sleep(3)
        share = (one.cpu() - cpu) / 3 * 100
    ratio = over(pending, plain)
    say(f"{count:,} delayed jobs pending",
        f"a job costs {statistics.median(pending):.2f} us, without them "
        f"{statistics.median(plain):.2f} us: {ratio:.2f} times; idle {share:.2f} % of a "
        "core")
    return f"timers x{ratio:.2f}"


def restart(where: pathlib.Path | None) -> Callable[[bool], str]:
    def row(quick: bool) -> str:
        count = 100000 if quick else 1000000
        with folder(where) as data:
            with broker("--data", data, *ROOM) as one:
                drive(one, "fill", count)
                one.process.kill()
            start = time.monotonic()
            with broker("--data", data, *ROOM) as one:
                took = time.monotonic() - start
                kept = one.stat("jobs_ready")
        if kept != count:
            raise SystemExit(f"{kept} of {count} jobs are there after the restart")
        say(f"restart with {count:,} jobs", f"{took:.2f} s from its start to ready")
        return f"restart {took:.1f} s"

    return row


def busy(quick: bool) -> str:
    """Eight submitters at full speed: how long does a question take beside them?"""
    # Fewer would be over before the relay's loaders are at full speed, also where quick.
    trips = 2000
    bare = tool("relay", "all", "--loaders", 8, "--window", 1000, "--idle", trips)
    with broker("--volatile") as one:
        load = subprocess.Popen(
            [BIN / "ganger", "bench", "--broker", one.endpoint, "--time", "1h",
             "--submitters", "8", "--spawn-workers", "1", "--keep", "0"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while one.stat("jobs_succeeded_total") < 100000:
                if load.poll() is not None:
                    raise SystemExit(f"the load ended with status {load.returncode}")
                time.sleep(0.1)
            ours = drive(one, "probe", trips)
            lost = one.stat("leases_lost_total")
        finally:
            load.terminate()
            load.wait()
    ratio = ours["p99_us"] / bare["p99_us"]
    say("status beside 8 submitters",
        f"p50 {ours['p50_us']:.0f} us, p99 {ours['p99_us']:.0f} us; a request through "
        f"the relay p50 {bare['p50_us']:.0f}, p99 {bare['p99_us']:.0f}: {ratio:.2f} "
        f"(at most 3); {lost} leases lost")
    return f"status p99 {ratio:.2f} of the relay's"


def half_of_ours(one: Broker, jobs: int) -> tuple[float, float, float, float]:
    """Idle p50, p50 and p99 at half of the most, and what that was."""
    full = drive(one, "run", jobs, "--window", 1000)["jobs_per_second"]
    idle = drive(one, "trip", 1000)["p50_us"]
    took = drive(one, "pace", jobs // 2, "--rate", int(full / 2))
    return idle, took["p50_us"], took["p99_us"], took["jobs_per_second"]


def half_of_relay(jobs: int) -> tuple[float, float, float, float]:
    full = tool("relay", "all", "--jobs", jobs, "--window", 1000)
    took = tool("relay", "all", "--jobs", jobs // 2, "--rate",
                int(full["jobs_per_second"] / 2))
    return full["idle_us"], took["p50_us"], took["p99_us"], took["jobs_per_second"]


def half_load(quick: bool) -> str:
    jobs = 200000 if quick else 1000000
    ours, bare = [], []
    with broker("--volatile") as one, agent(one, "bench"):
        for _ in range(1 if quick else 5):
            ours.append(half_of_ours(one, jobs))
            bare.append(half_of_relay(jobs))
    ratios = []
    for who, rounds in (("ganger", ours), ("relay", bare)):
        idle, p50, p99, rate = (statistics.median(each) for each in zip(*rounds))
        ratios.append(over([each[2] for each in rounds], [each[0] for each in rounds]))
        say(f"latency at half load, {who}",
            f"p50 {p50:.0f} us, p99 {p99:.0f} us at {rate:.0f}/s; idle p50 {idle:.0f} us: "
            f"p99 over it {ratios[-1]:.1f} (at most 3)")
    return f"half load p99 {ratios[0]:.1f} x idle, the relay's {ratios[1]:.1f}"


def rows(where: pathlib.Path | None) -> dict[str, Callable[[bool], str]]:
    return {
        "fan-in": fan_in,
        "latency at half load": half_load,
        "status beside 8 submitters": busy,
        "backlog of 1 million": backlog(1000000),
        "backlog of 10 million": backlog(10000000),
        "many queues": queues,
        "many agents": agents,
        "idle connections": idle_connections,
        "idle fleet": idle_fleet(where),
        "timers": timers,
        "restart": restart(where),
    }
