"""Calls as values: what to ask, and what its answer means. Shared by both front ends."""
from __future__ import annotations

from typing import Any, Callable, Generic, Optional, Sequence, TypeVar

from . import errors, ids
from ._codec import CODE, NO_ID, NUMBER, Invalid, Record, check_record, named
from ._tables import MOMENTS, RECORDS, STATES, VERDICTS
from .types import Job, Moment, Payload, Submission, Target, Which
from .unique import unique_key

T = TypeVar("T")
SUBMIT, WAIT = CODE["submit"], CODE["wait"]
BACKOFFS = {"": 0, "fixed": 1, "exponential": 2, "list": 3}
UNTIL = {"evicted": 0, "started": 1, "finished": 2}
DURABILITIES = {"": 0, "none": 1, "fsync": 2}
STATE_NUMBERS = {name: number for number, name in STATES.items()}
_SUBMIT = NUMBER["submit"]
_PLAIN = Submission("q")
_COPIED = [
    (name, _SUBMIT[name], getattr(_PLAIN, name))
    for name in ("realm", "priority", "delay_ms", "run_at", "expires_ms",
                 "run_timeout_ms", "attempts", "backoff_ms", "backoff_max_ms", "keep_ms",
                 "keep_failed_ms")
]


class Call(Generic[T]):
    """One request: a code, a record, and how to read its last answer. `unnamed` are the
    submissions in it whose ids are of our making: until they are sent nobody knows them,
    and they may be made anew."""

    __slots__ = ("code", "record", "read", "payload_bytes", "unnamed")

    def __init__(self, code: int, record: Record, read: Callable[[Record], T],
                 payload_bytes: int = 0, unnamed: Sequence[Record] = ()) -> None:
        self.code, self.record, self.read = code, record, read
        self.payload_bytes, self.unnamed = payload_bytes, unnamed


def as_bytes(value: Payload, what: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise errors.BadCall("usage", f"the {what} is {type(value).__name__}, not bytes or str")


def as_id(value: str | bytes) -> bytes:
    try:
        job_id = ids.from_text(value) if isinstance(value, str) else bytes(value)
    except ValueError as error:
        raise errors.BadCall("usage", str(error)) from error
    if len(job_id) != ids.ID_BYTES or job_id == NO_ID:
        raise errors.BadCall("usage", f"{value!r} is not a job id")
    return job_id


def _checked(record_name: str, record: Record) -> Record:
    """Refuse here what the broker would refuse, by the same table."""
    try:
        check_record(record_name, record)
    except Invalid as fault:
        number = NUMBER[record_name].get(fault.field or "", 0)
        field = RECORDS[record_name].get(number)
        bounds = "" if field is None else f" ({field.kind}, {field.least} to {field.most})"
        value = repr(record.get(number))[:60]
        raise errors.make(
            "usage" if fault.error == "bad_message" else fault.error,
            f"{record_name}: {fault.field} cannot be {value}{bounds}",
        ) from fault
    return record


def _word(words: dict[str, int], value: str, what: str) -> int:
    if value not in words:
        known = ", ".join(repr(word) for word in words if word)
        raise errors.BadCall("usage", f"{what} is {value!r}; it can be {known}")
    return words[value]


def submission(sub: Submission, job_id: bytes, wait: bool) -> Record:
    """The record of a submission; what has its default is left out."""
    record: Record = {1: job_id, 2: sub.queue}
    payload = as_bytes(sub.payload, "payload")
    if payload:
        record[3] = payload
    if sub.unique:
        if sub.key:
            raise errors.BadCall("usage", "unique makes the key itself: give it or a key")
        record[5] = unique_key(payload).encode()
    elif sub.key:
        record[5] = as_bytes(sub.key, "key")
    for name, number, default in _COPIED:
        value = getattr(sub, name)
        if value != default:
            record[number] = value
    if sub.backoff:
        record[_SUBMIT["backoff"]] = _word(BACKOFFS, sub.backoff, "backoff")
    if sub.backoff_list:
        record[_SUBMIT["backoff_list"]] = list(sub.backoff_list)
    if sub.unique_until != "evicted":
        record[_SUBMIT["unique_until"]] = _word(UNTIL, sub.unique_until, "unique_until")
    if sub.durability:
        record[_SUBMIT["durability"]] = _word(DURABILITIES, sub.durability, "durability")
    if sub.tags:
        record[_SUBMIT["tags"]] = list(sub.tags)
    if wait:
        record[_SUBMIT["wait"]] = True
        if sub.end_only:
            record[_SUBMIT["end_only"]] = True
    return _checked("submit", record)


def target(which: Which) -> Record:
    """The record of what names a job."""
    if isinstance(which, Job):
        which = Target(id=which.id_bytes, epoch=which.epoch, durability=which.durability)
    elif isinstance(which, (str, bytes)):
        which = Target(id=which)
    if not isinstance(which, Target):
        raise errors.BadCall("usage", f"{which!r} names no job")
    record: Record = {}
    if which.id is not None:
        record[1] = as_id(which.id)
    elif which.queue and which.key:
        record[3], record[4] = which.queue, as_bytes(which.key, "key")
        if which.realm:
            record[2] = which.realm
    else:
        raise errors.BadCall("usage", "a target has an id, or a queue and a key")
    if which.epoch:
        record[5] = which.epoch
    number = NUMBER["target"].get("durability")
    if which.durability and number is not None:
        record[number] = _word(DURABILITIES, which.durability, "durability")
    return _checked("target", record)


# ---- calls ----


def submit(sub: Submission, new_id: Callable[[], bytes], until_end: bool) -> Call[Job]:
    job_id = new_id() if sub.id is None else as_id(sub.id)
    record = submission(sub, job_id, until_end)
    unnamed = (record,) if sub.id is None else ()
    return Call(SUBMIT, record, Job, len(record.get(3, b"")), unnamed)


def submit_many(subs: Sequence[Submission], new_id: Callable[[], bytes]) -> Call[list[Job]]:
    records = [
        submission(one, new_id() if one.id is None else as_id(one.id), False)
        for one in subs
    ]
    unnamed = [record for one, record in zip(subs, records) if one.id is None]
    if not 1 <= len(records) <= 1000:
        raise errors.BadCall("usage", f"{len(records)} submissions at once; 1 to 1000 go")
    largest = max(len(one.get(3, b"")) for one in records)
    return Call(CODE["submit_many"], {1: records}, read_jobs, largest, unnamed)


def read_jobs(record: Record) -> list[Job]:
    return [Job(one) for one in record.get(1, ())]


def get(which: Record, with_result: bool, with_why: bool) -> Call[Job]:
    record = dict(which)
    if with_result:
        record[6] = True
    if with_why:
        record[7] = True
    return Call(CODE["get"], record, Job)


def wait(which: Record, progress: bool = False, partial: bool = False,
         offset: int = 0) -> Call[Job]:
    record: Record = {**which, 6: True}
    if progress:
        record[9] = True
    if partial:
        record[10] = True
    if offset:
        record[11] = offset
    return Call(WAIT, record, Job)


def cancel(which: Record, reason: str) -> Call[str]:
    record = {**which, 12: reason} if reason else which
    return Call(
        CODE["cancel"], _checked("target", record),
        lambda answer: VERDICTS.get(answer.get(1, 0), "unknown"),
    )


def retry(which: Record, reason: str) -> Call[Job]:
    record = {**which, 12: reason} if reason else which
    return Call(CODE["retry"], _checked("target", record), Job)


def history(which: Record, with_output: bool) -> Call[list[Moment]]:
    record = {**which, 13: True} if with_output else which
    return Call(CODE["history"], record, read_moments)


def read_moments(record: Record) -> list[Moment]:
    return [Moment(one) for one in record.get(1, ())]


def state_bits(states: Sequence[str]) -> int:
    return sum(1 << _word(STATE_NUMBERS, state, "a state") for state in set(states))


def list_jobs(after: int, *, queue: str = "", realm: str = "", states: Sequence[str] = (),
              tag: str = "", key: Payload = b"", older_ms: int = 0, younger_ms: int = 0,
              error_has: str = "", limit: int = 1000) -> Call[tuple[list[Job], int]]:
    """A page: its jobs, and the cursor of the next one or 0."""
    fields: dict[str, Any] = {
        "queue": queue, "realm": realm, "states": state_bits(states), "tag": tag,
        "key": as_bytes(key, "key"), "older_ms": older_ms, "younger_ms": younger_ms,
        "error_has": error_has, "after": after,
    }
    record = {NUMBER["list_jobs"][name]: value for name, value in fields.items() if value}
    record[NUMBER["list_jobs"]["limit"]] = limit
    return Call(CODE["list_jobs"], _checked("list_jobs", record),
                lambda answer: (read_jobs(answer), answer.get(2, 0)))


def scope(command: str, *, queue: str = "", realm: str = "", reason: str = "",
          cancel_running: bool = False, dry_run: bool = False,
          states: Sequence[str] = ()) -> Call[dict[str, Any]]:
    """pause, resume, purge: {"count": …, "unsettled": …}."""
    fields: dict[str, Any] = {"queue": queue, "realm": realm, "reason": reason,
                              "cancel_running": cancel_running, "dry_run": dry_run,
                              "states": state_bits(states)}
    record = {NUMBER["scope"][name]: value for name, value in fields.items() if value}
    return Call(CODE[command], _checked("scope", record),
                lambda answer: {"count": 0, "unsettled": 0, **named("done", answer)})


def page(command: str, entry: str, after: str, queue: str,
         realm: str) -> Call[tuple[list[dict[str, Any]], str]]:
    """A page of queues or workers as dicts by the names of the protocol's fields."""
    fields = {"queue": queue, "realm": realm, "after": after}
    record = {NUMBER["scope"][name]: value for name, value in fields.items() if value}
    return Call(
        CODE[command], _checked("scope", record),
        lambda answer: ([named(entry, one) for one in answer.get(1, ())],
                        answer.get(2, "")),
    )


def backup(path: str, reason: str) -> Call[None]:
    record: Record = {1: path, 2: reason} if reason else {1: path}
    return Call(CODE["backup"], _checked("backup", record), lambda answer: None)


def stats() -> Call[list[dict[str, Any]]]:
    return Call(CODE["get_stats"], {},
                lambda answer: [named("stat", one) for one in answer.get(1, ())])


def broker() -> Call[dict[str, Any]]:
    return Call(CODE["get_broker"], {}, lambda answer: named("broker", answer))


def events(queue: str, realm: str, job_id: Optional[bytes],
           kinds: Sequence[str]) -> Call[None]:
    numbers = {name: number for number, name in MOMENTS.items()}
    fields: dict[str, Any] = {
        "queue": queue, "realm": realm, "id": job_id,
        "kinds": sum(1 << _word(numbers, kind, "a moment") for kind in set(kinds)),
    }
    record = {NUMBER["events"][name]: value for name, value in fields.items() if value}
    return Call(CODE["subscribe"], _checked("events", record), lambda answer: None)
