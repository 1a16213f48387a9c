"""The worker's loop: agent, link and executors. Handlers run in other processes, so that
none of them can keep a heartbeat from being sent."""
from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from typing import Any, Optional

import zmq

from .. import _version, ids
from .._keys import endpoint as read_endpoint
from .._keys import keys as read_keys
from .._link import Link
from .agent import GREETED, OPEN, Agent, Attempt
from .executors import Channel, Executors
from .handlers import Registry
from .outcome import CRASHED, FAILED, NOT_STARTED, Outcome

MESSAGES_A_TURN = 200
WAIT_MS_MAX = 60000
_ANY_HOST = re.compile(r"tcp://(0\.0\.0\.0|\*|\[::\])(:\d+)$")
_NAME = re.compile(r"[^A-Za-z0-9._-]")


def now_ms() -> int:
    """A clock that counts suspended time."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def log(level: str, event: str, **more: object) -> None:
    told = " ".join(f'{name}="{value}"' for name, value in more.items())
    print(f"{level} event={event} {told}".rstrip(), file=sys.stderr, flush=True)


def default_name() -> str:
    return _NAME.sub("-", f"{socket.gethostname()}-{os.getpid()}")[-64:].lstrip("-._")


class Loop:
    """Runs until it is told to drain (TERM, INT) and nothing is left in hand."""

    def __init__(self, registry: Registry, *, slots: int, endpoint: Optional[str],
                 name: str, realm: str, key_file: Optional[str],
                 server_key: Optional[str], grace_s: float, on_ready: Any) -> None:
        self.grace_ms = int(grace_s * 1000)
        self.endpoint = read_endpoint(endpoint)
        self.keys = read_keys(key_file, server_key)
        self.on_ready = on_ready
        self.executors = Executors(registry)  # First: it forks.
        self.agent = Agent(
            name=name or default_name(), queues=registry.queues, slots=slots, realm=realm,
            incarnation=time.time_ns() // 1_000_000, host=socket.gethostname()[:255],
            pid=os.getpid(), program=f"ganger-python {_version.VERSION}",
        )
        self.link = Link(self.endpoint, self.keys, now_ms())
        self.redirected = False
        self.pending: Optional[list[bytes]] = None
        self.drain_by_ms: Optional[int] = None
        self.terms = 0
        self.was_open = False
        self.said = ""
        self.wake_read, self.wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # ---- signals ----

    def stop(self, *_: object) -> None:
        """Drain; a second time: at once. Safe from signal handlers and other threads."""
        self.terms += 1
        os.write(self.wake_write, b"t")

    def _on_terms(self, now: int) -> None:
        if self.drain_by_ms is None:
            log("info", "draining", jobs=len(self.agent.attempts))
            self.agent.drain(now)
            self.drain_by_ms = now + self.grace_ms
        if self.terms > 1 or now >= self.drain_by_ms:
            self.agent.give_back(now)

    # ---- the loop ----

    def run(self) -> int:
        """Exit status: 0 after an orderly end."""
        log("info", "agent_started", broker=self.endpoint, slots=self.agent.slots)
        try:
            while not self._turn():
                self._wait()
            message = self.agent.bye(now_ms())
            sent = message is not None and self.link.send(message)
            self.link.close(1000 if sent else 0)
            log("info", "drained")
            return 0
        finally:
            self.executors.close()
            os.close(self.wake_read)
            os.close(self.wake_write)

    def _turn(self) -> bool:
        """True: it is over."""
        now = now_ms()
        self._take_news(now)
        read_all = self._receive(now)
        self._hear_executors(now)
        if read_all:
            self.agent.tick(now)
            if self.agent.is_dead(now):
                self.agent.link_down()
                self.link.rebuild(now)
                self._say("no_broker", "the broker does not answer")
        if self.terms:
            self._on_terms(now)
        self._obey(now)
        self._flush(now)
        gone = self.agent.state not in (OPEN, GREETED)
        return bool(self.terms) and self.pending is None and (
            self.agent.is_idle() or (gone and not self.agent.running()))

    def _wait(self) -> None:
        poller = zmq.Poller()
        poller.register(self.wake_read, zmq.POLLIN)
        poller.register(self.executors.control, zmq.POLLIN)
        for channel in self.executors.busy.values():
            poller.register(channel.socket, zmq.POLLIN)
        if self.link.socket is not None and self.link.monitor is not None:
            flags = zmq.POLLIN | (zmq.POLLOUT if self.pending is not None else 0)
            poller.register(self.link.socket, flags)
            poller.register(self.link.monitor, zmq.POLLIN)
        times = [self.agent.wake_ms(), self.link.wake_ms(), self.drain_by_ms]
        wake = min((one for one in times if one is not None), default=None)
        left = WAIT_MS_MAX if wake is None else max(0, wake - now_ms())
        poller.poll(min(left, WAIT_MS_MAX))
        try:
            os.read(self.wake_read, 4096)
        except BlockingIOError:
            pass

    def _take_news(self, now: int) -> None:
        while True:
            news = self.link.news(now)
            if news is None:
                return
            self.pending = None
            if news.up:
                self.agent.link_up(now)
            else:
                self.agent.link_down()
                self._say(news.why, news.text)

    def _say(self, why: str, text: str) -> None:
        """Each reason once, until the broker has been there again."""
        self.was_open = False
        if self.said != why:
            self.said = why
            log("warn", "disconnected", broker=self.endpoint, error=why, reason=text)

    def _receive(self, now: int) -> bool:
        for _ in range(MESSAGES_A_TURN):
            frames = self.link.receive()
            if frames is None:
                return True
            if not self.agent.receive(frames, now):
                self.agent.link_down()
                self.link.rebuild(now)
                self._say("not_ganger", "what it says is not Ganger's protocol")
                return True
            self._look_at_state(now)
        return False

    def _look_at_state(self, now: int) -> None:
        if self.agent.state == OPEN and not self.was_open:
            self.link.settled()
            if self._follow(now):
                return
            self.was_open, self.said = True, ""
            log("info", "connected", broker=self.endpoint, epoch=self.agent.epoch)
            if self.on_ready is not None:
                self.on_ready()
                self.on_ready = None
        elif self.agent.reset is not None and self.agent.reset.code != "no_session":
            self._say(self.agent.reset.code, self.agent.reset.text)

    def _follow(self, now: int) -> bool:
        """The welcome names the agents' endpoint: go there, if this is another one."""
        told = self.agent.told_endpoint
        any_host = _ANY_HOST.match(told)
        if any_host:
            told = self.endpoint.rpartition(":")[0] + any_host[2]
        if self.redirected or not told or told == self.endpoint:
            return False
        self.redirected, self.endpoint = True, told
        self.agent.link_down()
        self.link.close(0)
        self.link = Link(told, self.keys, now)
        return True

    def _flush(self, now: int) -> None:
        while True:
            if self.pending is None:
                self.pending = self.agent.next_message(now, time.time_ns() // 1_000_000)
            if self.pending is None or not self.link.send(self.pending):
                return
            self.pending = None

    # ---- executors ----

    def _obey(self, now: int) -> None:
        while self.agent.orders:
            order = self.agent.orders.popleft()
            attempt = order.attempt
            if order.what == "start":
                self._start(attempt, now)
            elif order.what == "stop":
                channel = self.executors.busy.get(attempt.fence)
                if channel is not None:
                    channel.send(["stop", attempt.fence])
            else:
                self.executors.kill(attempt.fence)

    def _start(self, attempt: Attempt, now: int) -> None:
        try:
            channel = self.executors.take(attempt.fence)
        except OSError as error:
            self.agent.finished(attempt, Outcome(NOT_STARTED, text=str(error)), now)
            return
        task = {
            "id": ids.to_text(attempt.id), "queue": attempt.queue, "payload": attempt.payload,
            "realm": attempt.realm, "key": attempt.key, "attempt": attempt.number,
            "attempts_max": attempt.attempts_max, "fence": attempt.fence,
            "run_timeout_ms": attempt.run_timeout_ms, "checkpoint": attempt.checkpoint,
        }
        if not channel.send(["task", task]):
            self.executors.kill(attempt.fence)  # Its end is told, and is the outcome.

    def _hear_executors(self, now: int) -> None:
        for channel in list(self.executors.busy.values()):
            self._hear(channel, now)
        for channel, status in self.executors.dead():
            self._hear(channel, now)  # What it said last.
            attempt = self.agent.attempts.get(channel.fence)
            channel.socket.close()
            if attempt is not None and attempt.state == "running":
                self.agent.finished(attempt, ending(status), now)

    def _hear(self, channel: Channel, now: int) -> None:
        while True:
            frames = channel.receive()
            if not frames:
                return
            for what, (fence, value) in frames:
                attempt = self.agent.attempts.get(fence)
                if attempt is not None and attempt.state == "running":
                    self._on_word(attempt, what, value, now)
                if what == "outcome":
                    self.executors.give(fence)

    def _on_word(self, attempt: Attempt, what: str, value: Any, now: int) -> None:
        if what == "started":
            self.agent.started(attempt)
        elif what == "progress":
            self.agent.progressed(attempt, value[0], value[1])
        elif what == "partial":
            self.agent.produced(attempt, value)
        elif what == "checkpoint":
            self.agent.stored(attempt, value)
        else:
            self.agent.finished(attempt, Outcome(**value), now)


def ending(status: int) -> Outcome:
    """What the end of an executor in the midst of an attempt means."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        return Outcome(CRASHED, text=f"ended by {name}", signal=number)
    code = os.waitstatus_to_exitcode(status)
    return Outcome(FAILED, text=f"exit status {code}", exit_status=code)
