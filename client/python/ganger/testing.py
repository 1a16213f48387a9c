"""Stands in for a broker in tests: no process, no socket, no waiting.

    client = ganger.testing.Client(worker)            inline: handlers run in submit()
    client = ganger.testing.Client(mode="manual")     jobs wait for perform() or finish()

Give it to the code under test in place of a ganger.Client (AsyncClient in place of a
ganger.aio.Client), then ask what was submitted: client.submitted, assert_submitted().
Keys, attempts, states, results and errors are as with a broker; time is not: nothing is
delayed, expires or is evicted, and no back-off is waited for.
"""
from __future__ import annotations

import time
from typing import Any, AsyncIterator, Iterable, Iterator, List, Optional, Union

from . import _calls, errors, ids
from ._front import Work, submission_of
from ._tables import OUTCOMES
from .types import Ended, Job, Partial, Payload, Progress, Submission, Target, Which
from .worker.handlers import Registry, Task
from .worker.outcome import FAILED, REJECTED, SNOOZED, SUCCEEDED, Outcome

Watched = Union[Progress, Partial, Job]
ATTEMPTS = 5
SNOOZES_MAX = 100
READY, RUNNING, DONE, BAD, CANCELLED = 3, 4, 5, 6, 7


class Submitted:
    """A submission, and the job that came of it."""

    def __init__(self, submission: Submission, record: dict[int, Any]) -> None:
        self.submission = submission
        self.record = record
        self.checkpoint = self.partial = b""

    @property
    def queue(self) -> str:
        return self.submission.queue

    @property
    def payload(self) -> bytes:
        return _calls.as_bytes(self.submission.payload, "payload")

    @property
    def key(self) -> bytes:
        return _calls.as_bytes(self.submission.key, "key")

    @property
    def job(self) -> Job:
        return Job(dict(self.record))

    def __repr__(self) -> str:
        return f"<Submitted {self.job!r} {self.payload[:40]!r}>"


class Client:
    """The calls of ganger.Client on jobs in memory. `worker` has the handlers."""

    def __init__(self, worker: Optional[Registry] = None, *, mode: str = "inline") -> None:
        if mode not in ("inline", "manual"):
            raise errors.BadCall("usage", f"mode is {mode!r}; it can be 'inline', 'manual'")
        self.worker, self.mode = worker, mode
        self.submitted: List[Submitted] = []
        self._jobs: dict[bytes, Submitted] = {}
        self._keys: dict[tuple[str, str, bytes], Submitted] = {}

    # ---- what tests ask ----

    def assert_submitted(self, queue: str, *, count: Optional[int] = None,
                         payload: Optional[Payload] = None,
                         key: Optional[Payload] = None) -> List[Submitted]:
        """Those that fit; AssertionError: there is none, or not `count` of them."""
        found = [
            one for one in self.submitted
            if one.queue == queue
            and (payload is None or one.payload == _calls.as_bytes(payload, "payload"))
            and (key is None or one.key == _calls.as_bytes(key, "key"))
        ]
        if (count is None and not found) or (count is not None and len(found) != count):
            wanted = "any" if count is None else count
            raise AssertionError(f"{len(found)} of {wanted} submissions to {queue!r}; "
                                 f"there are {self.submitted}")
        return found

    def assert_nothing_submitted(self) -> None:
        if self.submitted:
            raise AssertionError(f"submitted: {self.submitted}")

    def perform(self, count: Optional[int] = None) -> int:
        """Run waiting jobs, oldest first, also those that they submit; how many ran."""
        ran = 0
        while count is None or ran < count:
            waiting = [one for one in self.submitted if one.record[6] == READY
                       and self._handles(one)]
            if not waiting:
                break
            self._run(waiting[0])
            ran += 1
        return ran

    def finish(self, which: Which, result: Payload = b"", *, error: str = "",
               text: str = "") -> Job:
        """End a job by hand: with a result, or with the name of an error ("failed")."""
        one = self._find(which)
        if error:
            one.record.update({6: BAD, 19: errors.NUMBERS[error], 20: text})
            self._free_key(one)
        else:
            self._succeed(one, _calls.as_bytes(result, "result"))
        return one.job

    # ---- running ----

    def _handles(self, one: Submitted) -> bool:
        return self.worker is not None and self.worker.find(one.queue) is not None

    def _run(self, one: Submitted) -> None:
        assert self.worker is not None
        most = one.record[9]
        snoozes = 0
        while one.record[6] == READY:
            one.record[6] = RUNNING
            one.record[8] = one.record.get(8, 0) + 1
            outcome = self.worker.perform(self._task(one))
            if outcome.kind == SUCCEEDED:
                self._succeed(one, outcome.result)
            elif outcome.kind == SNOOZED and snoozes < SNOOZES_MAX:
                snoozes += 1
                one.record.update({6: READY, 8: one.record[8] - 1})
            elif outcome.kind != REJECTED and one.record[8] < most:
                one.record[6] = READY
            else:
                self._fail(one, outcome)

    def _task(self, one: Submitted) -> Task:
        def report(what: str, value: Any) -> None:
            if what == "checkpoint":
                one.checkpoint = value
            elif what == "progress":
                one.record.update({10: value[0], 11: value[1]})
            elif what == "partial":
                one.partial += value

        job = one.job
        return Task(id=job.id, queue=one.queue, payload=one.payload, realm=job.realm,
                    key=one.key, attempt=job.attempt, attempts_max=job.attempts_max,
                    fence=job.attempt, checkpoint=one.checkpoint, report=report)

    def _succeed(self, one: Submitted, result: bytes) -> None:
        one.record.update({6: DONE, 21: result, 22: len(result)})

    def _fail(self, one: Submitted, outcome: Outcome) -> None:
        kind = outcome.kind if outcome.kind != SNOOZED else FAILED
        one.record.update({6: BAD, 19: errors.NUMBERS[OUTCOMES[kind]], 20: outcome.text})
        self._free_key(one)

    def _free_key(self, one: Submitted) -> None:
        for key, holder in list(self._keys.items()):
            if holder is one:
                del self._keys[key]

    # ---- the calls of ganger.Client ----

    def _accept(self, work: Work, payload: Payload, options: dict[str, Any]) -> Submitted:
        sub = submission_of(work, payload, options)
        now = time.time_ns() // 1_000_000
        job_id = ids.new(now) if sub.id is None else _calls.as_id(sub.id)
        record = _calls.submission(sub, job_id, False)
        if job_id in self._jobs:
            return self._jobs[job_id]
        name = (sub.realm, sub.queue, record.get(5, b""))
        holder = self._keys.get(name) if name[2] else None
        if holder is not None:
            if holder.payload != record.get(3, b""):
                raise errors.make("key_conflict")
            return holder
        one = Submitted(sub, {1: job_id, 3: sub.queue, 4: name[2], 6: READY, 7: 1,
                              9: sub.attempts or ATTEMPTS, 13: now, 32: 1})
        self.submitted.append(one)
        self._jobs[job_id] = one
        if name[2]:
            self._keys[name] = one
        if self.mode == "inline" and self._handles(one):
            self._run(one)
        return one

    def _find(self, which: Which) -> Submitted:
        record = _calls.target(which)
        if 1 in record:
            found = self._jobs.get(record[1])
        else:
            found = self._keys.get((record.get(2, ""), record[3], record[4]))
        if found is None:
            raise errors.make("not_found")
        return found

    def submit(self, work: Work, payload: Payload = b"", *,
               timeout: Optional[float] = None, **options: Any) -> Job:
        known = len(self.submitted)
        one = self._accept(work, payload, options)
        existing = len(self.submitted) == known
        return Job({**one.record, 5: True}) if existing else one.job

    def submit_many(self, works: Iterable[Submission],
                    timeout: Optional[float] = None) -> List[Job]:
        return [self.submit(one) for one in works]

    def submit_each(self, works: Iterable[Work],
                    timeout: Optional[float] = None) -> Iterator[Ended]:
        for index, one in enumerate(works):
            yield Ended(index, self.submit(one))

    def run(self, work: Work, payload: Payload = b"", *, timeout: Optional[float] = None,
            **options: Any) -> Job:
        return self.wait(self._accept(work, payload, options).job).check()

    def run_many(self, works: Iterable[Work],
                 timeout: Optional[float] = None) -> Iterator[Ended]:
        return self.as_completed([self.submit(one) for one in works], timeout)

    def status(self, which: Which, *, with_result: bool = False, with_why: bool = False,
               timeout: Optional[float] = None) -> Job:
        return self._find(which).job

    def wait(self, which: Which, timeout: Optional[float] = None) -> Job:
        """TimedOut at once: nothing will end it while the test waits."""
        job = self._find(which).job
        if not job.ended:
            raise errors.make("timed_out", job=job)
        return job

    def result(self, which: Which, timeout: Optional[float] = None) -> bytes:
        return self.wait(which).check().result

    def wait_many(self, whiches: Iterable[Which],
                  timeout: Optional[float] = None) -> List[Job]:
        return [self.wait(one) for one in whiches]

    def as_completed(self, whiches: Iterable[Which],
                     timeout: Optional[float] = None) -> Iterator[Ended]:
        for index, one in enumerate(whiches):
            try:
                yield Ended(index, self.wait(one))
            except errors.GangerError as error:
                yield Ended(index, error.job, error)

    def watch(self, which: Which, *, partial: bool = True, offset: int = 0,
              timeout: Optional[float] = None) -> Iterator[Watched]:
        """What it said last and what came of it, where it has ended."""
        one = self._find(which)
        if one.record.get(10) or one.record.get(11):
            yield Progress(one.job.progress, one.job.progress_text, one.job.attempt)
        if partial and one.partial[offset:]:
            yield Partial(one.partial[offset:], offset)
        yield self.wait(which)

    def cancel(self, which: Which, reason: str = "",
               timeout: Optional[float] = None) -> str:
        one = self._find(which)
        if one.job.ended:
            return "too_late"
        one.record.update({6: CANCELLED, 19: errors.NUMBERS["cancelled"]})
        self._free_key(one)
        return "cancelled"

    def retry(self, which: Which, reason: str = "", timeout: Optional[float] = None) -> Job:
        one = self._find(which)
        if one.record[6] not in (BAD, CANCELLED):
            raise errors.make("bad_state")
        for number in (8, 19, 20):
            one.record.pop(number, None)
        one.record[6] = READY
        if self.mode == "inline" and self._handles(one):
            self._run(one)
        return one.job

    def list(self, *, queue: str = "", states: Iterable[str] = (), tag: str = "",
             timeout: Optional[float] = None) -> Iterator[Job]:
        wanted = set(states)
        for one in self.submitted:
            if ((not queue or one.queue == queue) and (not tag or tag in one.submission.tags)
                    and (not wanted or one.job.state in wanted)):
                yield one.job

    def connect(self, timeout: Optional[float] = None) -> None:
        """There is nothing to connect to."""

    def close(self) -> None:
        """There is nothing to close."""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """The same, awaited; `client` has what was submitted, perform() and the asserts."""

    def __init__(self, worker: Optional[Registry] = None, *, mode: str = "inline") -> None:
        self.client = Client(worker, mode=mode)

    async def submit(self, work: Work, payload: Payload = b"", **options: Any) -> Job:
        return self.client.submit(work, payload, **options)

    async def submit_many(self, works: Iterable[Submission],
                          timeout: Optional[float] = None) -> List[Job]:
        return self.client.submit_many(works)

    async def run(self, work: Work, payload: Payload = b"", **options: Any) -> Job:
        return self.client.run(work, payload, **options)

    async def submit_each(self, works: Iterable[Work],
                          timeout: Optional[float] = None) -> AsyncIterator[Ended]:
        for one in self.client.submit_each(works):
            yield one

    async def run_many(self, works: Iterable[Work],
                       timeout: Optional[float] = None) -> AsyncIterator[Ended]:
        for one in self.client.run_many(works):
            yield one

    async def wait_many(self, whiches: Iterable[Which],
                        timeout: Optional[float] = None) -> List[Job]:
        return self.client.wait_many(whiches)

    async def as_completed(self, whiches: Iterable[Which],
                           timeout: Optional[float] = None) -> AsyncIterator[Ended]:
        for one in self.client.as_completed(whiches):
            yield one

    async def watch(self, which: Which, **options: Any) -> AsyncIterator[Watched]:
        for one in self.client.watch(which):
            yield one

    async def list(self, **conditions: Any) -> AsyncIterator[Job]:
        for one in self.client.list(**conditions):
            yield one

    async def connect(self, timeout: Optional[float] = None) -> None:
        """There is nothing to connect to."""

    async def status(self, which: Which, **options: Any) -> Job:
        return self.client.status(which)

    async def wait(self, which: Which, timeout: Optional[float] = None) -> Job:
        return self.client.wait(which)

    async def result(self, which: Which, timeout: Optional[float] = None) -> bytes:
        return self.client.result(which)

    async def cancel(self, which: Which, reason: str = "",
                     timeout: Optional[float] = None) -> str:
        return self.client.cancel(which)

    async def retry(self, which: Which, reason: str = "",
                    timeout: Optional[float] = None) -> Job:
        return self.client.retry(which)

    async def close(self) -> None:
        """There is nothing to close."""

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


__all__ = ["AsyncClient", "Client", "Submitted", "Target"]
