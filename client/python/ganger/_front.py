"""What the two front ends share besides the engine: reading arguments, and answers."""
from __future__ import annotations

from typing import Any, Iterable, Iterator, List, Optional, Union

from . import _calls, errors
from ._codec import Record
from ._engine import Engine
from ._session import PARTIAL, PROGRESS, Answer
from .types import Ended, Job, Partial, Payload, Progress, Submission

TIMEOUT_S = 20.0  # Of a call that says none.
Work = Union[Submission, str]


def submission_of(work: Work, payload: Payload, options: dict[str, Any]) -> Submission:
    if isinstance(work, Submission):
        if payload or options:
            raise errors.BadCall("usage", "a Submission has its payload and options inside")
        return work
    try:
        return Submission(work, payload, **options)
    except TypeError as error:
        raise errors.BadCall("usage", f"no such option: {error}") from error


def submit_call(engine: Engine, work: Work, payload: Payload, options: dict[str, Any],
                until_end: bool) -> _calls.Call[Job]:
    sub = submission_of(work, payload, options)
    return _calls.submit(sub, engine.new_id, until_end)


def submit_calls(engine: Engine, works: Iterable[Work],
                 until_end: bool) -> Iterator[_calls.Call[Job]]:
    return (submit_call(engine, one, b"", {}, until_end) for one in works)


def result_of(job: Job) -> bytes:
    job.check()
    if job.result_gone:
        raise errors.make("result_gone", job=job)
    return job.result


def jobs_of(ended: List[Ended]) -> List[Job]:
    """In the order in which they were asked for. Raises the first error."""
    ended.sort(key=lambda one: one.index)
    for one in ended:
        if one.error is not None:
            raise one.error
    return [one.job for one in ended if one.job is not None]


def stream_item(answer: Answer) -> Optional[Union[Progress, Partial, Job]]:
    """What a watcher is told, at the end the job; None: nothing of interest."""
    record: Record = answer.checked()
    if answer.final:
        return Job(record)
    if answer.code == PROGRESS:
        return Progress(record.get(3, 0) / 1e6, record.get(4, ""), record.get(5, 0))
    if answer.code == PARTIAL:
        return Partial(record.get(4, b""), record.get(3, 0), record.get(5, 0))
    return None
