#!/usr/bin/python3
"""What an agent adds to what it runs, beside the least that could be: interleaved pairs.

    fleet.py [--quick] [--pairs N] [--only TEXT]

programs     a program per attempt, beside `xargs -P2 -n1` with the same program
co-process   jobs of a co-process in Python, beside the same xargs
handler      jobs of a C handler through client, broker and agent, beside a ping-pong over
             socketpairs with the same number of processes and the same batch
agent alone  what of that is the agent's: its core, staff and executors, without client,
             broker and sockets (handlers.c), beside the same ping-pong
idle         CPU seconds of an agent with 1,000 executors' worth of slots, none busy

GG_BIN_DIR holds the programs of a release build, GG_BENCH_DIR pingpong, handlers and
echo_handler.so.
The ratio is the median of the pairs'. Nothing is judged but that all of it runs.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(os.environ.get("GG_BIN_DIR", "."))
BENCH = pathlib.Path(os.environ.get("GG_BENCH_DIR", "."))
PROCESSES = 2
PAYLOAD_BYTES = 100
MESSAGE_BYTES = 150  # With what an assignment or an outcome says beside its payload.
IDLE_S = 10


@dataclass(frozen=True)
class Row:
    name: str
    pool: str
    jobs: int
    window: int
    bar: str  # xargs or pingpong
    batch: int = 1


COPROCESS = f"coprocess = {HERE}/echo_coprocess.py"
HANDLER = f"handler = {BENCH}/echo_handler.so"
ROWS = [
    Row("programs", "program = true", 2000, 32, "xargs"),
    Row("co-process", COPROCESS, 20000, 64, "xargs"),
    Row("co-process, batch 16", COPROCESS, 40000, 64, "xargs", 16),
    Row("handler", HANDLER, 20000, 64, "pingpong"),
    Row("handler, batch 16", HANDLER, 200000, 128, "pingpong", 16),
    Row("handler, batch 64", HANDLER, 200000, 512, "pingpong", 64),
    Row("agent alone", "", 50000, 0, "pingpong"),
    Row("agent alone, batch 16", "", 400000, 0, "pingpong", 16),
    Row("agent alone, batch 64", "", 400000, 0, "pingpong", 64),
]


def wait_for(path: pathlib.Path, pattern: str) -> re.Match[str]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = re.search(pattern, path.read_text())
        if found:
            return found
        time.sleep(0.01)
    raise SystemExit(f"no {pattern} in:\n{path.read_text()}")


class Agent:
    """A broker and an agent with one pool, in a folder of their own."""

    def __init__(self, pool: str):
        self.folder = tempfile.TemporaryDirectory()
        self.home = pathlib.Path(self.folder.name)
        self.environment = dict(os.environ, TMPDIR=self.folder.name,
                                XDG_RUNTIME_DIR=self.folder.name)
        self.broker = self.start("broker", BIN / "gangerd", "--volatile", "--listen",
                                 "tcp://127.0.0.1:0")
        self.endpoint = wait_for(self.home / "broker", r"client=(\S+)")[1]
        (self.home / "agent.conf").write_text(f"[pool p]\nqueues = p\n{pool}\n")
        self.agent = self.start("agent", BIN / "ganger-worker", "--config",
                                self.home / "agent.conf", "--broker", self.endpoint)
        wait_for(self.home / "agent", "event=connected")

    def start(self, name: str, *command: object) -> subprocess.Popen[bytes]:
        with open(self.home / name, "wb") as log:
            return subprocess.Popen([str(word) for word in command], stderr=log,
                                    env=self.environment)

    def rate(self, jobs: int, window: int) -> float:
        run = subprocess.run(
            [BIN / "ganger", "bench", "--broker", self.endpoint, "--queue", "p", "--jobs",
             str(jobs), "--window", str(window), "--keep", "0s", "-o", "json"],
            capture_output=True, text=True, env=self.environment, check=False)
        if run.returncode != 0:
            raise SystemExit(run.stdout + run.stderr + (self.home / "agent").read_text())
        return float(json.loads(run.stdout)["jobs_per_second"])

    def cpu_s(self) -> float:
        stat = pathlib.Path(f"/proc/{self.agent.pid}/stat").read_text()
        ticks = stat.rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        for process in (self.agent, self.broker):
            process.terminate()
            process.wait(20)
        self.folder.cleanup()


def agent_alone(row: Row, jobs: int) -> float:
    run = subprocess.run([BENCH / "handlers", str(jobs), str(PROCESSES), str(row.batch),
                          str(PAYLOAD_BYTES)], capture_output=True, text=True, check=True,
                         timeout=60)
    return float(run.stdout.partition("=")[2].partition("\n")[0])


def ganger(row: Row, jobs: int) -> float:
    if not row.pool:
        return agent_alone(row, jobs)
    agent = Agent(f"size = {PROCESSES}\n{row.pool}"
                  + (f"\nbatch = {row.batch}" if row.batch > 1 else ""))
    try:
        agent.rate(max(jobs // 10, 20), row.window)  # Everything is there, and warm.
        return agent.rate(jobs, row.window)
    finally:
        agent.close()


def bar(row: Row, jobs: int) -> float:
    if row.bar == "xargs":
        count = min(jobs, 2000)
        lines = "\n".join(map(str, range(count)))
        start = time.monotonic()
        subprocess.run(["xargs", f"-P{PROCESSES}", "-n1", "true"], input=lines, text=True,
                       check=True)
        return count / (time.monotonic() - start)
    run = subprocess.run([BENCH / "pingpong", str(max(jobs, 100000)), str(PROCESSES),
                          str(row.batch), str(MESSAGE_BYTES)], capture_output=True,
                         text=True, check=True, timeout=60)
    return float(run.stdout.partition("=")[2])


def idle(seconds: int) -> None:
    agent = Agent("size = 1000\nprogram = true")
    try:
        before = agent.cpu_s()
        time.sleep(seconds)
        used = agent.cpu_s() - before
        print(f"{'idle, 1,000 slots':24} {used:9.3f} CPU seconds in {seconds} s", flush=True)
    finally:
        agent.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="An agent beside the least there is.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs, one pair")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    options = parser.parse_args()
    print(f"{'':24} {'jobs/s':>9} {'bar':>9} {'ratio':>7}")
    for row in (row for row in ROWS if options.only in row.name):
        jobs = row.jobs // 10 if options.quick else row.jobs
        pairs = [(bar(row, jobs), ganger(row, jobs))
                 for _ in range(1 if options.quick else options.pairs)]
        ratio = statistics.median(ours / least for least, ours in pairs)
        print(f"{row.name:24} {statistics.median(p[1] for p in pairs):9.0f} "
              f"{statistics.median(p[0] for p in pairs):9.0f} {ratio:7.2f}", flush=True)
    if options.only in "idle":
        idle(1 if options.quick else IDLE_S)


if __name__ == "__main__":
    main()
