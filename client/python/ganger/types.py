"""What callers get and give: jobs, moments, submissions. Times that end in `_at` are
milliseconds since 1970 UTC, 0 for none; those that end in `_ms` are milliseconds."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional, Sequence, Union

from . import errors, ids
from ._codec import NO_ID, NUMBER, Record
from ._tables import ERRORS, MOMENTS, REASONS, STATES

Payload = Union[bytes, bytearray, memoryview, str]
TERMINAL = frozenset({5, 6, 7, 8, 9})
SUCCEEDED, EVICTED = 5, 9


class Job:
    """A job as the broker told of it; it does not change by itself.

    An answer to submit() has only its id, state, durability and epoch; status() and
    wait() have the rest. What is not known has its default: "", 0, b"".
    """

    __slots__ = ("_record",)

    def __init__(self, record: Record) -> None:
        self._record = record

    @property
    def id(self) -> str:
        """The id, 26 characters."""
        return ids.to_text(self._record.get(1, NO_ID))

    @property
    def id_bytes(self) -> bytes:
        """The id, 16 bytes."""
        value: bytes = self._record.get(1, NO_ID)
        return value

    @property
    def realm(self) -> str:
        return str(self._record.get(2) or "default")

    @property
    def queue(self) -> str:
        return str(self._record.get(3, ""))

    @property
    def key(self) -> bytes:
        """The idempotency key; b"": none."""
        return bytes(self._record.get(4, b""))

    @property
    def existing(self) -> bool:
        """The job of another submission, met under the key."""
        return bool(self._record.get(5, False))

    @property
    def state(self) -> str:
        """scheduled, blocked, ready, running, succeeded, failed, cancelled, expired or
        evicted."""
        number = self._record.get(6, 0)
        return STATES.get(number, f"state_{number}")

    @property
    def ended(self) -> bool:
        return self._record.get(6, 0) in TERMINAL

    @property
    def succeeded(self) -> bool:
        return bool(self._record.get(6, 0) == SUCCEEDED)

    @property
    def durability(self) -> str:
        """What was reached: "none" or "fsync"; "" where it is not known."""
        return ("", "none", "fsync")[min(self._record.get(7, 0), 2)]

    @property
    def attempt(self) -> int:
        """Attempts begun."""
        return int(self._record.get(8, 0))

    @property
    def attempts_max(self) -> int:
        return int(self._record.get(9, 0))

    @property
    def progress(self) -> float:
        """0 to 1, as the job said last."""
        return float(self._record.get(10, 0) / 1e6)

    @property
    def progress_ppm(self) -> int:
        """The same in millionths, exactly."""
        return int(self._record.get(10, 0))

    @property
    def progress_text(self) -> str:
        return str(self._record.get(11, ""))

    @property
    def worker(self) -> str:
        """Agent of the newest attempt."""
        return str(self._record.get(12, ""))

    @property
    def submitted_at(self) -> int:
        return int(self._record.get(13, 0))

    @property
    def started_at(self) -> int:
        return int(self._record.get(14, 0))

    @property
    def finished_at(self) -> int:
        return int(self._record.get(15, 0))

    @property
    def run_at(self) -> int:
        return int(self._record.get(16, 0))

    @property
    def expires_at(self) -> int:
        return int(self._record.get(17, 0))

    @property
    def evicts_at(self) -> int:
        return int(self._record.get(18, 0))

    @property
    def error(self) -> str:
        """Why it did not succeed: the name of an error; "" if it did, or goes on."""
        number = self._record.get(19, 0)
        return "" if number == 0 else ERRORS.get(number, (f"error_{number}",))[0]

    @property
    def error_text(self) -> str:
        """The same as a sentence."""
        return str(self._record.get(20, ""))

    @property
    def result(self) -> bytes:
        """The result's bytes, where they came along and the job succeeded."""
        return bytes(self._record.get(21, b""))

    @property
    def has_result(self) -> bool:
        """`result` is all of it: it came along, or is empty."""
        return self.succeeded and not self.result_gone and (
            21 in self._record or self.result_bytes == 0
        )

    @property
    def result_bytes(self) -> int:
        """Length of the result, also where it did not come along."""
        return int(self._record.get(22, 0))

    @property
    def priority(self) -> int:
        return int(self._record.get(23, 128))

    @property
    def tags(self) -> list[str]:
        return list(self._record.get(24, ()))

    @property
    def waiters(self) -> int:
        return int(self._record.get(25, 0))

    @property
    def why(self) -> list[Reason]:
        """Why it is not running, where that was asked for."""
        return [Reason(one) for one in self._record.get(26, ())]

    @property
    def cancelling(self) -> bool:
        return bool(self._record.get(27, False))

    @property
    def result_gone(self) -> bool:
        return bool(self._record.get(28, False))

    @property
    def exit_status(self) -> Optional[int]:
        value = self._record.get(29)
        return None if value is None else int(value)

    @property
    def signal(self) -> int:
        return int(self._record.get(30, 0))

    @property
    def fence(self) -> int:
        return int(self._record.get(31, 0))

    @property
    def epoch(self) -> int:
        """Start of the broker that accepted it: targets carry it along, so that a
        volatile broker that was restarted can say that it lost the job."""
        return int(self._record.get(32, 0))

    def check(self) -> Job:
        """Itself when it succeeded. JobEnded: it ended in another way."""
        if self.ended and not self.succeeded:
            code = self.error or ("not_found" if self.state == "evicted" else self.state)
            raise errors.make(code, self.error_text, job=self)
        return self

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.queue} {self.state}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and self._record == other._record

    def __hash__(self) -> int:
        return hash(self.id_bytes)


class Reason:
    """Why a job does not run."""

    __slots__ = ("code", "text", "since_at", "object", "count")

    def __init__(self, record: Record) -> None:
        number = record.get(1, 0)
        self.code = REASONS.get(number, f"reason_{number}")
        self.text: str = record.get(2, "")
        self.since_at: int = record.get(3, 0)
        self.object: str = record.get(4, "")
        self.count: int = record.get(5, 0)

    def __repr__(self) -> str:
        return f"<Reason {self.code}: {self.text}>"


class Moment:
    """An entry of a job's history, or an event."""

    __slots__ = ("_record",)

    def __init__(self, record: Record) -> None:
        self._record = record

    def _get(self, name: str, fallback: Any) -> Any:
        return self._record.get(NUMBER["moment"][name], fallback)

    @property
    def at(self) -> int:
        return int(self._get("at", 0))

    @property
    def kind(self) -> str:
        """accepted, assigned, started, outcome, ended … ; see PROTOCOL.md, Moments."""
        number = self._get("kind", 0)
        return MOMENTS.get(number, f"moment_{number}")

    @property
    def state(self) -> str:
        return STATES.get(self._get("state", 0), "")

    @property
    def attempt(self) -> int:
        return int(self._get("attempt", 0))

    @property
    def fence(self) -> int:
        return int(self._get("fence", 0))

    @property
    def worker(self) -> str:
        return str(self._get("worker", ""))

    @property
    def error(self) -> str:
        number = self._get("error", 0)
        return "" if number == 0 else ERRORS.get(number, (f"error_{number}",))[0]

    @property
    def text(self) -> str:
        return str(self._get("text", ""))

    @property
    def exit_status(self) -> Optional[int]:
        value = self._get("exit_status", None)
        return None if value is None else int(value)

    @property
    def signal(self) -> int:
        return int(self._get("signal", 0))

    @property
    def output(self) -> bytes:
        """End of its standard error, where that was asked for."""
        return bytes(self._get("output", b""))

    @property
    def until_at(self) -> int:
        return int(self._get("until_at", 0))

    @property
    def count(self) -> int:
        """Entries that are missing, for a gap; jobs, for a purge."""
        return int(self._get("count", 0))

    @property
    def id(self) -> str:
        """The job's id, in events; "": it is not about a job."""
        value = self._get("id", NO_ID)
        return "" if value == NO_ID else ids.to_text(value)

    @property
    def id_bytes(self) -> bytes:
        return bytes(self._get("id", NO_ID))

    @property
    def realm(self) -> str:
        return str(self._get("realm", "") or "default")

    @property
    def queue(self) -> str:
        return str(self._get("queue", ""))

    @property
    def seq(self) -> int:
        """Number of the event in its subscription."""
        return int(self._get("seq", 0))

    def __repr__(self) -> str:
        return f"<Moment {self.kind} {self.queue} {self.id}>"


@dataclass(frozen=True)
class Progress:
    """What a running job said of itself; `fraction` from 0 to 1."""

    fraction: float
    text: str
    attempt: int = 0

    @property
    def ppm(self) -> int:
        """The fraction in millionths, exactly as it came."""
        return round(self.fraction * 1e6)


@dataclass(frozen=True)
class Partial:
    """A piece of a running job's output: `offset` bytes came before it, `gap` of them
    are no longer kept."""

    data: bytes
    offset: int
    gap: int = 0


@dataclass(frozen=True)
class Ended:
    """One of many: the place of its target (from 0), and the job or why there is none."""

    index: int
    job: Optional[Job] = None
    error: Optional[errors.GangerError] = None

    @property
    def result(self) -> bytes:
        """The result of a success. Raises why there is none."""
        if self.error is not None:
            raise self.error
        assert self.job is not None
        return self.job.check().result


@dataclass(frozen=True)
class Submission:
    """One request for work. Every field but `queue` may be left alone.

    payload          bytes, or a text (sent as UTF-8)
    key              idempotency key, at most 255 bytes: one job per realm, queue and key
    unique           make the key from the payload: one job for equal payloads (a MiB
                     takes some 20 ms; only submit() and run() of asyncio do it elsewhere)
    priority         0 goes first … 255
    delay_ms, run_at not before that time
    expires_ms       start deadline from acceptance
    run_timeout_ms   longest run of an attempt
    attempts         at most; 1: at most once; 0: the broker's default
    backoff          "fixed", "exponential" or "list", with backoff_ms, backoff_max_ms
                     or backoff_list
    keep_ms, keep_failed_ms  retention of a success, of a failure; None: the default
    unique_until     the key is held until "evicted", "started" or "finished"
    durability       "none" or "fsync"; "": the queue's default
    end_only         of a run: the broker answers once, at the end, and of a success says
                     id, names, state, attempt and result alone; faster for short jobs
    tags             at most 16 names to find it by
    id               26 characters or 16 bytes; None: the client makes one, by the broker's
                     clock, when it is sent first
    """

    queue: str
    payload: Payload = b""
    key: Payload = b""
    realm: str = ""
    priority: int = 128
    delay_ms: int = 0
    run_at: int = 0
    expires_ms: int = 0
    run_timeout_ms: int = 0
    attempts: int = 0
    backoff: str = ""
    backoff_ms: int = 0
    backoff_max_ms: int = 0
    backoff_list: Sequence[int] = field(default=())
    keep_ms: Optional[int] = None
    keep_failed_ms: Optional[int] = None
    unique_until: str = "evicted"
    durability: str = ""
    end_only: bool = False
    unique: bool = False
    tags: Sequence[str] = field(default=())
    id: Union[str, bytes, None] = None


@dataclass(frozen=True)
class Target:
    """Which job: an id, or queue and key (and realm). `epoch` and `durability` from the
    Job: they let a broker that was restarted say that it lost a volatile job."""

    id: Union[str, bytes, None] = None
    queue: str = ""
    key: Payload = b""
    realm: str = ""
    epoch: int = 0
    durability: str = ""


# What names a job: its Job, its id, or a Target.
Which = Union[Job, Target, str, bytes]
