#!/usr/bin/env python3
"""A worker: its own agent, or a co-process of the one in C.

    worker.py --slots 4
    ganger-worker --queue 'text.*' --slots 4 --coprocess -- worker.py --coprocess
"""
from ganger.worker import Reject, Worker

worker = Worker(slots=2)


@worker.handler("text.upper")
def upper(task):
    return task.text.upper()


@worker.handler("text.count")
def count(task):
    """Counts words, and says how far it is; goes on where an earlier attempt was lost."""
    lines = task.text.splitlines()
    if not lines:
        raise Reject("there is no line in it")
    done, words = map(int, (task.checkpoint or b"0 0").split())
    for number, line in enumerate(lines[done:], done + 1):
        words += len(line.split())
        if number % 1000 == 0 or number == len(lines):
            task.progress(number / len(lines), f"{words} words")
            task.store(f"{number} {words}")
    return str(words)


if __name__ == "__main__":
    worker.main()
