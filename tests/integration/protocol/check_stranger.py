#!/usr/bin/env python3
"""Do the strangers get on with the real programs? GG_BIN_DIR says where those are.

    check_stranger.py client    stranger.py against gangerd and ganger-worker
    check_stranger.py worker    stranger.py and stranger_worker.py against gangerd
"""
import contextlib
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
BIN = pathlib.Path(os.environ.get("GG_BIN_DIR", "."))
PATIENCE_S = 60


@contextlib.contextmanager
def running(*command, **options):
    process = subprocess.Popen([str(part) for part in command], text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


@contextlib.contextmanager
def broker():
    """A volatile broker; gives its endpoints for clients and for agents."""
    command = (BIN / "gangerd", "--volatile", "--listen", "tcp://127.0.0.1:0")
    with running(*command, stderr=subprocess.PIPE) as process:
        for line in process.stderr:
            ready = re.search(r"event=ready .*client=(\S+) agent=(\S+)", line)
            if ready:
                yield ready.groups()
                break
        else:
            raise AssertionError("the broker never said that it is ready")
    if process.returncode != 0:
        raise AssertionError(f"the broker ended with {process.returncode}")


def stranger(endpoint, queue, payload):
    command = [sys.executable, HERE / "stranger.py", endpoint, queue, payload]
    return subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, timeout=PATIENCE_S
    ).stdout


def client():
    with broker() as (endpoint, _):
        worker = (BIN / "ganger-worker", "--broker", endpoint, "--queue", "echo")
        with running(*worker, "--", "cat"):
            for payload in ("hello", "x" * 100000, ""):
                got = stranger(endpoint, "echo", payload)
                assert got == payload, f"{payload[:40]!r} came back as {got[:40]!r}"


def worker():
    payloads = ("hello", "a" + "x" * 100000, "")
    with broker() as (endpoint, agents):
        script = [sys.executable, HERE / "stranger_worker.py", agents, "turn"]
        command = [*script, len(payloads)]
        with running(*command, stdout=subprocess.PIPE) as agent:
            assert agent.stdout.readline() == "ready\n"
            for payload in payloads:
                assert stranger(endpoint, "turn", payload) == payload[::-1]
            assert agent.wait(PATIENCE_S) == 0


def main(argv):
    if not (BIN / "gangerd").exists() or not (BIN / "ganger-worker").exists():
        print("the programs are not built")
        return 77
    {"client": client, "worker": worker}[argv[1]]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
