"""The client for programs with threads. A Client may be used by all threads at once: one
thread of its own carries what all of them ask, in as few messages as it can."""
from __future__ import annotations

import atexit
import os
import queue
import socket
import threading
import weakref
from collections import deque
from typing import (Any, Callable, Deque, Generic, Iterable, Iterator, List, Optional,
                    Sequence, TypeVar, Union)

import zmq

from . import _calls, errors
from ._calls import Call
from ._engine import EARLY, Engine, now_ms
from ._front import (TIMEOUT_S, Work, jobs_of, result_of, stream_item, submit_call,
                     submit_calls)
from ._keys import endpoint as read_endpoint
from ._keys import keys as read_keys
from ._session import Answer, Request
from .types import Ended, Job, Moment, Partial, Payload, Progress, Submission, Which

T = TypeVar("T")
TURN_MS = 50.0
LATE_S = 10.0  # So much later than its deadline a call is given up here.
WAIT_MS_MAX = 60000


class _Mailbox:
    """Where the answers to some requests come, as (place, answer); only the last of each,
    where the others say nothing of interest."""

    __slots__ = ("queue", "requests", "only_final")

    def __init__(self, only_final: bool) -> None:
        self.only_final = only_final
        self.queue: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()
        self.requests: list[Request] = []

    def take(self, timeout_s: Optional[float]) -> tuple[int, Answer]:
        """The next answer. TimedOut: none came in time, by the caller's own clock."""
        try:
            return self.queue.get(timeout=None if timeout_s is None else timeout_s + LATE_S)
        except queue.Empty:
            raise errors.make("timed_out") from None


class Client:
    """A connection to a broker, made and made again in the background.

        with ganger.Client() as client:
            print(client.run("upper", "hello").result)

    endpoint    tcp://host:port or ipc:///path; None: $GANGER_BROKER, else
                tcp://127.0.0.1:7440
    key_file    CURVE key pair, made by `ganger key new`; None: $GANGER_KEY_FILE
    server_key  the broker's public key; None: $GANGER_SERVER_KEY, or in the key file
    name        shown to operators
    timeout     seconds a call may take that says nothing else

    Each call takes `timeout` in seconds and ends in one of three ways: done; Refused (the
    broker said no, and kept nothing); or Unknown (TimedOut, NoBroker: ask again, with the
    same id where it was a submission). After a fork make another Client in the child.
    BadCall: an endpoint or a key that cannot be.
    """

    def __init__(self, endpoint: Optional[str] = None, *, key_file: Optional[str] = None,
                 server_key: Optional[str] = None, name: str = "",
                 timeout: float = TIMEOUT_S) -> None:
        self.timeout = timeout
        self._orders: Deque[Callable[[], None]] = deque()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._awake = False
        self._closing = False
        self._pid = os.getpid()
        self._state_changed = threading.Condition()
        self._engine = Engine(
            read_endpoint(endpoint), read_keys(key_file, server_key), name,
            _deliver, self._on_state,
        )
        self._thread = threading.Thread(target=self._run, name="ganger", daemon=True)
        self._thread.start()
        _open_clients.add(self)

    # ---- the thread ----

    def _run(self) -> None:
        try:
            while not self._closing:
                self._obey()
                if not self._engine.turn(TURN_MS):
                    self._wait()
        except Exception as error:  # A fault of ours must not leave callers waiting.
            self._fail_all(errors.make("system", f"the client's thread ended: {error!r}"))
            raise
        finally:
            self._closing = True
            self._fail_all(errors.make("usage", "the client is closed"))
            self._engine.close()
            self._wake_read.close()

    def _wait(self) -> None:
        link = self._engine.link
        poller = zmq.Poller()
        poller.register(self._wake_read, zmq.POLLIN)
        if link.socket is not None and link.monitor is not None:
            flags = zmq.POLLIN | (zmq.POLLOUT if self._engine.blocked() else 0)
            poller.register(link.socket, flags)
            poller.register(link.monitor, zmq.POLLIN)
        wake = self._engine.wake_ms()
        timeout = WAIT_MS_MAX if wake is None else min(max(0, wake - now_ms()), WAIT_MS_MAX)
        poller.poll(timeout)

    def _obey(self) -> None:
        if self._awake:
            self._awake = False
            try:
                self._wake_read.recv(4096)
            except BlockingIOError:
                pass
        while self._orders:
            self._orders.popleft()()

    def _order(self, what: Callable[[], None]) -> None:
        """Have the thread do it."""
        if self._pid != os.getpid():
            raise errors.BadCall("usage", "this Client was made before a fork; make another")
        if self._closing:
            raise errors.BadCall("usage", "the client is closed")
        self._orders.append(what)
        if not self._awake:
            self._awake = True
            try:
                self._wake_write.send(b"w")
            except (BlockingIOError, OSError):
                pass

    def _fail_all(self, error: errors.GangerError) -> None:
        while self._orders:  # So that each of them has its answer.
            self._orders.popleft()()
        for request in list(self._engine.session.requests.values()):
            self._engine.session.requests.pop(request.number)
            _deliver(Answer(request, 0, {}, error, True))

    def _on_state(self) -> None:
        with self._state_changed:
            self._state_changed.notify_all()

    # ---- asking ----

    def _ask(self, calls: Sequence[Call[Any]], timeout: Optional[float],
             only_final: bool = True) -> _Mailbox:
        box = _Mailbox(only_final)

        def order() -> None:
            for place, call in enumerate(calls):
                try:
                    box.requests.append(self._engine.ask(call, timeout, (box, place)))
                except errors.GangerError as error:
                    request = Request(0, call, None, (box, place))
                    _deliver(Answer(request, 0, {}, error, True))

        self._order(order)
        return box

    def _forget(self, box: _Mailbox) -> None:
        def order() -> None:
            for request in box.requests:
                self._engine.session.forget(request)

        if not self._closing:
            self._order(order)

    def _limit(self, timeout: Optional[float]) -> float:
        return self.timeout if timeout is None else timeout

    def _call(self, call: Call[T], timeout: Optional[float]) -> T:
        limit = self._limit(timeout)
        box = self._ask([call], limit)
        try:
            answer = box.take(limit)[1]
            return call.read(answer.checked())
        except BaseException:
            self._forget(box)
            raise

    def _each(self, calls: Iterable[Call[Job]], timeout: Optional[float]) -> _Each:
        limit = self._limit(timeout)
        asked = list(calls)
        return _Each(self, self._ask(asked, limit), len(asked), limit)

    # ---- connection ----

    @property
    def endpoint(self) -> str:
        """The endpoint in use."""
        return self._engine.endpoint

    @property
    def connected(self) -> bool:
        """Is a session open now?"""
        return self._engine.connected

    def connect(self, timeout: Optional[float] = None) -> None:
        """Wait until a broker has answered; no call needs it. NoBroker: why none has; a
        reason that time will not mend (a wrong key, an unknown host) comes early."""
        with self._state_changed:
            self._state_changed.wait_for(
                lambda: self._engine.connected or self._closing
                or self._engine.why in EARLY, self._limit(timeout)
            )
        if not self._engine.connected:
            raise self._engine.failure()

    def close(self) -> None:
        """Say goodbye and free everything; takes at most a second. Calls in other
        threads end as BadCall. Safe twice."""
        _open_clients.discard(self)
        if self._pid != os.getpid() or not self._thread.is_alive():
            return
        self._closing = True
        self._orders.append(lambda: None)
        try:
            self._wake_write.send(b"w")
        except (BlockingIOError, OSError):
            pass
        self._thread.join()
        self._wake_write.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- jobs ----

    def submit(self, work: Work, payload: Payload = b"", *,
               timeout: Optional[float] = None, **options: Any) -> Job:
        """Submit a job, or find the one under the same key. Returns once the broker has
        accepted it, not when it has run. `work` is a queue's name, with `payload` and the
        options of Submission, or a whole Submission.

        An id that you leave to the client is made by the broker's clock when it is sent
        first. Unknown: submit again with the same id (error.job says it where it is
        known)."""
        return self._call(submit_call(self._engine, work, payload, options, False), timeout)

    def submit_many(self, works: Iterable[Submission],
                    timeout: Optional[float] = None) -> List[Job]:
        """Submit 1 to 1,000 jobs, accepted whole or refused whole. They travel as one
        piece, so all together must fit the broker's largest frame: TooLarge."""
        return self._call(_calls.submit_many(list(works), self._engine.new_id), timeout)

    def submit_each(self, works: Iterable[Work],
                    timeout: Optional[float] = None) -> _Each:
        """Submit many jobs, each on its own, all on their way at once. Iterate over the
        Ended as they are accepted."""
        return self._each(submit_calls(self._engine, works, False), timeout)

    def run(self, work: Work, payload: Payload = b"", *, timeout: Optional[float] = None,
            **options: Any) -> Job:
        """Submit a job and wait for its end; its `result` has the bytes.

        JobEnded: it ended and not well (error.job). TimedOut: it may go on; error.job has
        its id, if it was accepted: wait() for it."""
        call = submit_call(self._engine, work, payload, options, True)
        return self._call(call, timeout).check()

    def run_many(self, works: Iterable[Work], timeout: Optional[float] = None) -> _Each:
        """Submit many jobs and iterate over the Ended as they end. At the deadline those
        that go on come with a TimedOut as their error."""
        return self._each(submit_calls(self._engine, works, True), timeout)

    def status(self, which: Which, *, with_result: bool = False, with_why: bool = False,
               timeout: Optional[float] = None) -> Job:
        """A job as it stands. NotFound: nothing is known by that name."""
        return self._call(_calls.get(_calls.target(which), with_result, with_why), timeout)

    def wait(self, which: Which, timeout: Optional[float] = None) -> Job:
        """Wait for the end of a job, however it ends; with its result. TimedOut: it goes
        on."""
        return self._call(_calls.wait(_calls.target(which)), timeout)

    def result(self, which: Which, timeout: Optional[float] = None) -> bytes:
        """Wait for a job's result. JobEnded: it has none; NotFound: it is gone."""
        return result_of(self.wait(which, timeout))

    def wait_many(self, whiches: Iterable[Which],
                  timeout: Optional[float] = None) -> List[Job]:
        """Wait for the ends of many jobs, in the order of the targets. Raises the first
        error, of which the other jobs know nothing."""
        return jobs_of(list(self.as_completed(whiches, timeout)))

    def as_completed(self, whiches: Iterable[Which],
                     timeout: Optional[float] = None) -> _Each:
        """Iterate over the Ended of many jobs as they end; at the deadline the others
        come with a TimedOut as their error."""
        return self._each([_calls.wait(_calls.target(one)) for one in whiches], timeout)

    def watch(self, which: Which, *, partial: bool = True, offset: int = 0,
              timeout: Optional[float] = None) -> _Watch:
        """Iterate over a job's Progress and Partial output as they come, from byte
        `offset` on; the last one is the Job."""
        limit = self._limit(timeout)
        call = _calls.wait(_calls.target(which), True, partial, offset)
        return _Watch(self, self._ask([call], limit, False), limit)

    def cancel(self, which: Which, reason: str = "",
               timeout: Optional[float] = None) -> str:
        """Cancel a job, for all who share it: "cancelled" (it never starts), "cancelling"
        (it is being stopped) or "too_late" (it had ended)."""
        return self._call(_calls.cancel(_calls.target(which), reason), timeout)

    def retry(self, which: Which, reason: str = "", timeout: Optional[float] = None) -> Job:
        """Put a job that failed, expired or was cancelled back in line, with a fresh count
        of attempts. Refused: bad_state, key_taken."""
        return self._call(_calls.retry(_calls.target(which), reason), timeout)

    def history(self, which: Which, *, with_output: bool = False,
                timeout: Optional[float] = None) -> List[Moment]:
        """What happened to a job, oldest first."""
        return self._call(_calls.history(_calls.target(which), with_output), timeout)

    def list(self, *, timeout: Optional[float] = None, **conditions: Any) -> Iterator[Job]:
        """Jobs that fit, page by page, in no certain order. Conditions: queue (a pattern
        with * and ?), realm, states (names), tag, key, older_ms, younger_ms, error_has;
        limit is the size of a page. `timeout` is for each page."""
        after = 0
        while True:
            jobs, after = self._call(_calls.list_jobs(after, **conditions), timeout)
            yield from jobs
            if after == 0:
                return

    def events(self, queue: str = "", *, realm: str = "",
               kinds: Sequence[str] = ()) -> _Events:
        """Moments as they happen in the queues that fit the pattern, from now on; close()
        ends it. After a lost connection there is a moment of kind "gap"."""
        call = _calls.events(queue, realm, None, kinds)
        return _Events(self, self._ask([call], None, False))

    # ---- operators ----

    def pause(self, queue: str, *, reason: str = "", cancel_running: bool = False,
              realm: str = "", timeout: Optional[float] = None) -> dict[str, Any]:
        """Pause queues: when it returns no attempt starts any more. Gives `count`, and
        `unsettled` for what silent agents may yet start. A queue that is named in full
        and not known is made, paused."""
        call = _calls.scope("pause", queue=queue, reason=reason, realm=realm,
                            cancel_running=cancel_running)
        return self._call(call, timeout)

    def resume(self, queue: str, *, reason: str = "", realm: str = "",
               timeout: Optional[float] = None) -> dict[str, Any]:
        """Let paused queues go on."""
        return self._call(_calls.scope("resume", queue=queue, reason=reason, realm=realm),
                          timeout)

    def purge(self, queue: str, *, states: Sequence[str] = (), reason: str = "",
              dry_run: bool = False, realm: str = "",
              timeout: Optional[float] = None) -> dict[str, Any]:
        """Throw jobs away, those that wait or those in `states`; with dry_run only count
        them. Gives `count`. Refused: bad_field for a state that cannot be purged."""
        call = _calls.scope("purge", queue=queue, reason=reason, realm=realm,
                            dry_run=dry_run, states=states)
        return self._call(call, timeout)

    def queues(self, pattern: str = "", *, realm: str = "",
               timeout: Optional[float] = None) -> Iterator[dict[str, Any]]:
        """Queues, as dicts by the fields of `queue` in PROTOCOL.md."""
        return self._pages("list_queues", "queue", pattern, realm, timeout)

    def workers(self, pattern: str = "", *, realm: str = "",
                timeout: Optional[float] = None) -> Iterator[dict[str, Any]]:
        """Agents, as dicts by the fields of `worker` in PROTOCOL.md."""
        return self._pages("list_workers", "worker", pattern, realm, timeout)

    def _pages(self, command: str, entry: str, pattern: str, realm: str,
               timeout: Optional[float]) -> Iterator[dict[str, Any]]:
        after = ""
        while True:
            call = _calls.page(command, entry, after, pattern, realm)
            entries, after = self._call(call, timeout)
            yield from entries
            if not after:
                return

    def stats(self, timeout: Optional[float] = None) -> List[dict[str, Any]]:
        """The broker's counters and gauges."""
        return self._call(_calls.stats(), timeout)

    def broker(self, timeout: Optional[float] = None) -> dict[str, Any]:
        """The broker and its limits."""
        return self._call(_calls.broker(), timeout)

    def backup(self, path: str, reason: str = "", timeout: Optional[float] = None) -> None:
        """Copy all that the broker keeps, as of one moment, into a new file on its host,
        by its absolute path; returns once the copy is on disk. Refused: not_durable
        (there is no store), bad_field (a path that cannot be), busy (another backup is
        being made), store and store_full (its disk)."""
        self._call(_calls.backup(path, reason), timeout)


class _Stream(Generic[T]):
    """An iterator over answers that can be left early: with `with`, or close()."""

    def __init__(self, client: Client, box: _Mailbox) -> None:
        self._client, self._box = client, box
        self._over = False

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        raise NotImplementedError

    def __enter__(self) -> _Stream[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing comes any more; the jobs go on."""
        if not self._over:
            self._over = True
            self._client._forget(self._box)

    def __del__(self) -> None:
        try:
            self.close()
        except errors.GangerError:
            pass


class _Each(_Stream[Ended]):
    """The Ended of many jobs as they end."""

    def __init__(self, client: Client, box: _Mailbox, count: int, limit: float) -> None:
        super().__init__(client, box)
        self._left, self._limit = count, limit

    def __next__(self) -> Ended:
        while self._left > 0 and not self._over:
            place, answer = self._box.take(self._limit)
            self._left -= 1
            if answer.error is not None:
                return Ended(place, answer.error.job, answer.error)
            return Ended(place, Job(answer.record))
        self._over = True
        raise StopIteration


class _Watch(_Stream[Union[Progress, Partial, Job]]):
    """Progress and partial output, then the job."""

    def __init__(self, client: Client, box: _Mailbox, limit: float) -> None:
        super().__init__(client, box)
        self._limit = limit

    def __next__(self) -> Union[Progress, Partial, Job]:
        while not self._over:
            answer = self._box.take(self._limit)[1]
            self._over = answer.final
            item = stream_item(answer)
            if item is not None:
                return item
        raise StopIteration


class _Events(_Stream[Moment]):
    """Moments as they happen."""

    def __init__(self, client: Client, box: _Mailbox) -> None:
        super().__init__(client, box)
        self._ready: Deque[Moment] = deque()

    def __next__(self) -> Moment:
        moment = self.next()
        if moment is None:
            raise StopIteration
        return moment

    def next(self, timeout: Optional[float] = None) -> Optional[Moment]:
        """The next moment; None: closed. TimedOut: none came within `timeout` seconds."""
        while not self._ready:
            if self._over:
                return None
            try:
                answer = self._box.queue.get(timeout=timeout)[1]
            except queue.Empty:
                raise errors.make("timed_out", "nothing happened in time") from None
            self._over = answer.final
            self._ready.extend(_calls.read_moments(answer.checked()))
        return self._ready.popleft()


def _deliver(answer: Answer) -> None:
    owner = answer.request.owner
    if owner is None:
        return  # Forgotten meanwhile.
    box, place = owner
    if answer.final:
        answer.request.owner = None
    if answer.final or not box.only_final:
        box.queue.put((place, answer))


_open_clients: weakref.WeakSet[Client] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for client in list(_open_clients):
        client.close()
