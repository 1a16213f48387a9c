"""What it costs that every job is on disk before anything is said of it.

    durable.py [--quick | --smoke] [--pairs N] [--only TEXT] [--data DIR]

run.sh prints these rows after those of run.py.

All on one disk, in turn, so that a disk that is slow for a while is slow for both:

- *bare SQLite*: jobs of 100 bytes through the whole system, results returned, against a
  loop of prepared statements that writes the same records in the same groups: an accepted
  job, its end, its removal, of as many jobs in a transaction as the system's commits held.
- *lone submit*: from the submission to the acceptance, nothing else going on, against one
  append of as many bytes and fdatasync.
- *restart*: from the start of a broker, after kill -9, to its serving, with as many jobs
  kept with their history; once with the disk's cache emptied, where that may be done.
- *slow syncs*: a volatile queue at full speed beside durable jobs at a fixed rate, without
  and with 50 ms put into each sync.

GG_BIN_DIR holds the programs of a release build, GG_BENCH_DIR pace, store_bench and
libslow_sync.so. Nothing is judged.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

BIN = pathlib.Path(os.environ.get("GG_BIN_DIR", "."))
BENCH = pathlib.Path(os.environ.get("GG_BENCH_DIR", "."))
KEPT_GROUPS = 2  # How many groups apart a job's records are in the bare loop.
ROOM = ("memory_bytes_max=8G", "realm_bytes_max=8G", "queue_bytes_max=8G")


def figures(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", text)}


def output(*command: str | pathlib.Path) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SystemExit(f"{command}: exit {run.returncode}\n{run.stderr}")
    return run.stdout


class System:
    """A durable broker in a folder of its own, with agents; use it in a `with`."""

    def __init__(self, *queues: str, settings: tuple[str, ...] = ()) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ganger-bench-"))
        self.data = self.folder / "data"
        self.queues = queues
        self.log = (self.folder / "log").open("wb")  # What the agents say.
        self.agents: list[subprocess.Popen[bytes]] = []
        self.slow = self.folder / "slow"  # While it is there, syncs are.
        self.env = {**os.environ, "GG_SLOW_SYNC": str(self.slow)}
        if "slow" in queues:
            self.env["LD_PRELOAD"] = str(BENCH / "libslow_sync.so")
        self.command = [BIN / "gangerd", "--data", self.data]
        self.command += [part for one in settings for part in ("--set", one)]
        self.start_broker()
        for queue in queues:
            self.agents.append(subprocess.Popen(
                [BIN / "ganger-worker", "--builtin", "noop", "--queue", queue, "--slots",
                 "1024", "--name", f"{queue}-{self.folder.name}"],
                env={**os.environ, "GANGER_BROKER": self.endpoint}, stderr=self.log))

    def start_broker(self) -> None:
        """Returns once it serves."""
        self.broker = subprocess.Popen(
            [*self.command, "--listen", "tcp://127.0.0.1:0"], stderr=subprocess.PIPE,
            text=True, env=self.env)
        assert self.broker.stderr is not None
        for line in self.broker.stderr:
            ready = re.search(r"event=ready .*?client=(\S+)", line)
            if ready:
                self.endpoint = ready[1]
                return
            print(line, end="", file=sys.stderr)
        raise SystemExit("gangerd did not become ready")

    def kill_broker(self) -> None:
        self.broker.kill()
        self.broker.communicate()

    def __enter__(self) -> System:
        try:
            for queue in self.queues:  # Each agent has answered once.
                self.ganger("run", queue, "x", "--keep", "0s", "--wait=20s")
        except SystemExit:
            print((self.folder / "log").read_text(), file=sys.stderr)
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        """A second time is harmless."""
        for process in (*self.agents, self.broker):
            process.terminate()
        for agent in self.agents:
            agent.wait()
        assert self.broker.stderr is not None
        if not self.broker.stderr.closed:
            self.broker.communicate()
        self.log.close()

    def ganger(self, *words: str) -> str:
        return output(BIN / "ganger", *words, "--broker", self.endpoint)

    def status(self) -> dict[str, int]:
        return json.loads(self.ganger("broker", "status", "-o", "json"))

    def pace(self, *words: str | int) -> dict[str, float]:
        kind, queue, *rest = map(str, words)
        told = figures(output(BENCH / "pace", kind, self.endpoint, queue, *rest))
        if told["failed"] > 0:
            raise SystemExit(f"pace {words}: {told['failed']:.0f} jobs failed")
        return told

    def record_bytes(self) -> int:
        """Of a job, as it lies in the table; the broker must have stopped."""
        database = sqlite3.connect(f"file:{self.data}/ganger.db?immutable=1", uri=True)
        try:
            row = database.execute("SELECT avg(length(record)) FROM job").fetchone()
            return round(row[0])
        finally:
            database.close()


@dataclass(frozen=True)
class Run:
    """How much."""

    pairs: int
    share: float  # Of the full number of jobs.

    def jobs(self, full: int) -> int:
        return max(int(full * self.share), 1000)


# ---- the whole system beside bare SQLite ----


def record_sizes() -> tuple[int, int]:
    """Bytes of the records of an accepted and of an ended job."""
    with System() as system:
        system.pace("lone", "bench", 20)
        system.stop()
        accepted = system.record_bytes()
    with System("bench") as system:
        for number in range(5):
            system.ganger("run", "bench", "x" * 100, "--keep", "1h", "--tag", f"t{number}")
        system.stop()
        ended = system.record_bytes()
    return accepted, ended


def beside_sqlite(run: Run, window: int, sizes: tuple[int, int]) -> str:
    jobs = run.jobs(300000)
    rates, ratios, groups, tails = [], [], [], []
    for _ in range(run.pairs):
        with System("bench") as system:
            before = system.status()["commits"]
            rate = system.pace("flood", "bench", jobs, window)["rate"]
            after = system.status()
            group = max(1, round(jobs / (after["commits"] - before)))
            tails.append(after["commit_p99_us"] / 1000)
        bare = figures(output(
            BENCH / "store_bench", "--bare", "--lives", str(jobs), "--group", str(group),
            "--keep", str(KEPT_GROUPS), "--accepted", str(sizes[0]), "--ended",
            str(sizes[1])))
        rates.append(rate)
        groups.append(group)
        ratios.append(rate / bare["lives_s"])
    return (f"{statistics.median(rates):9.0f} jobs/s, bare SQLite in groups of "
            f"{statistics.median(groups):.0f}: ratio {statistics.median(ratios):5.2f} "
            f"({min(ratios):.2f}-{max(ratios):.2f}), commits' p99 "
            f"{statistics.median(tails):.0f} ms")


# ---- one alone ----


def append_us(size: int, count: int) -> float:
    """The median time of one append and fdatasync."""
    times = []
    with tempfile.TemporaryFile() as file:
        bytes_ = b"x" * size
        for _ in range(count):
            start = time.perf_counter_ns()
            os.write(file.fileno(), bytes_)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter_ns() - start) / 1000)
    return statistics.median(times)


def lone_submit(run: Run, size: int) -> str:
    count = max(int(1000 * run.share), 50)
    submits, ratios = [], []
    with System() as system:
        for _ in range(run.pairs):
            append = append_us(size, count)
            submits.append(system.pace("lone", "nobody", count)["p50_us"])
            ratios.append(submits[-1] / append)
    return (f"{statistics.median(submits):9.0f} us p50, append and fdatasync: ratio "
            f"{statistics.median(ratios):5.2f} ({min(ratios):.2f}-{max(ratios):.2f})")


# ---- a start ----


def start_seconds(system: System) -> float:
    begun = time.monotonic()
    system.start_broker()
    return time.monotonic() - begun


def restart(run: Run) -> str:
    jobs = run.jobs(1000000)
    with System("bench", settings=ROOM) as system:
        system.ganger("bench", "--jobs", str(jobs), "--window", "4000", "--queue",
                      "bench", "--keep", "10h")
        warm = []
        for _ in range(run.pairs):
            system.kill_broker()
            warm.append(start_seconds(system))
        cold = "an empty cache not tried: only in a full run, by root"
        if run.share >= 1 and os.geteuid() == 0:
            system.kill_broker()
            subprocess.run(["sync"], check=True)
            pathlib.Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
            cold = f"{start_seconds(system):.2f} s with an empty cache"
    return (f"{statistics.median(warm):9.2f} s with {jobs} jobs kept "
            f"({min(warm):.2f}-{max(warm):.2f}), {cold}")


# ---- a disk that is slow ----


def slow_syncs(run: Run, rate: int, window: int) -> str:
    """One broker, whose syncs are slow for a moment and then not: each moment is compared
    with the one after it."""
    jobs, slices = run.jobs(300000), max(2 * run.pairs, 2)
    rates, tails = [], []
    with System("fast", "slow", settings=("volatile_queues=fast",)) as system:
        durable = subprocess.Popen(
            [BENCH / "pace", "rate", system.endpoint, "slow", str(rate * 3600), str(rate)],
            stdout=subprocess.DEVNULL)
        try:
            system.pace("flood", "fast", jobs, window)  # To warm up.
            for _ in range(slices):
                system.slow.touch()
                slow = system.pace("flood", "fast", jobs, window)
                system.slow.unlink()
                fast = system.pace("flood", "fast", jobs, window)
                rates.append(slow["rate"] / fast["rate"])
                tails.append(slow["p99_us"] / fast["p99_us"])
            if durable.poll() is not None:
                raise SystemExit("the durable jobs beside the volatile ones have stopped")
        finally:
            durable.kill()
            durable.wait()
    return (f"{statistics.median(rates):9.3f} of the volatile rate "
            f"({min(rates):.2f}-{max(rates):.2f}), {statistics.median(tails):.3f} of its "
            f"p99 ({min(tails):.2f}-{max(tails):.2f}), beside {rate} durable jobs/s")


# ---- all ----


def report(run: Run, wanted: str = "", disk: pathlib.Path | None = None) -> None:
    """Print the rows whose name holds `wanted`; all files are in `disk`."""
    if disk is not None:
        os.environ["TMPDIR"] = tempfile.tempdir = str(disk)
    rows: list[tuple[str, Callable[[], str]]] = [
        ("durable, beside bare SQLite", lambda: beside_sqlite(run, 1000, sizes())),
        ("durable, beside bare SQLite, window 4000",
         lambda: beside_sqlite(run, 4000, sizes())),
        ("durable, lone submit", lambda: lone_submit(run, sizes()[0])),
        ("durable, restart", lambda: restart(run)),
        ("volatile, beside slow syncs", lambda: slow_syncs(run, 100, 1000)),
        ("volatile, beside slow syncs, window 100", lambda: slow_syncs(run, 100, 100)),
    ]
    known: list[tuple[int, int]] = []

    def sizes() -> tuple[int, int]:
        if not known:
            known.append(record_sizes())
        return known[0]

    for name, row in rows:
        if wanted in name:
            print(f"{name:42} {row()}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="What durability costs.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs")
    parser.add_argument("--smoke", action="store_true", help="do all once, and little")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument("--data", type=pathlib.Path, help="the disk to write to")
    options = parser.parse_args()
    run = Run(1, 0.0) if options.smoke else Run(options.pairs,
                                                0.1 if options.quick else 1.0)
    report(run, options.only, options.data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
