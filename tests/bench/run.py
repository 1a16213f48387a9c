#!/usr/bin/python3
"""Ganger beside a bare libzmq relay, row by row, in interleaved pairs.

    run.py [--quick] [--pairs N] [--only TEXT] [--data DIR]

Each row of the first table is a workload. A pair runs the relay and then Ganger (a
broker, its agents and `ganger bench`, all fresh) one after the other with the same jobs,
payload and window; the row's ratio is the median of the pairs' ratios, so that a machine
that is slow for a while is slow for both. Durable rows keep their data in DIR (a
temporary folder by default), on disk before anything is acknowledged; the relay keeps
nothing.

Columns: jobs a second of Ganger (median, least and most), of the relay (median), their
ratio; CPU seconds for a million jobs of the broker and of the relay; time of a round trip
on the idle system, ganger and relay, in microseconds; 99th percentile under load.

Below the table are the rows of scale.py, which measure how cost, memory and latency
grow; each says the bound it is held against.

The figures of a run belong with the machine and the versions printed above them. Nothing
is judged: only a run that fails gives an exit status other than 0.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass

import scale
from parts import BIN, broker, folder, tool


@dataclass(frozen=True)
class Row:
    """A workload. `jobs` is for a full run; --quick takes a tenth."""

    name: str
    jobs: int
    window: int = 1000
    size: int = 100
    durable: bool = False
    submitters: int = 1
    agents: int = 1
    keep: str | None = "0s"


ROWS = [
    Row("volatile", 1000000),
    Row("volatile, window 4000", 1000000, window=4000),
    Row("volatile, kept 10 s", 200000, keep="10s"),  # More is refused: queue_full.
    Row("volatile, 4 submitters, 4 agents", 1000000, submitters=4, agents=4),
    Row("volatile, 1 KB", 500000, size=1024),
    Row("volatile, 64 KB", 40000, size=65536, window=64),
    Row("volatile, 1 MB", 3000, size=1048576, window=8),
    Row("durable", 300000, durable=True),
    Row("durable, window 4000", 300000, window=4000, durable=True),
    Row("durable, 4 submitters, 4 agents", 300000, submitters=4, agents=4, durable=True),
    Row("durable, 1 KB", 100000, size=1024, durable=True),
    Row("durable, one at a time", 3000, window=1, durable=True),
]


def relay(row: Row, jobs: int) -> dict[str, float]:
    return tool("relay", "all", "--jobs", jobs, "--window", row.window * row.submitters,
                "--size", row.size)


def ganger(row: Row, jobs: int, data: pathlib.Path) -> dict[str, float]:
    keep = [] if row.keep is None else ["--keep", row.keep]
    with broker(*(["--data", data] if row.durable else ["--volatile"])) as one:
        run = subprocess.run(
            [BIN / "ganger", "bench", "--broker", one.endpoint, "--jobs", str(jobs),
             "--window", str(row.window), "--size", str(row.size),
             "--submitters", str(row.submitters),
             "--spawn-workers", str(row.agents), "-o", "json", *keep],
            capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SystemExit(f"{row.name}: ganger bench: exit {run.returncode}\n"
                         f"{run.stderr}")
    return json.loads(run.stdout)


def machine() -> str:
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    version = subprocess.run([BIN / "ganger", "--version"], capture_output=True,
                             text=True, check=True).stdout.split("\n")[0]
    return (f"{version} on {cpu[1] if cpu else 'an unknown processor'}, "
            f"{os.cpu_count()} processors, Linux {platform.release()}")


def report(row: Row, pairs: list[tuple[dict[str, float], dict[str, float]]]) -> float:
    rates = [ours["jobs_per_second"] for ours, _ in pairs]
    ratio = statistics.median(
        ours["jobs_per_second"] / bare["jobs_per_second"] for ours, bare in pairs)

    def middle(side: int, name: str) -> float:
        return statistics.median(pair[side][name] for pair in pairs)

    print(f"{row.name:34} {statistics.median(rates):9.0f} "
          f"{min(rates):9.0f}-{max(rates):<9.0f} {middle(1, 'jobs_per_second'):9.0f} "
          f"{ratio:6.2f}   {middle(0, 'broker_cpu_seconds_per_million'):6.2f} "
          f"{middle(1, 'cpu_seconds_per_million'):6.2f}   "
          f"{middle(0, 'idle_round_trip_us_p50'):5.0f} {middle(1, 'idle_us'):5.0f}   "
          f"{middle(0, 'latency_us_p99'):8.0f}", flush=True)
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description="Ganger beside a bare relay.")
    parser.add_argument("--quick", action="store_true",
                        help="a tenth of the jobs, and a line of ratios at the end")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument("--data", type=pathlib.Path, help="where durable brokers write")
    options = parser.parse_args()

    print(machine())
    print(f"{'':34} {'jobs/s':>9} {'least-most':^19} {'relay':>9} {'ratio':>6}   "
          f"{'cpu':>6} {'relay':>6}   {'idle':>5} {'relay':>5}   {'p99 us':>8}")
    ratios = []
    for row in (row for row in ROWS if options.only in row.name):
        jobs = max(row.jobs // 10, row.window) if options.quick else row.jobs
        pairs = []
        for _ in range(3 if options.quick else options.pairs):
            bare = relay(row, jobs)
            with folder(options.data) as data:
                pairs.append((ganger(row, jobs, data), bare))
        ratios.append(f"{row.name} {report(row, pairs):.2f}")
    for name, measure in scale.rows(options.data).items():
        if options.only in name:
            ratios.append(measure(options.quick))
    if options.quick:
        print("ratios: " + "; ".join(ratios))
    return 0


if __name__ == "__main__":
    sys.exit(main())
