"""Handlers under ganger-worker --coprocess: framed lines on standard input and output
(worker/COPROCESS.md). The agent, in C, keeps leases, limits and heartbeats; this process
runs one job after another."""
from __future__ import annotations

import os
import signal
import sys
from typing import Any, BinaryIO, Iterator, Optional
from urllib.parse import unquote_to_bytes

from .handlers import Registry, Stopped, Task
from .outcome import FAILED, REJECTED, SNOOZED, SUCCEEDED, Outcome, clip

PARTIAL_BYTES_MAX = 16000
TEXT_BYTES_MAX = 4000


class Coprocess:
    """One process under the agent."""

    def __init__(self, registry: Registry, source: BinaryIO, sink: BinaryIO) -> None:
        self.registry, self.source, self.sink = registry, source, sink
        self.task: Optional[Task] = None
        self.sending = self.put_off = False

    # ---- lines ----

    def say(self, line: bytes, data: Optional[bytes] = None) -> None:
        """A line, whole: never cut short by Stopped."""
        self.sending = True
        try:
            self.sink.write(line + b"\n" + (b"" if data is None else data + b"\n"))
            self.sink.flush()
        finally:
            self.sending = False
        if self.put_off:
            self.put_off = False
            self.on_term()

    def report(self, what: str, value: Any) -> None:
        if what == "progress":
            ppm, text = value
            self.say(f"progress {ppm / 1e6:.6f} {one_line(text)}".rstrip().encode())
        elif what == "partial":
            for line in bytes(value).splitlines():
                for at in range(0, max(len(line), 1), PARTIAL_BYTES_MAX):
                    self.say(b"partial " + line[at : at + PARTIAL_BYTES_MAX])
        else:
            if b"\n" in value or b"\r" in value or b"\0" in value:
                raise ValueError("a checkpoint is one line of text under ganger-worker")
            self.say(b"checkpoint " + value)

    # ---- stopping ----

    def on_term(self, *_: object) -> None:
        if self.task is None:
            return
        self.task.stop.set()
        if self.sending:
            self.put_off = True
        else:
            raise Stopped()

    # ---- jobs ----

    def tasks(self) -> Iterator[Task]:
        """Each job, until the agent closes the input."""
        for first in self.source:
            size = int(first.split()[1])
            fields = {}
            for line in iter(self.source.readline, b"\n"):
                name, _, value = line.rstrip(b"\n").partition(b"=")
                fields[name.decode()] = unquote_to_bytes(value)
            payload = self.source.read(size)
            self.source.read(1)
            yield self._task(fields, payload)

    def _task(self, fields: dict[str, bytes], payload: bytes) -> Task:
        def number(name: str, absent: int) -> int:
            return int(fields.get(name, b"%d" % absent))

        return Task(
            id=fields.get("id", b"").decode(), queue=fields.get("queue", b"").decode(),
            payload=payload, realm=fields.get("realm", b"").decode() or "default",
            key=fields.get("key", b""), attempt=number("attempt", 1),
            attempts_max=number("attempts", 0), fence=number("fence", 1),
            checkpoint=fields.get("checkpoint", b""), report=self.report,
        )

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self.on_term)
        self.say(b"ready 1")
        for task in self.tasks():
            try:
                self.task = task
                outcome = self.registry.perform(task)
            except Stopped:
                outcome = Outcome(FAILED, text="stopped")
            finally:
                self.task = None
            self.tell(outcome)
        return 0

    def tell(self, outcome: Outcome) -> None:
        text = one_line(outcome.text).encode()
        if outcome.kind == SUCCEEDED:
            self.say(b"ok %d" % len(outcome.result), outcome.result)
        elif outcome.kind == REJECTED:
            self.say(b"reject " + text)
        elif outcome.kind == SNOOZED:
            self.say(b"snooze %dms" % outcome.snooze_ms)
        else:
            sys.stderr.write(outcome.output.decode("utf-8", "replace"))
            sys.stderr.flush()
            self.say(b"fail " + text)


def one_line(text: str) -> str:
    return clip(" ".join(text.split()), TEXT_BYTES_MAX)


def serve(registry: Registry) -> int:
    """Take jobs on standard input until it ends. What handlers print goes to standard
    error, not between our lines."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return Coprocess(registry, sys.stdin.buffer, sink).run()
