"""What the benchmarks share: programs that are started, and what they use."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass

BIN = pathlib.Path(os.environ.get("GG_BIN_DIR", "."))
BENCH = pathlib.Path(os.environ.get("GG_BENCH_DIR", "."))


def figures(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", text)}


def tool(name: str, *words: object) -> dict[str, float]:
    """Run one of the programs of this folder; its figures."""
    run = subprocess.run([BENCH / name, *map(str, words)], capture_output=True,
                         text=True, check=False)
    if run.returncode != 0:
        raise SystemExit(f"{name} {words}: exit {run.returncode}\n{run.stderr}")
    return figures(run.stdout)


def cpu_of(process: subprocess.Popen[str]) -> float:
    """Seconds of CPU that it has used, all threads; to the nanosecond."""
    tasks = pathlib.Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


@dataclass
class Broker:
    """A broker that serves."""

    process: subprocess.Popen[str]
    endpoint: str
    agents: str

    def cpu(self) -> float:
        return cpu_of(self.process)

    def memory(self) -> int:
        """Bytes of it that are in memory."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) * 1024

    def stat(self, name: str) -> int:
        run = subprocess.run([BIN / "ganger", "stats", "--broker", self.endpoint, "-o",
                              "prom"], capture_output=True, text=True, check=True)
        found = re.search(rf"^ganger_{name} (\d+)", run.stdout, re.MULTILINE)
        if found is None:
            raise SystemExit(f"there is no figure {name}")
        return int(found[1])


def start_broker(*words: object) -> Broker:
    process = subprocess.Popen(
        [BIN / "gangerd", "--listen", "tcp://127.0.0.1:0", *map(str, words)],
        stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        ready = re.search(r"event=ready .*?client=(\S+) .*?agent=(\S+)", line)
        if ready:
            # Nobody wants the rest, but a full pipe would stop the broker.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return Broker(process, ready[1], ready[2])
        print(line, end="", file=sys.stderr)
    raise SystemExit("gangerd did not become ready")


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait()


@contextlib.contextmanager
def broker(*words: object) -> Iterator[Broker]:
    one = start_broker(*words)
    try:
        yield one
    finally:
        stop(one.process)


@contextlib.contextmanager
def agent(one: Broker, queue: str, slots: int = 1024) -> Iterator[None]:
    """A process that gives each job of `queue` its payload back."""
    process = subprocess.Popen(
        [BIN / "ganger-worker", "--builtin", "noop", "--queue", queue, "--slots",
         str(slots)], env={**os.environ, "GANGER_BROKER": one.endpoint},
        stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "event=connected" in line:
            break
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


@contextlib.contextmanager
def swarm(kind: str, endpoint: str, count: int) -> Iterator[None]:
    process = subprocess.Popen([BENCH / "swarm", kind, endpoint, str(count)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise SystemExit(f"{count} {kind} did not become ready")
    try:
        yield
    finally:
        process.stdin.close()
        process.wait()


@contextlib.contextmanager
def relay(answer_bytes: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A bare relay of heartbeats, and its endpoint."""
    process = subprocess.Popen([BENCH / "heartbeats", "relay", str(answer_bytes)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait()


@contextlib.contextmanager
def beating(endpoint: str, count: int, every_ms: int) -> Iterator[dict[str, float]]:
    """Agents that send heartbeats; what they sent is told once they have ended."""
    process = subprocess.Popen(
        [BENCH / "heartbeats", "fleet", endpoint, str(count), str(every_ms)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise SystemExit(f"a fleet of {count} at {endpoint} did not become ready")
    told: dict[str, float] = {}
    try:
        yield told
    finally:
        told.update(figures(process.communicate()[0]))


@contextlib.contextmanager
def folder(where: pathlib.Path | None) -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory(dir=where) as name:
        yield pathlib.Path(name) / "data"
