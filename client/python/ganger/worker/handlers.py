"""Handlers: functions that take a job's attempt and give back its result."""
from __future__ import annotations

import asyncio
import fnmatch
import inspect
import threading
import traceback
from dataclasses import dataclass, field
from typing import Any, Awaitable, Callable, Optional, Union

from .outcome import FAILED, REJECTED, SNOOZED, SUCCEEDED, Outcome

Result = Union[bytes, bytearray, memoryview, str, None]
Handler = Callable[["Task"], Union[Result, Awaitable[Result]]]
CHECKPOINT_BYTES_MAX = TEXT_BYTES_MAX = 4096
SNOOZE_MS_MAX = 31_622_400_000


class Reject(Exception):
    """Raise it to refuse the payload for good: the job is never tried again."""


class Snooze(Exception):
    """Raise it to be run again after `delay_ms`; the attempt is not counted."""

    def __init__(self, delay_ms: int, text: str = "") -> None:
        if not 0 < delay_ms <= SNOOZE_MS_MAX:
            raise ValueError(f"a snooze of {delay_ms} ms; 1 to {SNOOZE_MS_MAX} go")
        super().__init__(text)
        self.delay_ms = delay_ms


class Stopped(BaseException):
    """Raised in a handler that is to stop (cancelled, out of time, draining): a handler
    may clean up in `finally`; what it gives back no longer counts. No Exception, so that
    `except Exception` lets it pass."""


@dataclass
class Task:
    """One attempt of a job, as its handler sees it.

    key, payload, checkpoint  bytes; checkpoint is what an earlier attempt stored
    attempt, attempts_max     from 1; 0: not known
    fence                     grows with every attempt: hand it to a store that compares
    run_timeout_ms            longest run; 0: none
    """

    id: str
    queue: str
    payload: bytes = b""
    realm: str = "default"
    key: bytes = b""
    attempt: int = 1
    attempts_max: int = 0
    fence: int = 1
    run_timeout_ms: int = 0
    checkpoint: bytes = b""
    report: Callable[[str, Any], None] = field(default=lambda what, value: None, repr=False)
    stop: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def stopped(self) -> bool:
        """Has it been told to stop? Handlers on the main thread get Stopped besides."""
        return self.stop.is_set()

    @property
    def text(self) -> str:
        """The payload as UTF-8. Reject: it is none."""
        try:
            return self.payload.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Reject(f"the payload is not UTF-8: {error}") from error

    def progress(self, fraction: float, text: str = "") -> None:
        """Say how far it is, 0 to 1, and a line of at most 4096 bytes."""
        if not 0 <= fraction <= 1:
            raise ValueError(f"progress {fraction}; 0 to 1 goes")
        if len(text.encode("utf-8")) > TEXT_BYTES_MAX:
            raise ValueError(f"a progress text of more than {TEXT_BYTES_MAX} bytes")
        self.report("progress", (round(fraction * 1_000_000), text))

    def partial(self, data: Union[bytes, str]) -> None:
        """Send a piece of output to whoever watches, of any length."""
        self.report("partial", data.encode() if isinstance(data, str) else bytes(data))

    def store(self, data: Union[bytes, str]) -> None:
        """Keep at most 4096 bytes for the next attempt; the last ones count."""
        data = data.encode() if isinstance(data, str) else bytes(data)
        if len(data) > CHECKPOINT_BYTES_MAX:
            raise ValueError(f"a checkpoint of more than {CHECKPOINT_BYTES_MAX} bytes")
        self.report("checkpoint", data)


class Registry:
    """Which handler takes which queue: by pattern (* and ?), the first that fits."""

    def __init__(self) -> None:
        self._handlers: list[tuple[str, Handler]] = []

    def handler(self, queue: str) -> Callable[[Handler], Handler]:
        """A decorator: the function, synchronous or `async`, takes the queue's jobs."""

        def add(function: Handler) -> Handler:
            self._handlers.append((queue, function))
            return function

        return add

    @property
    def queues(self) -> list[str]:
        return [queue for queue, _ in self._handlers]

    def find(self, queue: str) -> Optional[Handler]:
        for pattern, handler in self._handlers:
            if fnmatch.fnmatchcase(queue, pattern):
                return handler
        return None

    def perform(self, task: Task) -> Outcome:
        """Run the task's handler; every end but Stopped is an outcome."""
        handler = self.find(task.queue)
        if handler is None:
            return Outcome(FAILED, text=f"no handler takes the queue {task.queue}")
        try:
            result = handler(task)
            if inspect.isawaitable(result):
                result = asyncio.run(_await(result))
            return Outcome(SUCCEEDED, result=_bytes_of(result))
        except Reject as refusal:
            return Outcome(REJECTED, text=str(refusal) or "the handler refused it")
        except Snooze as snooze:
            return Outcome(SNOOZED, text=str(snooze), snooze_ms=snooze.delay_ms)
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else 1
            return Outcome(FAILED, text=f"exit status {status}", exit_status=status & 255)
        except Exception as error:
            said = str(error)
            text = said if type(error) is Exception and said else (
                f"{type(error).__name__}: {said}" if said else type(error).__name__)
            return Outcome(FAILED, text=text,
                           output=traceback.format_exc().encode("utf-8", "replace"))


async def _await(result: Awaitable[Result]) -> Result:
    return await result


def _bytes_of(result: Any) -> bytes:
    if result is None:
        return b""
    if isinstance(result, str):
        return result.encode("utf-8")
    if isinstance(result, (bytes, bytearray, memoryview)):
        return bytes(result)
    raise TypeError(f"a handler gave back {type(result).__name__}, not bytes, str or None")


__all__ = ["Handler", "Registry", "Reject", "Snooze", "Stopped", "Task"]
