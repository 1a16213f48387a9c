"""Executors: processes that run handlers, one attempt at a time each.

    worker ──control──▶ nursery ──fork──▶ executor   (one a slot, forked when needed)
      ▲  │                                  ▲ │
      │  └──────── a socket each ───────────┘ │  frames: length, MessagePack
      └── dead PID STATUS ── nursery          └─ own session: killed with all it started

The nursery is forked before anything of ZeroMQ is opened, and forks every executor: a
forked child must not share a context. It reaps them, so that a signal never meets another
process. When the worker dies it sees the end of its socket and kills them all.
"""
from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import struct
import threading
import traceback
from collections import deque
from typing import Any, Deque, Iterator, Optional

import msgpack

from .handlers import Registry, Stopped, Task
from .outcome import FAILED, SUCCEEDED, Outcome

_LENGTH = struct.Struct("=I")
_PR_SET_PDEATHSIG = 1
FRAME_BYTES_MAX = 1 << 30
SEND_LIMIT_S = 10.0
READ_BYTES = 1 << 16


def pack(value: Any) -> bytes:
    body: bytes = msgpack.packb(value, use_bin_type=True)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Frames from the pieces in which they come."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, piece: bytes) -> Iterator[Any]:
        self._data += piece
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            end = _LENGTH.size + length
            if len(self._data) < end:
                return
            body = bytes(self._data[_LENGTH.size : end])
            del self._data[:end]
            yield msgpack.unpackb(body, raw=False, max_bin_len=FRAME_BYTES_MAX)


def _die_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It was faster.
        os._exit(1)


# ---- in an executor ----


class _Executor:
    """The executor's side: a thread listens, the main thread runs handlers."""

    def __init__(self, registry: Registry, channel: socket.socket) -> None:
        self.registry, self.channel = registry, channel
        self.tasks: Deque[Task] = deque()
        self.given = threading.Semaphore(0)
        self.current: Optional[Task] = None
        self.sending = self.put_off = False

    def send(self, value: Any) -> None:
        """Only on the main thread; a frame is never cut short by Stopped."""
        self.sending = True
        try:
            self.channel.sendall(pack(value))
        finally:
            self.sending = False
        if self.put_off:
            self.put_off = False
            self.on_term()

    def listen(self) -> None:
        frames = Frames()
        while True:
            piece = self.channel.recv(READ_BYTES)
            if not piece:
                os._exit(0)
            for what, value in frames.feed(piece):
                if what == "stop":
                    self.stop(value)
                else:
                    self.tasks.append(Task(report=self.report, **value))
                    self.given.release()

    def stop(self, fence: int) -> None:
        task = self.current
        if task is not None and task.fence == fence:
            task.stop.set()
            os.kill(os.getpid(), signal.SIGTERM)

    def on_term(self, *_: object) -> None:
        task = self.current
        if task is None or not task.stop.is_set():
            return
        if self.sending:
            self.put_off = True
        else:
            raise Stopped()

    def report(self, what: str, value: Any) -> None:
        task = self.current
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a Task is reported on by the handler's own thread")
        if task is not None:
            self.send([what, [task.fence, value]])

    def serve(self) -> None:
        signal.signal(signal.SIGTERM, self.on_term)
        threading.Thread(target=self.listen, daemon=True).start()
        while True:
            self.given.acquire()
            task = self.tasks.popleft()
            self.run(task)

    def run(self, task: Task) -> None:
        try:
            self.current = task
            self.send(["started", [task.fence, None]])
            outcome = self.registry.perform(task)
        except Stopped:
            outcome = Outcome(FAILED, text="stopped")
        finally:
            self.current = None
        said = {"kind": outcome.kind, "text": outcome.text, "output": outcome.output,
                "snooze_ms": outcome.snooze_ms, "exit_status": outcome.exit_status}
        if outcome.kind == SUCCEEDED:
            said["result"] = outcome.result
        self.send(["outcome", [task.fence, said]])


def _be_executor(registry: Registry, channel: socket.socket, parent: int) -> None:
    """Never returns."""
    try:
        os.setsid()
        _die_with_parent(parent)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        _Executor(registry, channel).serve()
    except OSError:
        pass  # The worker has gone.
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


# ---- in the nursery ----


class _Nursery:
    def __init__(self, registry: Registry, control: socket.socket) -> None:
        self.registry, self.control = registry, control
        self.children: set[int] = set()

    def fork(self) -> None:
        near, far = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self.control.close()
            near.close()
            _be_executor(self.registry, far, parent)
        far.close()
        self.children.add(pid)
        socket.send_fds(self.control, [struct.pack("=ciI", b"f", pid, 0)], [near.fileno()])
        near.close()

    def reap(self) -> None:
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self.children.discard(pid)
            _kill_group(pid)  # What it left behind.
            self.control.send(struct.pack("=ciI", b"d", pid, status))

    def serve(self) -> None:
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        while True:
            ready = select.select([self.control, wake_read], [], [])[0]
            if wake_read in ready:
                os.read(wake_read, 4096)
                self.reap()
            if self.control in ready:
                order = self.control.recv(5)
                if not order:
                    return
                what, pid = struct.unpack("=ci", order)
                if what == b"f":
                    self.fork()
                elif pid in self.children:
                    _kill_group(pid)


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):  # Its session may not be there yet.
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def _be_nursery(registry: Registry, control: socket.socket, parent: int) -> None:
    """Never returns."""
    nursery = _Nursery(registry, control)
    try:
        _die_with_parent(parent)
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        nursery.serve()
    except OSError:
        pass
    finally:
        for pid in nursery.children:
            _kill_group(pid)
        os._exit(0)


# ---- in the worker ----


class Channel:
    """The worker's end of one executor."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid, self.socket = pid, channel
        self.frames = Frames()
        self.fence = 0  # What it runs; 0: nothing.
        channel.settimeout(SEND_LIMIT_S)

    def send(self, value: Any) -> bool:
        try:
            self.socket.sendall(pack(value))
        except OSError:
            return False
        return True

    def receive(self) -> list[Any]:
        """What has come; an end is told by the nursery."""
        try:
            piece = os.read(self.socket.fileno(), READ_BYTES)  # recv() would wait.
        except BlockingIOError:
            return []
        except OSError:
            piece = b""
        return list(self.frames.feed(piece))


class Executors:
    """All executors. Make it before anything of ZeroMQ, and without other threads."""

    def __init__(self, registry: Registry) -> None:
        self.control, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        self.nursery = os.fork()
        if self.nursery == 0:
            self.control.close()
            _be_nursery(registry, far, parent)
        far.close()
        self.idle: list[Channel] = []
        self.busy: dict[int, Channel] = {}  # By fence.
        self.by_pid: dict[int, Channel] = {}
        self.deaths: Deque[tuple[int, int]] = deque()

    def take(self, fence: int) -> Channel:
        """An executor for an attempt; OSError: none can be started."""
        channel = self.idle.pop() if self.idle else self._fork()
        channel.fence = fence
        self.busy[fence] = channel
        return channel

    def _fork(self) -> Channel:
        self.control.send(struct.pack("=ci", b"f", 0))
        while True:
            data, fds, _, _ = socket.recv_fds(self.control, 9, 1)
            if not data:
                raise OSError("the process that starts executors has gone")
            what, pid, status = struct.unpack("=ciI", data)
            if what == b"f":
                channel = Channel(pid, socket.socket(fileno=fds[0]))
                self.by_pid[pid] = channel
                return channel
            self.deaths.append((pid, status))

    def give(self, fence: int) -> None:
        """It is done with that attempt."""
        channel = self.busy.pop(fence, None)
        if channel is not None:
            channel.fence = 0
            self.idle.append(channel)

    def kill(self, fence: int) -> None:
        """Kill who runs that attempt, with all it started."""
        channel = self.busy.get(fence)
        if channel is not None:
            self.control.send(struct.pack("=ci", b"k", channel.pid))

    def dead(self) -> Iterator[tuple[Channel, int]]:
        """Executors that have ended, and their wait status."""
        while True:
            try:
                data = self.control.recv(9, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            if not data:
                raise OSError("the process that starts executors has gone")
            _, pid, status = struct.unpack("=ciI", data)
            self.deaths.append((pid, status))
        while self.deaths:
            pid, status = self.deaths.popleft()
            channel = self.by_pid.pop(pid, None)
            if channel is not None:
                self.busy.pop(channel.fence, None)
                if channel in self.idle:
                    self.idle.remove(channel)
                yield channel, status

    def close(self) -> None:
        """Kill what is left, and wait until all are gone."""
        self.control.close()
        for channel in self.by_pid.values():
            channel.socket.close()
        os.waitpid(self.nursery, 0)
