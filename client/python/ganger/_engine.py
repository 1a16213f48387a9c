"""A session on a link: what both front ends do between two waits."""
from __future__ import annotations

import os
import socket
import time
from typing import Any, Callable, Optional

from . import _version, errors
from ._calls import Call
from ._keys import Keys
from ._link import Link
from ._session import GREETED, Answer, News, Request, Session

MESSAGES_A_TURN = 200
BYE_LINGER_MS = 1000
EARLY = {"key_refused", "no_host", "not_ganger", "not_allowed", "version"}


def now_ms() -> int:
    """Monotonic time."""
    return time.monotonic_ns() // 1_000_000


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Engine:
    """turn() does what there is to do and never waits; then wait for link.readable()
    and, while blocked(), for link.writable(), at most until wake_ms()."""

    def __init__(self, endpoint: str, keys: Optional[Keys], name: str,
                 on_answer: Callable[[Answer], None], on_state: Callable[[], None],
                 answers_a_turn: int = 1 << 30) -> None:
        self.endpoint, self.answers_a_turn = endpoint, answers_a_turn
        self.answers_left = 0
        self.on_answer, self.on_state = on_answer, on_state
        self.session = Session(
            name=name, host=socket.gethostname()[:255], pid=os.getpid(),
            program=f"ganger-python {_version.VERSION}",
        )
        self.link = Link(endpoint, keys, now_ms())
        self.pending: Optional[list[bytes]] = None  # Made, and not taken by the socket.
        self.connected = False
        self.why, self.text = "no_broker", f"no broker has answered at {endpoint} yet"

    # ---- requests ----

    def ask(self, call: Call[Any], timeout_s: Optional[float], owner: Any) -> Request:
        deadline = None if timeout_s is None else now_ms() + max(0, int(timeout_s * 1000))
        return self.session.ask(call, deadline, owner)

    def new_id(self) -> bytes:
        return self.session.new_id(wall_ms())

    def failure(self) -> errors.GangerError:
        """Why there is no connection."""
        return errors.make(self.why, self.text)

    # ---- the loop ----

    def turn(self, budget_ms: float) -> bool:
        """True: there is more to do at once."""
        end = time.monotonic() + budget_ms / 1000
        now = now_ms()
        self.answers_left = self.answers_a_turn
        self._take_news(now)
        unsent = self._flush(now, end)
        read_all = self._receive(now, end)
        if read_all:
            self.session.tick(now, self.why if self.why != "ok" else "no_broker", self.text)
            self._judge(now)
        more = self._deliver(now, end) or not read_all
        return self._flush(now, end) or unsent or more

    def _receive(self, now: int, end: float) -> bool:
        for _ in range(MESSAGES_A_TURN):
            late = self.answers_left <= 0 or time.monotonic() >= end
            if late and self.session.has_answers():
                return False
            frames = self.link.receive()
            if frames is None:
                return True
            if not self.session.receive(frames, now, wall_ms()):
                self._lose(now, "not_ganger", "what it says is not Ganger's protocol")
                return True
            if self._deliver(now, end) or self._flush(now, end):
                return False
        return False

    def _deliver(self, now: int, end: float) -> bool:
        """Hand out answers; True: the turn is over and there are more."""
        if self.answers_left <= 0:
            return self.session.has_answers()
        for answer in self.session.answers(now):
            if isinstance(answer, News):
                self._on_news(answer)
            else:
                self.on_answer(answer)
            left = self.answers_left = self.answers_left - 1
            if left <= 0 or (left & 15 == 0 and time.monotonic() >= end):
                return self.session.has_answers()
        return False

    def _on_news(self, news: News) -> None:
        if news.opened:
            self.link.settled()
            self._set_state(True, "ok", f"connected to the broker at {self.endpoint}")
        else:
            self._set_state(False, news.why, f"the broker at {self.endpoint}: {news.text}")

    def _take_news(self, now: int) -> None:
        while True:
            news = self.link.news(now)
            if news is None:
                return
            self.pending = None
            if news.up:
                self.session.link_up(now)
            else:
                self.session.link_down()
                self._lost(news.why, news.text)

    def _lost(self, why: str, text: str) -> None:
        if why == "not_ganger" and self.session.met:
            why, text = "no_broker", "it does not answer"  # It was one before: it hangs.
        self._set_state(False, why, f"cannot reach a broker at {self.endpoint}: {text}")

    def _set_state(self, connected: bool, why: str, text: str) -> None:
        self.connected, self.why, self.text = connected, why, text
        self.on_state()

    def _lose(self, now: int, why: str, text: str) -> None:
        self.session.link_down()
        self.pending = None
        self.link.rebuild(now)
        self._lost(why, text)

    def _judge(self, now: int) -> None:
        """What has come was read: a broker that is still silent is dead."""
        if not self.session.is_dead(now):
            return
        if self.session.state == GREETED and not self.session.met:
            self._lose(now, "not_ganger", "it does not answer a greeting: it is not a "
                       "Ganger broker, or it hangs")
        else:
            self._lose(now, "no_broker", "it does not answer")

    def _flush(self, now: int, end: float) -> bool:
        """Send what there is; True: time is over and there may be more."""
        while True:
            if self.pending is None:
                self.pending = self.session.next_message(now, wall_ms())
            if self.pending is None or not self.link.send(self.pending):
                return False
            self.pending = None
            if time.monotonic() >= end:
                return self.session.has_output()

    def blocked(self) -> bool:
        return self.pending is not None

    def wake_ms(self) -> Optional[int]:
        times = [self.session.wake_ms(), self.link.wake_ms()]
        return min((one for one in times if one is not None), default=None)

    def close(self) -> None:
        """Say goodbye and close; takes at most a second."""
        message = self.session.bye(now_ms()) if self.pending is None else None
        sent = message is not None and self.link.send(message)
        self.link.close(BYE_LINGER_MS if sent else 0)
