"""The one file that talks to libzmq: a DEALER socket, the news about its connection, and
new sockets where the old one is no more use.

A DEALER tells nobody that it has been disconnected, and after some faults it stays dead
while sends succeed (a refused handshake). So a socket monitor reads along: a hint that
names the cause of a fault. What decides in the end is the session's silence.
"""
from __future__ import annotations

import random
import struct
from typing import NamedTuple, Optional

import zmq

from ._keys import Keys

HANDSHAKE_MS = 2500  # Connected, and then silent: it is no broker.
REFUSED_MS_MAX = 1000  # Who refuses does so at once; later, nobody answered.
FAILING_MS, FAILING_PLAIN_MS, FAILING_COUNT = 800, 2000, 3
STUCK_MS = 10000  # Not connected and no news: libzmq has given up.
BACKOFF_MS_MIN, BACKOFF_MS_MAX = 50, 2000
_EVENT = struct.Struct("=HI")
_MECHANISM_MISMATCH = zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
_CRYPTOGRAPHIC = zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC
_EVENTS = (
    zmq.EVENT_CONNECTED | zmq.EVENT_CONNECT_DELAYED | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_CLOSED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)


def _can(socket: Optional[zmq.Socket[bytes]], what: int) -> bool:
    if socket is None:
        return False
    events = socket.getsockopt(zmq.EVENTS)
    return isinstance(events, int) and bool(events & what)


class LinkNews(NamedTuple):
    """`up`; else why there is no connection, and that in words."""

    up: bool
    why: str = "ok"
    text: str = ""


class Link:
    """A connection that is made again and again. One thread at a time."""

    def __init__(self, endpoint: str, keys: Optional[Keys], now_ms: int) -> None:
        self.endpoint, self.keys = endpoint, keys
        self.context = zmq.Context()
        self.rng = random.SystemRandom()
        self.socket: Optional[zmq.Socket[bytes]] = None
        self.monitor: Optional[zmq.Socket[bytes]] = None
        self.generation = 0  # Grows with each socket.
        self.failures = 0
        self.bad_handshakes, self.bad_since_ms = 0, 0
        self._make(now_ms)

    # ---- sockets ----

    def _make(self, now_ms: int) -> None:
        self.stage, self.since_ms, self.next_at_ms = "connecting", now_ms, 0
        self.tried = self.delayed = self.handshake_failed = False
        self.generation += 1
        socket = self.socket = self.context.socket(zmq.DEALER)
        for option, value in (
            (zmq.IMMEDIATE, 1), (zmq.LINGER, 0), (zmq.SNDHWM, 256), (zmq.RCVHWM, 1024),
            (zmq.RECONNECT_IVL, 10 + self.rng.randrange(6)),
            (zmq.RECONNECT_IVL_MAX, 2000), (zmq.CONNECT_TIMEOUT, 5000),
            (zmq.HANDSHAKE_IVL, 5000), (zmq.TCP_KEEPALIVE, 1),
            (zmq.TCP_KEEPALIVE_IDLE, 15), (zmq.TCP_KEEPALIVE_INTVL, 5),
            (zmq.TCP_KEEPALIVE_CNT, 3), (zmq.TCP_MAXRT, 30000),
            (zmq.IPV6, int("[" in self.endpoint)),
        ):
            socket.setsockopt(option, value)
        if self.keys is not None:
            socket.setsockopt(zmq.CURVE_SERVERKEY, self.keys.server.encode())
            socket.setsockopt(zmq.CURVE_PUBLICKEY, self.keys.public.encode())
            socket.setsockopt(zmq.CURVE_SECRETKEY, self.keys.secret.encode())
        name = f"inproc://monitor-{self.generation}"
        socket.monitor(name, _EVENTS)
        self.monitor = self.context.socket(zmq.PAIR)
        self.monitor.setsockopt(zmq.RCVHWM, 0)  # It must never hold up libzmq's thread.
        self.monitor.setsockopt(zmq.LINGER, 0)
        self.monitor.connect(name)
        socket.connect(self.endpoint)

    def _drop(self, linger_ms: int) -> None:
        if self.socket is not None:
            self.socket.disable_monitor()
            self.socket.close(linger_ms)
        if self.monitor is not None:
            self.monitor.close(0)
        self.socket = self.monitor = None

    def rebuild(self, now_ms: int) -> None:
        """Throw the socket away and connect anew after a back-off."""
        self._drop(0)
        wait_ms = min(BACKOFF_MS_MIN << min(self.failures, 6), BACKOFF_MS_MAX)
        self.failures += 1
        self.stage = "none"
        self.next_at_ms = now_ms + wait_ms // 2 + self.rng.randrange(wait_ms // 2 + 1)

    def settled(self) -> None:
        """The connection is of use: forget the back-off."""
        self.failures = self.bad_handshakes = 0

    def close(self, linger_ms: int) -> None:
        """Close, waiting at most `linger_ms` for what has been sent."""
        self._drop(linger_ms)
        self.context.term()

    # ---- messages ----

    def send(self, frames: list[bytes]) -> bool:
        """False: not now."""
        if self.socket is None:
            return False
        try:
            self.socket.send_multipart(frames, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def receive(self) -> Optional[list[bytes]]:
        """The frames of a message; None: none is there."""
        if self.socket is None:
            return None
        try:
            return self.socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None

    def readable(self) -> bool:
        """Is there a message, or news?"""
        return _can(self.socket, zmq.POLLIN) or _can(self.monitor, zmq.POLLIN)

    def writable(self) -> bool:
        return _can(self.socket, zmq.POLLOUT)

    # ---- news ----

    def wake_ms(self) -> Optional[int]:
        """When news() has something to do at the latest."""
        if self.stage == "none":
            return self.next_at_ms
        if self.stage == "connected":
            return self.since_ms + HANDSHAKE_MS
        if self.stage == "connecting":
            return self.since_ms + STUCK_MS
        return None

    def news(self, now_ms: int) -> Optional[LinkNews]:
        """The next piece of news; None: there is none."""
        if self.stage == "none":
            if now_ms < self.next_at_ms:
                return None
            self._make(now_ms)
        while self.monitor is not None:
            try:
                body, _ = self.monitor.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            event, value = _EVENT.unpack(body)
            news = self._on_event(event, value, now_ms)
            if news is not None:
                return news
        return self._on_time(now_ms)

    def _on_time(self, now_ms: int) -> Optional[LinkNews]:
        if self.stage == "connected" and now_ms >= self.since_ms + HANDSHAKE_MS:
            self.rebuild(now_ms)
            return LinkNews(False, "not_ganger", "it says nothing: it is not a Ganger "
                            "broker, or it hangs")
        if self.stage == "connecting" and now_ms >= self.since_ms + STUCK_MS:
            self.rebuild(now_ms)
            return LinkNews(False, "no_broker", "the host does not answer")
        return None

    def _on_event(self, event: int, value: int, now_ms: int) -> Optional[LinkNews]:
        began_ms, self.since_ms = self.since_ms, now_ms
        if event == zmq.EVENT_CONNECT_DELAYED:
            self.tried = self.delayed = True
        elif event == zmq.EVENT_CONNECTED:
            self.tried, self.delayed, self.handshake_failed = True, False, False
            self.stage = "connected"
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.stage, self.bad_handshakes = "up", 0
            return LinkNews(True)
        elif event == zmq.EVENT_CLOSED:
            return self._on_closed(began_ms, now_ms)
        elif event == zmq.EVENT_CONNECT_RETRIED:
            tried, self.tried = self.tried, False
            if not tried:
                return LinkNews(False, "no_host", "the host name cannot be resolved")
        elif event == zmq.EVENT_DISCONNECTED:
            return self._on_disconnected(now_ms)
        elif event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return self._on_bad_handshake(now_ms)
        else:
            return self._on_refused(event, value, now_ms)
        return None

    def _on_closed(self, began_ms: int, now_ms: int) -> LinkNews:
        """An attempt to connect has failed; the event does not say why."""
        delayed, self.tried, self.delayed = self.delayed, True, False
        self.stage = "connecting"
        if delayed and now_ms >= began_ms + REFUSED_MS_MAX:
            return LinkNews(False, "no_broker", "the host does not answer")
        if not delayed and self.endpoint.startswith("tcp:"):
            return LinkNews(False, "no_broker", "there is no way to that host from here")
        return LinkNews(False, "connection_refused",
                        "connection refused, nothing listens there")

    def _on_disconnected(self, now_ms: int) -> Optional[LinkNews]:
        before, failed = self.stage, self.handshake_failed
        self.stage, self.tried, self.handshake_failed = "connecting", True, False
        if before == "up":
            return LinkNews(False, "no_broker", "the connection was lost")
        if failed:
            return None  # Told already; libzmq tries again.
        self.rebuild(now_ms)
        return LinkNews(False, "not_ganger", "it does not speak ZeroMQ's protocol")

    def _on_bad_handshake(self, now_ms: int) -> Optional[LinkNews]:
        """One that failed for a reason that only shows after a few more."""
        self.handshake_failed = True
        if self.bad_handshakes == 0:
            self.bad_since_ms = now_ms
        self.bad_handshakes += 1
        failing_ms = FAILING_MS if self.keys is not None else FAILING_PLAIN_MS
        if self.bad_handshakes < FAILING_COUNT or now_ms < self.bad_since_ms + failing_ms:
            return None
        if self.keys is not None:
            return LinkNews(False, "key_refused", "it ends the handshake: its public key "
                            "is not the one expected, or it is not a Ganger broker")
        return LinkNews(False, "not_ganger", "it ends the handshake: it is not a Ganger "
                        "broker, or one that takes only connections with a key")

    def _on_refused(self, event: int, value: int, now_ms: int) -> LinkNews:
        self.rebuild(now_ms)
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return LinkNews(False, "key_refused", "the broker does not accept this key")
        if value == _MECHANISM_MISMATCH:
            text = ("the broker works without keys, and a key file is set"
                    if self.keys is not None else
                    "the broker takes only connections with a key, and no key file is set")
            return LinkNews(False, "key_refused", text)
        if value == _CRYPTOGRAPHIC:
            return LinkNews(False, "key_refused",
                            "the broker's public key is not the one expected")
        return LinkNews(False, "not_ganger", "it does not speak ZeroMQ's protocol")
