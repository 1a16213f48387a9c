"""The deeds of the conformance suite (tests/conformance/README.md, "DRIVER worker")."""
import ctypes
import os
import signal
import sys
import time

from ganger.worker import Reject, Snooze, Worker

STOP_LIMIT_S = 60
BLOCK_S = 4


def describe(task):
    return b" ".join([task.realm.encode(), task.queue.encode(), task.key,
                      b"%d" % task.attempt, task.id.encode()])


def fail(task):
    raise Exception(task.text)


def reject(task):
    raise Reject(task.text)


def crash(task):
    os.kill(os.getpid(), signal.SIGKILL)


def progress(task):
    task.progress(0.25, "quarter")
    task.partial("one\n")
    task.partial("two\n")
    return "done"


def stop(task):
    task.progress(0.5, "running")
    time.sleep(STOP_LIMIT_S)  # What a job does while it works: Stopped ends it.


def slow(task):
    task.progress(0.5, "running")
    time.sleep(0.3)
    return "done"


def block(task):
    """Holds the interpreter's lock for longer than a broker waits for a heartbeat."""
    ctypes.PyDLL(None).sleep(BLOCK_S)
    return "done"


def checkpoint(task):
    if task.checkpoint:
        return task.checkpoint
    task.store(task.payload)
    raise Exception("kept")


def snooze(task):
    if task.checkpoint:
        return "awake"
    task.store("slept")
    raise Snooze(50, "tired")


async def echo(task):
    return task.payload


DEEDS = {
    "echo": echo, "reverse": lambda task: task.payload[::-1], "fail": fail,
    "reject": reject, "crash": crash, "progress": progress, "stop": stop,
    "checkpoint": checkpoint, "snooze": snooze, "describe": describe,
    "slow": slow, "block": block,
}


def worker_of(name, prefix, on_ready=None):
    worker = Worker(slots=4, name=name, on_ready=on_ready)

    @worker.handler(f"{prefix}.*")
    def run(task):
        return DEEDS[task.queue.rpartition(".")[2]](task)

    return worker


def serve(endpoint, name, prefix):
    return worker_of(name, prefix, lambda: print("ready", flush=True)).run(endpoint)


if __name__ == "__main__":
    worker_of("", sys.argv[1]).main(sys.argv[2:])
