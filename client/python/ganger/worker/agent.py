"""Everything an agent decides, and no I/O: what to run and to stop, what to say, when a
lease is over. Time comes in as milliseconds of a clock that counts suspended time; bytes
go in and out; orders are taken from `orders`.

Kept here: an outcome is said in every session until it is confirmed; an attempt whose
lease could not be renewed is killed before the lease ends; nothing is started under a
fence that is not above the highest taken for its job, nor later than the broker allowed,
nor beyond the slots, nor while draining.
"""
from __future__ import annotations

import random
from collections import OrderedDict, deque
from typing import Deque, Optional

from .. import errors
from .._codec import (BATCH, CODE, HELLO, RESET, VERSION, WELCOME, Command, Fault, Record,
                      pack_command, read, read_header, write)
from .outcome import (CANCELLED, FAILED, HANDED_BACK, LOST, SUCCEEDED, TIMED_OUT, Outcome)

DOWN, GREET, GREETED, OPEN, LEFT = "down", "greet", "greeted", "open", "left"
HELLO_MS = 10000
PAUSE_MS = 1000
MARGIN_MS_MAX = 2000  # Kill at most so long before a lease ends; else an eighth of it.
INLINE_BYTES_MAX = 16384
BATCH_COMMANDS, BATCH_BYTES = 256, 131072
REMEMBERED_MAX = 65536  # Jobs whose highest fence is known.
PARTIAL_BYTES_MAX = 16384
BACKLOG_MAX = 4096  # Progress and output that wait to be sent; more are dropped.
BEATS_MAX = 64

ASSIGN, STOP, CONFIRM = CODE["assign"], CODE["stop"], CODE["confirm"]
STARTED, OUTCOME, HEARTBEAT = CODE["started"], CODE["outcome"], CODE["heartbeat"]
STOP_CANCELLED, STOP_TIMED_OUT, STOP_WITHDRAWN, STOP_STALE, STOP_LOST = range(1, 6)
STOPPED_AS = {STOP_CANCELLED: CANCELLED, STOP_TIMED_OUT: TIMED_OUT, STOP_STALE: LOST,
              STOP_LOST: LOST}


class Attempt:
    """One attempt in hand: waiting, running, or finished and not yet confirmed."""

    def __init__(self, assign: Record) -> None:
        self.id: bytes = assign[1]
        self.fence: int = assign[2]
        self.number: int = assign[4]
        self.queue: str = assign[5]
        self.payload: bytes = assign.get(6, b"")
        self.realm: str = assign.get(7, "") or "default"
        self.key: bytes = assign.get(8, b"")
        self.run_timeout_ms: int = assign.get(9, 0)
        self.checkpoint: bytes = assign.get(11, b"")
        self.attempts_max: int = assign.get(12, 0)
        self.state = "waiting"
        self.outcome: Optional[Outcome] = None
        self.start_by_ms: Optional[int] = None
        self.lease_base_ms = 0
        self.started_ms = 0
        self.stopping = 0  # What its outcome will be, once it has been told to stop.
        self.kill_at_ms: Optional[int] = None
        self.killed = False
        self.offset = 0
        self.progress: Optional[tuple[int, str]] = None
        self.stored: Optional[bytes] = None

    def held(self) -> Record:
        return {1: self.id, 2: self.fence, 3: 1, 4: self.state != "waiting"}


class Order:
    """For the shell: start an attempt, tell it to stop (TERM), or kill it."""

    __slots__ = ("what", "attempt")

    def __init__(self, what: str, attempt: Attempt) -> None:
        self.what, self.attempt = what, attempt


class Agent:
    """See the head of this file."""

    def __init__(self, *, name: str, queues: list[str], slots: int, realm: str = "",
                 incarnation: int, host: str = "", pid: int = 0, program: str = "",
                 rng: Optional[random.Random] = None) -> None:
        self.rng = rng or random.SystemRandom()
        self.slots = slots
        self.pool: Record = {1: 1, 2: slots, 3: queues, 5: "main"}
        if realm:
            self.pool[4] = realm
        self.about: Record = {3: 2, 4: name, 5: host, 6: pid, 7: program, 8: incarnation}
        self.state = DOWN
        self.attempts: dict[int, Attempt] = {}  # By fence.
        self.highest: OrderedDict[bytes, int] = OrderedDict()
        self.orders: Deque[Order] = deque()
        self.out: Deque[tuple[bytes, Optional[bytes]]] = deque()
        self.number = self.sent_sequence = self.seen_sequence = 0
        self.epoch = 0
        self.draining = False
        self.heartbeat_ms, self.dead_after_ms = 1000, 3000
        self.lease_ms, self.grace_ms = 15000, 25000
        self.frame_bytes_max = self.result_bytes_max = 1 << 40
        self.told_endpoint = ""
        self.beats: Deque[tuple[int, int, frozenset[int]]] = deque()
        self.base_ms = self.sent_ms = self.heard_ms = self.beat_at_ms = 0
        self.greet_at_ms = 0
        self.reset: Optional[errors.GangerError] = None

    # ---- the link ----

    def link_up(self, now_ms: int) -> None:
        self._lost()
        self.state, self.greet_at_ms = GREET, now_ms

    def link_down(self) -> None:
        self._lost()
        self.state = DOWN

    def _lost(self) -> None:
        self.out.clear()
        self.beats.clear()
        self.number = 0

    def is_dead(self, now_ms: int) -> bool:
        """The broker has been silent for too long: make a new connection."""
        if self.state == GREETED:
            return now_ms >= self.sent_ms + HELLO_MS
        return self.state == OPEN and now_ms >= self.heard_ms + self.dead_after_ms

    # ---- what comes in ----

    def receive(self, frames: list[bytes], now_ms: int) -> bool:
        """A message came. False: this is no Ganger broker."""
        header = read_header(frames[0])
        if header is None or len(frames) > 2:
            return False
        if header.session != self.number or self.number == 0:
            return True
        second = frames[1] if len(frames) == 2 else None
        if header.kind == BATCH:
            if self.state != OPEN or header.sequence <= self.seen_sequence:
                return True
            if header.sequence != self.seen_sequence + 1:
                self._greet_again(now_ms, 0)
                return True
        elif header.kind not in (WELCOME, RESET):
            return False
        self.heard_ms = now_ms
        if header.kind != RESET:
            self.seen_sequence = header.sequence
            self._on_acked(header.acked)
        for command in read(frames[0], second):
            self._on_command(command, now_ms)
        return True

    def _on_command(self, command: Command | Fault, now_ms: int) -> None:
        if isinstance(command, Fault):
            if command.error == "bad_message" and command.request == 0:
                self._greet_again(now_ms, PAUSE_MS)
            return  # Newer than we are, or nothing that we could answer.
        code, _, record = command
        if code == ASSIGN:
            self._on_assign(record, now_ms)
        elif code == STOP:
            self._on_stop(record, now_ms)
        elif code == CONFIRM:
            known = self.attempts.get(record[2])
            if known is not None and known.state == "finished":
                del self.attempts[record[2]]
        elif code == CODE["welcome"] and self.state == GREETED:
            self._on_welcome(record, now_ms)
        elif code == CODE["reset"]:
            self.reset = errors.make(record.get(1, 0), record.get(2, ""))
            at_once = self.reset.code == "no_session"
            self._greet_again(now_ms, 0 if at_once else max(record.get(5, 0), PAUSE_MS))
        elif code == CODE["bye"]:
            self._greet_again(now_ms, PAUSE_MS)

    def _greet_again(self, now_ms: int, wait_ms: int) -> None:
        self._lost()
        self.state, self.greet_at_ms = GREET, now_ms + wait_ms

    def _on_welcome(self, welcome: Record, now_ms: int) -> None:
        self.state = OPEN
        self.reset = None
        self.epoch = welcome[2]
        self.heartbeat_ms, self.dead_after_ms = welcome[4], welcome[5]
        self.lease_ms = welcome.get(6, 0)
        self.frame_bytes_max = welcome[7]
        self.result_bytes_max = welcome.get(9) or welcome[7]
        self.told_endpoint = welcome.get(17, "")
        self.grace_ms = welcome.get(18, 0) or self.grace_ms
        self.beat_at_ms = now_ms
        for attempt in self.attempts.values():
            self._say_again(attempt)

    def _say_again(self, attempt: Attempt) -> None:
        """All that the broker may not have."""
        if attempt.state == "finished":
            self._say_outcome(attempt)
            return
        if attempt.stored is not None:
            self._say(CODE["checkpoint"], {1: attempt.id, 2: attempt.fence,
                                           3: attempt.stored})
        if attempt.progress is not None:
            self._say_progress(attempt)

    def _on_acked(self, acked: int) -> None:
        """Leases that were listed in what the broker has dealt with run from then."""
        while self.beats and self.beats[0][0] <= acked:
            _, sent_ms, fences = self.beats.popleft()
            self.base_ms = max(self.base_ms, sent_ms)
            for fence in fences:
                known = self.attempts.get(fence)
                if known is not None:
                    known.lease_base_ms = max(known.lease_base_ms, sent_ms)

    def _remember(self, job_id: bytes, fence: int) -> None:
        self.highest[job_id] = fence
        self.highest.move_to_end(job_id)
        if len(self.highest) > REMEMBERED_MAX:
            self.highest.popitem(last=False)

    def _on_assign(self, assign: Record, now_ms: int) -> None:
        known = self.attempts.get(assign[2])
        if known is not None:
            if known.state == "finished":
                self._say_outcome(known)
            elif known.state == "running":
                self._say(STARTED, {1: known.id, 2: known.fence})
            return
        if assign[2] <= self.highest.get(assign[1], 0):
            return
        attempt = Attempt(assign)
        self._remember(attempt.id, attempt.fence)
        self.attempts[attempt.fence] = attempt
        attempt.lease_base_ms = self.base_ms
        if assign.get(10):
            attempt.start_by_ms = self.base_ms + assign[10]
        for older in list(self.attempts.values()):
            if older.id == attempt.id and older.fence < attempt.fence:
                self._stop(older, LOST, 0, now_ms)
        self._start_what_can(now_ms)

    def _start_what_can(self, now_ms: int) -> None:
        """In the order of arrival, while slots are free; never two attempts of a job."""
        busy = {one.id for one in self.attempts.values() if one.state == "running"}
        for attempt in list(self.attempts.values()):
            if attempt.state != "waiting":
                continue
            late = attempt.start_by_ms is not None and now_ms >= attempt.start_by_ms
            if late or self.draining:
                self._hand_back(attempt)
            elif len(busy) < self.slots and attempt.id not in busy:
                attempt.state = "running"
                attempt.started_ms = now_ms
                busy.add(attempt.id)
                self.orders.append(Order("start", attempt))

    def _hand_back(self, attempt: Attempt) -> None:
        self._finish(attempt, Outcome(HANDED_BACK, never_started=True))

    def _on_stop(self, stop: Record, now_ms: int) -> None:
        job_id, fence, reason = stop[1], stop[2], stop[3]
        attempt = self.attempts.get(fence)
        if attempt is None:
            if reason == STOP_WITHDRAWN and fence > self.highest.get(job_id, 0):
                self._remember(job_id, fence)  # Should it come yet, it is not begun.
                self._say(OUTCOME, {1: job_id, 2: fence, 3: HANDED_BACK, 10: True})
        elif reason == STOP_WITHDRAWN:
            if attempt.state == "running":
                self._say(STARTED, {1: job_id, 2: fence})
            elif attempt.state == "finished":
                self._say_outcome(attempt)
            else:
                self._hand_back(attempt)
        elif reason in STOPPED_AS:
            self._stop(attempt, STOPPED_AS[reason], stop.get(4) or self.grace_ms, now_ms)

    def _stop(self, attempt: Attempt, kind: int, grace_ms: int, now_ms: int) -> None:
        if attempt.state == "waiting":
            self._hand_back(attempt)
        elif attempt.state == "running":
            if not attempt.stopping:
                attempt.stopping = kind
                self.orders.append(Order("stop", attempt))
            kill_at_ms = now_ms + grace_ms
            if attempt.kill_at_ms is None or kill_at_ms < attempt.kill_at_ms:
                attempt.kill_at_ms = kill_at_ms

    # ---- what executors say ----

    def started(self, attempt: Attempt) -> None:
        """Its executor runs."""
        self._say(STARTED, {1: attempt.id, 2: attempt.fence})

    def progressed(self, attempt: Attempt, ppm: int, text: str) -> None:
        attempt.progress = (ppm, text)
        if len(self.out) < BACKLOG_MAX:
            self._say_progress(attempt)

    def _say_progress(self, attempt: Attempt) -> None:
        assert attempt.progress is not None
        ppm, text = attempt.progress
        self._say(CODE["progress"], {1: attempt.id, 2: attempt.fence, 3: ppm, 4: text})

    def produced(self, attempt: Attempt, data: bytes) -> None:
        """A piece of output; what does not fit the backlog is a gap in the offsets."""
        for at in range(0, len(data), PARTIAL_BYTES_MAX):
            piece = data[at : at + PARTIAL_BYTES_MAX]
            if len(self.out) < BACKLOG_MAX:
                self._say(CODE["partial"], {1: attempt.id, 2: attempt.fence,
                                            3: attempt.offset, 4: piece})
            attempt.offset += len(piece)

    def stored(self, attempt: Attempt, data: bytes) -> None:
        attempt.stored = data
        self._say(CODE["checkpoint"], {1: attempt.id, 2: attempt.fence, 3: data})

    def finished(self, attempt: Attempt, outcome: Outcome, now_ms: int) -> None:
        """Its executor is done with it, or has died."""
        if attempt.state != "running":
            return
        if attempt.stopping and outcome.kind != SUCCEEDED:
            outcome = Outcome(attempt.stopping, text=outcome.text, signal=outcome.signal,
                              exit_status=outcome.exit_status, output=outcome.output)
        if len(outcome.result) > self.result_bytes_max:
            outcome = Outcome(FAILED, text=f"the result has {len(outcome.result)} bytes; "
                              f"the broker takes at most {self.result_bytes_max}")
        outcome.run_ms = max(0, now_ms - attempt.started_ms)
        self._finish(attempt, outcome)
        self._start_what_can(now_ms)

    def _finish(self, attempt: Attempt, outcome: Outcome) -> None:
        attempt.state, attempt.outcome = "finished", outcome
        attempt.payload = b""
        self._say_outcome(attempt)

    # ---- time and will ----

    def drain(self, now_ms: int) -> None:
        """Take nothing more; what waits is given back."""
        self.draining = True
        self.beat_at_ms = now_ms
        self._start_what_can(now_ms)

    def give_back(self, now_ms: int) -> None:
        """Stop what runs, to be run elsewhere."""
        for attempt in list(self.attempts.values()):
            self._stop(attempt, HANDED_BACK, 0, now_ms)

    def running(self) -> list[Attempt]:
        return [one for one in self.attempts.values() if one.state == "running"]

    def is_idle(self) -> bool:
        """Nothing in hand, nothing to say."""
        return not self.attempts and not self.out

    def lease_end_ms(self, attempt: Attempt) -> Optional[int]:
        """When it must be dead, if its lease is not renewed by then."""
        if self.lease_ms == 0:
            return None
        margin_ms = min(self.lease_ms // 8, MARGIN_MS_MAX)
        return attempt.lease_base_ms + self.lease_ms - margin_ms

    def _next_of(self, attempt: Attempt) -> list[int]:
        if attempt.state == "waiting":
            return [] if attempt.start_by_ms is None else [attempt.start_by_ms]
        if attempt.state != "running" or attempt.killed:
            return []
        times = [self.lease_end_ms(attempt), attempt.kill_at_ms]
        if attempt.run_timeout_ms and not attempt.stopping:
            times.append(attempt.started_ms + attempt.run_timeout_ms)
        return [one for one in times if one is not None]

    def tick(self, now_ms: int) -> None:
        """Time has passed; call it after what has come was read."""
        for attempt in self.running():
            end_ms = self.lease_end_ms(attempt)
            if end_ms is not None and now_ms >= end_ms and not attempt.killed:
                attempt.stopping, attempt.kill_at_ms = LOST, now_ms
            elif (attempt.run_timeout_ms and not attempt.stopping
                  and now_ms >= attempt.started_ms + attempt.run_timeout_ms):
                self._stop(attempt, TIMED_OUT, self.grace_ms, now_ms)
            kill_at_ms = attempt.kill_at_ms
            if kill_at_ms is not None and now_ms >= kill_at_ms and not attempt.killed:
                attempt.killed = True
                self.orders.append(Order("kill", attempt))
        self._start_what_can(now_ms)

    def wake_ms(self) -> Optional[int]:
        times = [at for one in self.attempts.values() for at in self._next_of(one)]
        if self.state == GREET:
            times.append(self.greet_at_ms)
        elif self.state == GREETED:
            times.append(self.sent_ms + HELLO_MS)
        elif self.state == OPEN:
            times += [self.beat_at_ms, self.heard_ms + self.dead_after_ms]
        return min(times, default=None)

    # ---- what goes out ----

    def _say(self, code: int, record: Record, second: Optional[bytes] = None) -> None:
        if self.state == OPEN:
            self.out.append((pack_command(code, 0, record), second))

    def _say_outcome(self, attempt: Attempt) -> None:
        assert attempt.outcome is not None
        record = attempt.outcome.record(attempt.id, attempt.fence)
        result = record.get(4, b"")
        if len(result) > INLINE_BYTES_MAX:
            self._say(OUTCOME, {**record, 4: True}, result)
        else:
            self._say(OUTCOME, record)

    def next_message(self, now_ms: int, wall_ms: int) -> Optional[list[bytes]]:
        """The next message as its frames; None: nothing."""
        if self.state == GREET and now_ms >= self.greet_at_ms:
            return [self._hello(now_ms, wall_ms)]
        if self.state != OPEN:
            return None
        commands: list[bytes] = []
        size, second = 0, None
        while self.out and second is None and len(commands) < BATCH_COMMANDS:
            packed, blob = self.out[0]
            if commands and size + len(packed) > BATCH_BYTES:
                break
            self.out.popleft()
            commands.append(packed)
            size, second = size + len(packed), blob
        if now_ms >= self.beat_at_ms and second is None:
            commands.append(self._heartbeat(now_ms))
        if not commands:
            return None
        frame = self._frame(BATCH, commands, now_ms)
        return [frame] if second is None else [frame, second]

    def bye(self, now_ms: int) -> Optional[list[bytes]]:
        """A polite end, as a last message; None where there is no session."""
        if self.state != OPEN:
            return None
        frame = self._frame(BATCH, [pack_command(CODE["bye"], 0, {})], now_ms)
        self.state = LEFT
        return [frame]

    def _frame(self, kind: int, commands: list[bytes], now_ms: int) -> bytes:
        self.sent_sequence += 1
        self.sent_ms = now_ms
        return write(kind, self.number, self.sent_sequence, self.seen_sequence, commands)

    def _beat(self, now_ms: int) -> None:
        """The message that is being made renews the leases of all in hand."""
        self.beats.append((self.sent_sequence + 1, now_ms, frozenset(self.attempts)))
        if len(self.beats) > BEATS_MAX:
            self.beats.popleft()
        self.beat_at_ms = now_ms + self.heartbeat_ms

    def _heartbeat(self, now_ms: int) -> bytes:
        self._beat(now_ms)
        record: Record = {1: [{1: 1, 2: 0 if self.draining else self.slots}]}
        if self.attempts:
            record[2] = sorted(self.attempts)
        if self.draining:
            record[3] = True
        return pack_command(HEARTBEAT, 0, record)

    def _hello(self, now_ms: int, wall_ms: int) -> bytes:
        self._lost()
        self.number = self.rng.randrange(1, 1 << 64)
        self.sent_sequence = self.seen_sequence = 0
        hello: Record = {1: VERSION, 2: VERSION, **self.about, 9: [self.pool], 13: wall_ms}
        if self.attempts:
            hello[10] = [one.held() for one in self.attempts.values()]
            hello[12] = sum(one.state == "finished" for one in self.attempts.values())
        if self.epoch:
            hello[11] = self.epoch
        if self.draining:
            hello[14] = True
        self.state = GREETED
        self._beat(now_ms)
        return self._frame(HELLO, [pack_command(CODE["hello"], 0, hello)], now_ms)
