"""The client for asyncio: the calls of ganger.Client, awaited. It has no thread of its
own besides libzmq's; what is asked in one round of the loop leaves in one message; a
round of its own never takes much longer than TURN_MS of the loop."""
from __future__ import annotations

import asyncio
import atexit
import os
import time
from collections import deque
from typing import (Any, AsyncIterator, Deque, Dict, Generic, Iterable, Iterator, List,
                    Optional, Sequence, Tuple, TypeVar, Union)

from . import _calls, errors
from ._calls import Call
from ._engine import EARLY, Engine, now_ms
from ._front import (TIMEOUT_S, Work, jobs_of, result_of, stream_item, submission_of,
                     submit_call)
from ._keys import endpoint as read_endpoint
from ._keys import keys as read_keys
from ._session import Answer, Request
from .types import Ended, Job, Moment, Partial, Payload, Progress, Submission, Which

T = TypeVar("T")
TURN_MS = 2.0
ANSWERS_A_TURN = 64  # What their takers do next is done in one round of the loop, too.
FEED_MS = 1.0  # Longest reading of a list in one round of the loop.
HASHED_MAX = 65536  # Bytes of a payload whose key is made on the loop.


class _Waiter:
    """Who waits for one answer."""

    __slots__ = ("future",)

    def __init__(self, future: asyncio.Future[Answer]) -> None:
        self.future = future

    def put(self, place: int, answer: Answer) -> None:
        if answer.final and not self.future.done():
            self.future.set_result(answer)


class _Line:
    """Who takes many answers, one after the other; only the last of each request, where
    the others say nothing of interest."""

    __slots__ = ("items", "only_final", "waiter")

    def __init__(self, only_final: bool = False) -> None:
        self.items: Deque[Tuple[int, Answer]] = deque()
        self.only_final = only_final
        self.waiter: Optional[asyncio.Future[None]] = None

    def put(self, place: int, answer: Answer) -> None:
        if answer.final or not self.only_final:
            self.items.append((place, answer))
            if self.waiter is not None and not self.waiter.done():
                self.waiter.set_result(None)

    async def get(self) -> Tuple[int, Answer]:
        while not self.items:
            self.waiter = asyncio.get_running_loop().create_future()
            try:
                await self.waiter
            finally:
                self.waiter = None
        return self.items.popleft()


class Client:
    """A connection to a broker, for one event loop.

        async with ganger.aio.Client() as client:
            job = await client.run("upper", "hello")

    Arguments, calls, exceptions and units are those of ganger.Client. It connects when it
    is entered or first asked. A call that is cancelled is forgotten; its job goes on.
    """

    def __init__(self, endpoint: Optional[str] = None, *, key_file: Optional[str] = None,
                 server_key: Optional[str] = None, name: str = "",
                 timeout: float = TIMEOUT_S) -> None:
        self.timeout = timeout
        self._endpoint = read_endpoint(endpoint)
        self._keys = read_keys(key_file, server_key)
        self._name = name
        self._engine: Optional[Engine] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._changed: List[asyncio.Future[None]] = []
        self._timer: Optional[asyncio.TimerHandle] = None
        self._due = False
        self._fds: List[int] = []
        self._generation = 0
        self._closed = False

    # ---- the loop ----

    def _open(self) -> Engine:
        if self._closed:
            raise errors.BadCall("usage", "the client is closed")
        if self._engine is None:
            _close_left(over_only=True)
            self._loop = asyncio.get_running_loop()
            self._engine = Engine(
                self._endpoint, self._keys, self._name, self._deliver, self._on_state,
                ANSWERS_A_TURN,
            )
            _open_engines[self._engine] = (os.getpid(), self._loop)
            self._soon()
        elif self._loop is not asyncio.get_running_loop():
            raise errors.BadCall("usage", "this client belongs to another event loop")
        return self._engine

    def _soon(self) -> None:
        if not self._due and self._loop is not None:
            self._due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        engine, loop = self._engine, self._loop
        if engine is None or loop is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            more = engine.turn(TURN_MS)
        except Exception as error:  # A fault of ours must not leave callers waiting.
            self._fail_all(errors.make("system", f"the client failed: {error!r}"))
            raise
        self._watch_sockets(engine, loop)
        link = engine.link
        if more or link.readable() or (engine.blocked() and link.writable()):
            self._soon()
            return
        wake = engine.wake_ms()
        if wake is not None:
            delay_s = max(0, wake - now_ms()) / 1000
            self._timer = loop.call_later(delay_s, self._soon)

    def _watch_sockets(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        link = engine.link
        if link.socket is None or link.monitor is None:
            self._unwatch()
        elif self._generation != link.generation or not self._fds:
            self._unwatch()
            self._generation = link.generation
            self._fds = [int(link.socket.fileno()), int(link.monitor.fileno())]
            for fd in self._fds:
                loop.add_reader(fd, self._soon)

    def _unwatch(self) -> None:
        for fd in self._fds:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(fd)
        self._fds = []

    @staticmethod
    def _deliver(answer: Answer) -> None:
        owner = answer.request.owner
        if owner is None:
            return  # Forgotten meanwhile.
        taker, place = owner
        if answer.final:
            answer.request.owner = None
        taker.put(place, answer)

    def _on_state(self) -> None:
        changed, self._changed = self._changed, []
        for future in changed:
            if not future.done():
                future.set_result(None)

    def _fail_all(self, error: errors.GangerError) -> None:
        if self._engine is not None:
            requests = self._engine.session.requests
            for request in list(requests.values()):
                requests.pop(request.number)
                self._deliver(Answer(request, 0, {}, error, True))

    # ---- asking ----

    def _ask(self, calls: Sequence[Call[Any]], timeout: Optional[float],
             taker: Union[_Waiter, _Line]) -> List[Request]:
        engine = self._open()
        self._soon()
        return [
            engine.ask(call, timeout, (taker, place)) for place, call in enumerate(calls)
        ]

    def _forget(self, requests: Sequence[Request]) -> None:
        if self._engine is not None:
            for request in requests:
                self._engine.session.forget(request)
            self._soon()

    def _limit(self, timeout: Optional[float]) -> float:
        return self.timeout if timeout is None else timeout

    async def _call(self, call: Call[T], timeout: Optional[float]) -> T:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        requests = self._ask([call], self._limit(timeout), _Waiter(future))
        try:
            answer = await future
        except asyncio.CancelledError:
            self._forget(requests)
            raise
        return call.read(answer.checked())

    async def _submission(self, work: Work, payload: Payload, options: dict[str, Any],
                          until_end: bool) -> Call[Job]:
        engine = self._open()
        sub = submission_of(work, payload, options)
        if sub.unique and len(sub.payload) > HASHED_MAX:  # It takes a while: elsewhere.
            return await asyncio.to_thread(submit_call, engine, sub, b"", {}, until_end)
        return submit_call(engine, sub, b"", {}, until_end)

    def _each(self, calls: Iterable[Optional[Call[Job]]],
              timeout: Optional[float]) -> _Each:
        self._open()
        return _Each(self, iter(calls), now_ms() + int(self._limit(timeout) * 1000))

    # ---- connection ----

    @property
    def endpoint(self) -> str:
        """The endpoint in use."""
        return self._endpoint

    @property
    def connected(self) -> bool:
        """Is a session open now?"""
        return self._engine is not None and self._engine.connected

    async def connect(self, timeout: Optional[float] = None) -> None:
        """Wait until a broker has answered; no call needs it. NoBroker: why none has."""
        engine = self._open()
        end_ms = now_ms() + int(self._limit(timeout) * 1000)
        while not engine.connected and engine.why not in EARLY and now_ms() < end_ms:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._changed.append(future)
            await asyncio.wait([future], timeout=max(0, end_ms - now_ms()) / 1000)
        if not engine.connected:
            raise engine.failure()

    async def close(self) -> None:
        """Say goodbye and free everything; takes at most a second, and does not block the
        loop. Calls that wait end as BadCall. Safe twice."""
        engine, self._engine, self._closed = self._engine, None, True
        if engine is None or self._loop is None:
            return
        self._unwatch()
        if self._timer is not None:
            self._timer.cancel()
        for request in list(engine.session.requests.values()):
            error = errors.make("usage", "the client is closed")
            self._deliver(Answer(request, 0, {}, error, True))
        engine.session.requests.clear()
        del _open_engines[engine]
        await self._loop.run_in_executor(None, engine.close)

    async def __aenter__(self) -> Client:
        self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- jobs ----

    async def submit(self, work: Work, payload: Payload = b"", *,
                     timeout: Optional[float] = None, **options: Any) -> Job:
        """Submit a job, or find the one under the same key; see ganger.Client.submit."""
        call = await self._submission(work, payload, options, False)
        return await self._call(call, timeout)

    async def submit_many(self, works: Iterable[Submission],
                          timeout: Optional[float] = None) -> List[Job]:
        """Submit 1 to 1,000 jobs, accepted whole or refused whole."""
        call = _calls.submit_many(list(works), self._open().new_id)
        return await self._call(call, timeout)

    def submit_each(self, works: Iterable[Work],
                    timeout: Optional[float] = None) -> _Each:
        """Submit many jobs, each on its own; the Ended as they are accepted."""
        calls = _submissions(self._open(), works, False)
        return self._each(calls, timeout)

    async def run(self, work: Work, payload: Payload = b"", *,
                  timeout: Optional[float] = None, **options: Any) -> Job:
        """Submit a job and wait for its end. JobEnded, TimedOut: see ganger.Client.run."""
        call = await self._submission(work, payload, options, True)
        return (await self._call(call, timeout)).check()

    def run_many(self, works: Iterable[Work], timeout: Optional[float] = None) -> _Each:
        """Submit many jobs; the Ended as they end, TimedOut at the deadline."""
        calls = _submissions(self._open(), works, True)
        return self._each(calls, timeout)

    async def status(self, which: Which, *, with_result: bool = False,
                     with_why: bool = False, timeout: Optional[float] = None) -> Job:
        """A job as it stands. NotFound: nothing is known by that name."""
        call = _calls.get(_calls.target(which), with_result, with_why)
        return await self._call(call, timeout)

    async def wait(self, which: Which, timeout: Optional[float] = None) -> Job:
        """Wait for the end of a job, however it ends; with its result."""
        return await self._call(_calls.wait(_calls.target(which)), timeout)

    async def result(self, which: Which, timeout: Optional[float] = None) -> bytes:
        """Wait for a job's result. JobEnded: it has none; NotFound: it is gone."""
        return result_of(await self.wait(which, timeout))

    async def wait_many(self, whiches: Iterable[Which],
                        timeout: Optional[float] = None) -> List[Job]:
        """Wait for many jobs, in the order of the targets. Raises the first error."""
        return jobs_of([one async for one in self.as_completed(whiches, timeout)])

    def as_completed(self, whiches: Iterable[Which],
                     timeout: Optional[float] = None) -> _Each:
        """The Ended of many jobs as they end; TimedOut at the deadline."""
        return self._each((_calls.wait(_calls.target(one)) for one in whiches), timeout)

    def watch(self, which: Which, *, partial: bool = True, offset: int = 0,
              timeout: Optional[float] = None) -> _Watch:
        """A job's Progress and Partial output as they come; the last one is the Job."""
        line = _Line()
        call = _calls.wait(_calls.target(which), True, partial, offset)
        return _Watch(self, line, self._ask([call], self._limit(timeout), line))

    async def cancel(self, which: Which, reason: str = "",
                     timeout: Optional[float] = None) -> str:
        """"cancelled", "cancelling" or "too_late"; see ganger.Client.cancel."""
        return await self._call(_calls.cancel(_calls.target(which), reason), timeout)

    async def retry(self, which: Which, reason: str = "",
                    timeout: Optional[float] = None) -> Job:
        """Put a job that failed, expired or was cancelled back in line."""
        return await self._call(_calls.retry(_calls.target(which), reason), timeout)

    async def history(self, which: Which, *, with_output: bool = False,
                      timeout: Optional[float] = None) -> List[Moment]:
        """What happened to a job, oldest first."""
        call = _calls.history(_calls.target(which), with_output)
        return await self._call(call, timeout)

    async def list(self, *, timeout: Optional[float] = None,
                   **conditions: Any) -> AsyncIterator[Job]:
        """Jobs that fit, page by page; conditions as in ganger.Client.list."""
        after = 0
        while True:
            jobs, after = await self._call(_calls.list_jobs(after, **conditions), timeout)
            for job in jobs:
                yield job
            if after == 0:
                return

    def events(self, queue: str = "", *, realm: str = "",
               kinds: Sequence[str] = ()) -> _Events:
        """Moments as they happen, from now on; a moment of kind "gap" after a lost
        connection. close() ends it."""
        line = _Line()
        call = _calls.events(queue, realm, None, kinds)
        return _Events(self, line, self._ask([call], None, line))

    # ---- operators ----

    async def pause(self, queue: str, *, reason: str = "", cancel_running: bool = False,
                    realm: str = "", timeout: Optional[float] = None) -> dict[str, Any]:
        """Pause queues: when it returns no attempt starts any more."""
        call = _calls.scope("pause", queue=queue, reason=reason, realm=realm,
                            cancel_running=cancel_running)
        return await self._call(call, timeout)

    async def resume(self, queue: str, *, reason: str = "", realm: str = "",
                     timeout: Optional[float] = None) -> dict[str, Any]:
        """Let paused queues go on."""
        call = _calls.scope("resume", queue=queue, reason=reason, realm=realm)
        return await self._call(call, timeout)

    async def purge(self, queue: str, *, states: Sequence[str] = (), reason: str = "",
                    dry_run: bool = False, realm: str = "",
                    timeout: Optional[float] = None) -> dict[str, Any]:
        """Throw jobs away; see ganger.Client.purge."""
        call = _calls.scope("purge", queue=queue, reason=reason, realm=realm,
                            dry_run=dry_run, states=states)
        return await self._call(call, timeout)

    def queues(self, pattern: str = "", *, realm: str = "",
               timeout: Optional[float] = None) -> AsyncIterator[dict[str, Any]]:
        """Queues, as dicts by the fields of `queue` in PROTOCOL.md."""
        return self._pages("list_queues", "queue", pattern, realm, timeout)

    def workers(self, pattern: str = "", *, realm: str = "",
                timeout: Optional[float] = None) -> AsyncIterator[dict[str, Any]]:
        """Agents, as dicts by the fields of `worker` in PROTOCOL.md."""
        return self._pages("list_workers", "worker", pattern, realm, timeout)

    async def _pages(self, command: str, entry: str, pattern: str, realm: str,
                     timeout: Optional[float]) -> AsyncIterator[dict[str, Any]]:
        after = ""
        while True:
            call = _calls.page(command, entry, after, pattern, realm)
            entries, after = await self._call(call, timeout)
            for one in entries:
                yield one
            if not after:
                return

    async def stats(self, timeout: Optional[float] = None) -> List[dict[str, Any]]:
        """The broker's counters and gauges."""
        return await self._call(_calls.stats(), timeout)

    async def broker(self, timeout: Optional[float] = None) -> dict[str, Any]:
        """The broker and its limits."""
        return await self._call(_calls.broker(), timeout)

    async def backup(self, path: str, reason: str = "",
                     timeout: Optional[float] = None) -> None:
        """Copy all that the broker keeps; see ganger.Client.backup."""
        await self._call(_calls.backup(path, reason), timeout)


class _Stream(Generic[T]):
    """An asynchronous iterator over answers that can be left early: with `async with`,
    or close()."""

    def __init__(self, client: Client, line: _Line, requests: List[Request]) -> None:
        self._client, self._line, self._requests = client, line, requests
        self._over = False

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        raise NotImplementedError

    async def __aenter__(self) -> _Stream[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing comes any more; the jobs go on."""
        if not self._over:
            self._over = True
            self._client._forget(self._requests)


class _Each(_Stream[Ended]):
    """The Ended of many jobs as they end. What is asked is read and sent piece by piece,
    so that a long list does not hold up the loop. BadCall: an entry of it is no job."""

    def __init__(self, client: Client, calls: Iterator[Optional[Call[Job]]],
                 deadline_ms: int) -> None:
        super().__init__(client, _Line(only_final=True), [])
        self._calls, self._deadline_ms = calls, deadline_ms
        self._left, self._more = 0, True
        self._broken: Optional[BaseException] = None
        self._feed()

    def _feed(self) -> None:
        """Ask a few, and go on in the next round of the loop."""
        loop = self._client._loop
        if self._over or loop is None:
            return
        end_s = time.monotonic() + FEED_MS / 1000
        try:
            for call in self._calls:
                if call is None:  # The next one takes a while to make: elsewhere.
                    slow = loop.run_in_executor(None, next, self._calls)
                    slow.add_done_callback(self._on_made)
                    self._client._soon()
                    return
                self._ask(call)
                large = call.payload_bytes > HASHED_MAX
                rest = len(self._requests) & 15
                if (large or rest == 0) and time.monotonic() >= end_s:
                    break
            else:
                self._more = False
        except Exception as error:
            self._break(error)
        self._client._soon()
        if self._more:
            loop.call_soon(self._feed)

    def _ask(self, call: Call[Job]) -> None:
        timeout_s = max(0, self._deadline_ms - now_ms()) / 1000
        owner = (self._line, len(self._requests))
        self._requests.append(self._client._open().ask(call, timeout_s, owner))
        self._left += 1

    def _on_made(self, made: asyncio.Future[Any]) -> None:
        if self._over or made.cancelled():
            return
        try:
            self._ask(made.result())
        except Exception as error:
            self._break(error)
        self._feed()

    def _break(self, error: Exception) -> None:
        """No more is asked; whoever iterates is told why, in its turn."""
        self._more, self._calls = False, iter(())
        self._left += 1
        self._broken = error
        self._line.put(-1, Answer(Request(0, _calls.stats(), None, None), 0, {}, None, True))

    async def __anext__(self) -> Ended:
        while (self._left > 0 or self._more) and not self._over:
            place, answer = await self._line.get()
            self._left -= 1
            if self._left & 63 == 0:
                await asyncio.sleep(0)  # A full queue does not hold up the loop.
            if place < 0 and self._broken is not None:
                try:
                    raise self._broken
                finally:
                    self._broken = None  # Its traceback has this frame: no ring.
            if answer.error is not None:
                return Ended(place, answer.error.job, answer.error)
            return Ended(place, Job(answer.record))
        self._over = True
        raise StopAsyncIteration


def _submissions(engine: Engine, works: Iterable[Work],
                 until_end: bool) -> Iterator[Optional[Call[Job]]]:
    """The calls; None where the next step hashes a large payload for its key."""
    for work in works:
        sub = submission_of(work, b"", {})
        if sub.unique and len(sub.payload) > HASHED_MAX:
            yield None
        yield submit_call(engine, sub, b"", {}, until_end)


class _Watch(_Stream[Union[Progress, Partial, Job]]):
    """Progress and partial output, then the job."""

    async def __anext__(self) -> Union[Progress, Partial, Job]:
        while not self._over:
            answer = (await self._line.get())[1]
            self._over = answer.final
            item = stream_item(answer)
            if item is not None:
                return item
        raise StopAsyncIteration


class _Events(_Stream[Moment]):
    """Moments as they happen."""

    def __init__(self, client: Client, line: _Line, requests: List[Request]) -> None:
        super().__init__(client, line, requests)
        self._ready: Deque[Moment] = deque()

    async def __anext__(self) -> Moment:
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            answer = (await self._line.get())[1]
            self._over = answer.final
            self._ready.extend(_calls.read_moments(answer.checked()))
        return self._ready.popleft()


# What nobody has closed, by process and loop: such a client ends with the program, or
# when another one is made after the end of its loop.
_open_engines: Dict[Engine, Tuple[int, asyncio.AbstractEventLoop]] = {}


@atexit.register
def _close_left(over_only: bool = False) -> None:
    for engine, (pid, loop) in list(_open_engines.items()):
        if loop.is_closed() or not over_only:
            del _open_engines[engine]
            if pid == os.getpid():  # A forked child must leave libzmq's threads alone.
                engine.close()
