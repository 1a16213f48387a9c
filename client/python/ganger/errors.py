"""What can go wrong, by the one table of Ganger's errors (common/err.h).

Every exception has the error's `code` (its stable name), its `number`, a sentence with
the values, and `advice`: what to do about it. The classes are for `except`:

    GangerError
    ├── Refused      the broker, or the client, said no: nothing of the request was kept
    │   ├── NotFound, KeyConflict, Busy, TooLarge, NotAllowed, BadCall
    ├── Unknown      nobody knows: ask again, a submission under the same id
    │   ├── TimedOut, NoBroker
    └── JobEnded     the job ended, and not well; `job` has the rest
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from ._tables import ERRORS

if TYPE_CHECKING:
    from .types import Job

NUMBERS = {name: number for number, (name, _, _) in ERRORS.items()}

AGAIN_LATER = "try again after retry_ms"
ADVICE = {
    "not_found": "look at the queue and key, or the id; its retention may have ended",
    "key_conflict": "use another key, or the same payload; or wait until the key is free",
    "key_taken": "cancel or wait for the job that holds the key, then retry",
    "busy": AGAIN_LATER,
    "queue_full": AGAIN_LATER + ", or add workers",
    "realm_full": AGAIN_LATER + ", or add workers",
    "no_memory": AGAIN_LATER + "; operators: memory_bytes_max",
    "too_large": "make it smaller, or pass a reference to where it is stored",
    "too_many": "ask for fewer at once, or try again after retry_ms",
    "bad_message": "this is a fault of the client's: please report it",
    "bad_name": "names are 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit",
    "bad_field": "look at the bounds of the option that the sentence names",
    "unknown_command": "the broker is older than this package; upgrade it",
    "not_understood": "the broker is older than this package; upgrade it",
    "version": "upgrade the older side",
    "bad_state": "look at the job's state first",
    "no_session": "nothing: the client opens another session by itself",
    "stale": "nothing: a newer attempt counts",
    "not_allowed": "ask an operator for the role: ganger key allow",
    "timed_out": "wait again; the job, if it was accepted, goes on",
    "no_broker": "ask again; see that the broker runs: ganger doctor",
    "lost_with_broker": "submit it again, or use a durable broker",
    "id_too_old": "submit it with a new id",
    "not_durable": "submit it with durability 'none', or use a broker with a store",
    "store": "operators: see the broker's log",
    "closing": "ask again in a moment",
    "name_taken": "give each worker of a realm a name of its own",
    "failed": "see error_text and ganger logs; retry() puts it back in line",
    "rejected": "mend the payload: the handler refused it",
    "crashed": "see ganger logs; retry() puts it back in line",
    "run_timeout": "give it a longer run_timeout_ms, or make it faster",
    "lease_lost": "retry(); operators: look at the worker's host",
    "poison": "see ganger logs: the job kills its executor each time",
    "expired": "submit it again with a later expires_ms, or add workers",
    "cancelled": "submit it again if it is wanted after all",
    "not_started": "operators: see the worker's log",
    "withdrawn": "nothing: it is given to another worker",
    "snoozed": "nothing: it runs again later",
    "system": "look at the system's error in the sentence",
    "config": "mend the variable that the sentence names",
    "connection_refused": "start the broker there, or say where it is: GANGER_BROKER",
    "not_ganger": "look at the endpoint: something else listens there",
    "key_refused": "look at key_file and server_key; ask an operator: ganger key list",
    "no_host": "look at the host's name in the endpoint",
    "result_gone": "keep results longer: keep_ms",
    "usage": "mend the call",
    "store_full": AGAIN_LATER + "; operators: make room on the store's disk",
}


class GangerError(Exception):
    """`code`, `number`, `text` (a sentence with the values), `advice` (what to do),
    `retry_ms` (when to try again; 0: not said) and `job`, where one is known."""

    def __init__(self, code: str, text: str = "", *, retry_ms: int = 0,
                 job: Optional[Job] = None, number: Optional[int] = None) -> None:
        self.code = code
        self.number = NUMBERS.get(code, 0) if number is None else number
        sentence, self.exit_code = ERRORS.get(self.number, ("", code, 70))[1:]
        self.text = text or sentence
        self.advice = ADVICE.get(code, "upgrade this package: it does not know that error")
        self.retry_ms = retry_ms
        self.job = job
        super().__init__(code, self.text)

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]; {self.advice}"


class Refused(GangerError):
    """Nothing of the request was kept."""


class NotFound(Refused):
    """No such job, or none any more."""


class KeyConflict(Refused):
    """The key names a job with another payload."""


class Busy(Refused):
    """A limit is reached: try again after `retry_ms`."""


class TooLarge(Refused):
    """Larger than the broker takes."""


class NotAllowed(Refused):
    """The roles of this key do not cover that."""


class BadCall(Refused, ValueError):
    """The call itself is wrong; nothing was sent."""


class Unknown(GangerError):
    """Whether it was done is not known: ask again; the same id is harmless."""


class TimedOut(Unknown, TimeoutError):
    """The time is over. A job that was accepted goes on."""


class NoBroker(Unknown, ConnectionError):
    """No broker was in reach in time; the code says why, where that is known."""


class JobEnded(GangerError):
    """The job ended, and not as succeeded."""


CLASSES: dict[str, type[GangerError]] = {
    "not_found": NotFound, "result_gone": NotFound,
    "key_conflict": KeyConflict,
    "busy": Busy, "queue_full": Busy, "realm_full": Busy, "no_memory": Busy,
    "too_many": Busy, "store_full": Busy,
    "too_large": TooLarge,
    "not_allowed": NotAllowed, "key_refused": NoBroker,
    "usage": BadCall, "config": BadCall,
    "timed_out": TimedOut,
    "no_broker": NoBroker, "connection_refused": NoBroker, "not_ganger": NoBroker,
    "no_host": NoBroker, "closing": NoBroker, "version": NoBroker,
    "lost_with_broker": JobEnded, "failed": JobEnded, "rejected": JobEnded,
    "crashed": JobEnded, "run_timeout": JobEnded, "lease_lost": JobEnded,
    "poison": JobEnded, "expired": JobEnded, "cancelled": JobEnded,
    "not_started": JobEnded,
}


def make(code: str | int, text: str = "", *, retry_ms: int = 0,
         job: Optional[Job] = None) -> GangerError:
    """The exception for an error by its name or number; one from a newer broker is a
    refusal like any other."""
    if isinstance(code, int):
        number: Optional[int] = code
        name = ERRORS[code][0] if code in ERRORS else f"error_{code}"
    else:
        number, name = NUMBERS.get(code), code
    kind = CLASSES.get(name, Refused)
    return kind(name, text, retry_ms=retry_ms, job=job, number=number)
