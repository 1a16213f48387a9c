"""Everything a client decides, and no I/O: what to send, what an answer belongs to, what
to send again, when the broker is dead, which request has waited long enough. Time comes
in as milliseconds; bytes go in and out; answers are taken with `answers()`.

          link_up             hello sent           welcome
  DOWN ────────────▶ GREET ────────────▶ GREETED ────────▶ OPEN
   ▲ ▲                ▲  ▲                  │                │
   │ │                │  └── reset, bye ────┼────────────────┤
   │ │                └──── its time ── PAUSED ◀── reset: hello would not help
   │ └─ link_down, or silence: the front end makes a new socket (from every state)

Nothing is done because it was sent. A request is kept, as bytes, until it is answered;
each session begins by putting all that is unanswered back in line, in the order in which
it was asked. A submission whose acceptance was seen goes again as a wait for that job,
with the epoch of the broker that accepted it and its durability: a broker that was
restarted then says that a volatile job is lost, where a second submission would run it
again. So does a submission with end_only that an earlier broker took into its memory.
"""
from __future__ import annotations

import heapq
import random
from collections import deque
from typing import Any, Deque, Iterator, Optional

from . import errors, ids
from ._calls import SUBMIT, WAIT, Call
from ._codec import (
    BATCH, CODE, HEADER, HELLO, NUMBER, RESET, VERSION, WELCOME, Command, Fault, Header,
    Invalid, MUST_UNDERSTAND_FLAGS, Record, _command, _unpack, pack_command, read,
    read_header, write,
)
from .types import EVICTED, TERMINAL, Job

DOWN, GREET, GREETED, OPEN, PAUSED = "down", "greet", "greeted", "open", "paused"
ACK_MS = 50  # Longest wait for a message that acknowledges by the way.
HELLO_MS, HELLO_AGAIN_MS = 2500, 10000  # Longest wait for welcome, at first and later.
PAUSE_MS = 1000  # Before hello again after a refusal, at least.
RESET_MS_MIN, RESET_MS_MAX = 50, 2000  # After hellos that are answered with a reset.
BATCH_COMMANDS, BATCH_BYTES = 256, 131072
IN_FLIGHT_MAX = 65536
SWEPT_MAX = 256  # Deadlines looked at in one turn.
ID_AGE_MS = 1000  # An id that is sent at last may be so old, or so much ahead.
ACCEPTED_KEPT = 1024  # Jobs whose epoch and durability are remembered.
INLINE_BYTES_MAX = 16384

HEARTBEAT, BYE, ERROR, JOB = CODE["heartbeat"], CODE["bye"], CODE["error"], CODE["job"]
DURABILITY, NOT_DURABLE = NUMBER["target"]["durability"], 1
_SUBMIT = NUMBER["submit"]
PROGRESS, PARTIAL, EVENT = CODE["progress"], CODE["partial"], CODE["event"]
SUBSCRIBE, SUBMIT_MANY = CODE["subscribe"], CODE["submit_many"]
GAP = 12  # A moment: entries are missing here.
_HEARTBEAT = pack_command(HEARTBEAT, 0, {})
_PAUSES = {"version", "not_allowed", "name_taken", "closing", "busy", "bad_field",
           "too_many"}
_TARGETS = {CODE[name] for name in ("get", "wait", "cancel", "retry", "history", "why")}
_FIT = {  # Besides jobs and errors: what answers what, and does it end it?
    (CODE[asked], CODE[answer]): last
    for asked, answer, last in (
        ("submit_many", "jobs", True), ("wait", "progress", False),
        ("wait", "partial", False), ("cancel", "cancelled", True),
        ("list_jobs", "jobs", True), ("history", "moments", True),
        ("why", "reasons", True), ("list_queues", "queues", True),
        ("pause", "done", True), ("resume", "done", True), ("purge", "done", True),
        ("backup", "done", True),
        ("list_workers", "workers", True), ("get_stats", "stats", True),
        ("get_broker", "broker", True), ("subscribe", "event", False),
    )
}
_ONE_JOB = {SUBMIT, CODE["get"], CODE["retry"]}


class Request:
    """What has been asked and not been answered. `owner` is who takes the answers; after
    the last one it is let go of, so that the two are not a ring: rings are left to
    Python's collector, which stops the process while it looks at all there is."""

    __slots__ = ("number", "call", "code", "record", "until_end", "deadline_ms", "sent",
                 "sequence", "packed", "second", "accepted", "epoch", "durability",
                 "learning", "owner", "gone")

    def __init__(self, number: int, call: Call[Any], deadline_ms: Optional[int],
                 owner: Any) -> None:
        self.number, self.call, self.owner = number, call, owner
        self.code, self.record = call.code, call.record
        self.until_end = self.code == WAIT or self.waits()
        self.deadline_ms = deadline_ms
        self.sent = self.gone = False
        self.sequence = 0  # Of the message that carried it.
        self.packed: Optional[bytes] = None
        self.second: Optional[bytes] = None
        self.accepted: Optional[bytes] = None  # The id of the job that came of it.
        self.epoch = self.durability = 0  # Of the broker that has it, and as accepted.
        self.learning: Optional[errors.GangerError] = None

    def waits(self) -> bool:
        """A submission that waits for the job's end."""
        return self.code == SUBMIT and _SUBMIT["wait"] in self.record

    def pack(self) -> None:
        """Bytes for the wire; a large payload goes into a frame of its own."""
        record = self.record
        payload = record.get(3) if self.code == SUBMIT else None
        if payload is not None and len(payload) > INLINE_BYTES_MAX:
            self.second = payload
            record = {**record, 3: True}
        else:
            self.second = None
        self.packed = pack_command(self.code, self.number, record)

    def size(self) -> int:
        assert self.packed is not None
        return max(len(self.packed) + HEADER.size + 3, len(self.second or b""))


class Answer:
    """What came of a request. `error` or `record`; after `final` nothing more comes."""

    __slots__ = ("request", "code", "record", "error", "final")

    def __init__(self, request: Request, code: int, record: Record,
                 error: Optional[errors.GangerError], final: bool) -> None:
        self.request, self.code, self.record = request, code, record
        self.error, self.final = error, final

    def checked(self) -> Record:
        """Its record. Raises the error, and lets go of it: a traceback has the frames
        that hold the answer, and is part of the error."""
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None
        return self.record


class News:
    """The session has opened, or why it is not open."""

    __slots__ = ("opened", "why", "text")

    def __init__(self, opened: bool, why: str = "ok", text: str = "") -> None:
        self.opened, self.why, self.text = opened, why, text


class Session:
    """See the head of this file. The front end calls, in this order: receive() for what
    came, answers(), tick(), then next_message() until it gives None."""

    def __init__(self, *, name: str = "", host: str = "", program: str = "",
                 pid: int = 0, rng: Optional[random.Random] = None) -> None:
        self.state = DOWN
        self.met = False
        self.about: Record = {3: 1}
        for number, value in ((4, name), (5, host), (6, pid), (7, program)):
            if value:
                self.about[number] = value
        self.rng = rng or random.SystemRandom()
        self.requests: dict[int, Request] = {}
        self.queued: Deque[Request] = deque()
        self.in_flight = 0  # Sent in this session and not answered.
        self.deadlines: list[tuple[int, int]] = []
        self.control: list[bytes] = []  # Commands that nobody waits for.
        self.inbox: Deque[tuple[Any, Optional[bytes], int]] = deque()
        self.out: Deque[Answer | News] = deque()
        self.accepted: dict[bytes, tuple[int, int]] = {}  # By id: epoch, durability.
        self.next_number = 1
        self.number = self.sent_sequence = self.seen_sequence = self.dealt_sequence = 0
        self.peer_acked = 0  # Of ours, what the broker has dealt with.
        self.epoch = 0
        self.clock_ahead_ms = 0
        self.heartbeat_ms, self.dead_after_ms = 10000, 30000
        self.frame_bytes_max = self.payload_bytes_max = 1 << 40
        self.requests_max = 1000
        self.sent_ms = self.quiet_since_ms = self.greet_at_ms = 0
        self.ack_at_ms: Optional[int] = None
        self.resets = 0

    # ---- the link ----

    def link_up(self, now_ms: int) -> None:
        self._requeue()
        self.state = GREET
        self.quiet_since_ms = now_ms

    def link_down(self) -> None:
        self._requeue()
        self.state = DOWN

    def _requeue(self) -> None:
        """The session is over: all that is unanswered is put back in line."""
        self.inbox.clear()
        self.ack_at_ms = None
        self.in_flight = 0
        self.control.clear()
        self.number = 0
        again = sorted(self.requests.values(), key=lambda one: one.number)
        for request in again:
            if request.sent and request.code == SUBSCRIBE:  # What came meanwhile is gone.
                self.out.append(Answer(request, EVENT, {1: [{2: GAP}]}, None, False))
            taken = request.sent and request.sequence <= self.peer_acked
            request.sent = False
            if request.accepted is not None and request.code == SUBMIT:
                self._become_wait(request)
            elif taken and request.waits():
                request.epoch = request.epoch or self.epoch
            elif taken and request.code == WAIT and 5 not in request.record:
                # It did not answer "not found": that broker knew the job.
                request.record[5] = self.epoch
                request.packed = None
        self.queued = deque(again)

    def _become_wait(self, request: Request) -> None:
        assert request.accepted is not None
        request.code = WAIT
        request.record = {1: request.accepted, 6: True}
        if request.epoch:
            request.record[5] = request.epoch
        if request.durability:
            request.record[DURABILITY] = request.durability
        request.packed = None

    # ---- requests ----

    def ask(self, call: Call[Any], deadline_ms: Optional[int], owner: Any) -> Request:
        """Put a request in line; it ends at `deadline_ms`, if there is one. BadCall:
        65,536 are in flight. Payloads above the broker's limit are refused as answers."""
        if len(self.requests) >= IN_FLIGHT_MAX:
            raise errors.make("usage", f"{IN_FLIGHT_MAX} requests are in flight")
        request = Request(self.next_number, call, deadline_ms, owner)
        self.next_number += 1
        if request.code in _TARGETS and 1 in request.record and 5 not in request.record:
            known = self.accepted.get(request.record[1])
            if known is not None:
                request.record[5] = known[0]
                if known[1]:
                    request.record[DURABILITY] = known[1]
        self.requests[request.number] = request
        self.queued.append(request)
        if deadline_ms is not None:
            heapq.heappush(self.deadlines, (deadline_ms, request.number))
        return request

    def forget(self, request: Request) -> None:
        """Drop a request: nothing answers it any more. The job, if any, goes on."""
        if self.requests.get(request.number) is request:
            self._unwait(request)
            self._release(request)
            request.owner = None

    def _release(self, request: Request) -> None:
        del self.requests[request.number]
        request.gone = True
        if request.sent:
            self.in_flight -= 1

    def _unwait(self, request: Request) -> None:
        if request.sent and self.state == OPEN:
            if request.code == SUBSCRIBE:
                self.control.append(
                    pack_command(CODE["unsubscribe"], 0, {1: request.number})
                )
            elif request.until_end:
                self.control.append(pack_command(CODE["unwait"], 0, {1: request.number}))

    def _end(self, request: Request, error: errors.GangerError) -> None:
        self._unwait(request)
        self._release(request)
        if error.job is None and request.accepted is not None:
            error.job = Job({1: request.accepted, 32: request.epoch})
        self.out.append(Answer(request, ERROR, {}, error, True))

    def new_id(self, wall_ms: int) -> bytes:
        """A fresh id by the broker's clock."""
        return ids.new(wall_ms + self.clock_ahead_ms)

    # ---- what comes in ----

    def receive(self, frames: list[bytes], now_ms: int, wall_ms: int) -> bool:
        """A message came. False: this is no Ganger broker."""
        frame, second = frames[0], frames[1] if len(frames) == 2 else None
        header = read_header(frame)
        if header is None or len(frames) > 2:
            return False
        if header.session != self.number or self.number == 0:
            return True  # Late, from a session that is over.
        if header.kind in (WELCOME, RESET):
            self._on_greeting(header, frame, now_ms, wall_ms)
            return True
        if header.kind != BATCH:
            return False
        if self.state != OPEN or header.sequence <= self.seen_sequence:
            return True
        self.quiet_since_ms = now_ms
        self.peer_acked = max(self.peer_acked, header.acked)
        if header.sequence != self.seen_sequence + 1:
            self._greet_again(now_ms)  # Something was lost: begin anew.
            return True
        self.seen_sequence = header.sequence
        self.resets = 0
        return self._take(frame, second, header.version, header.flags, now_ms)

    def _take(self, frame: bytes, second: Optional[bytes], version: int, flags: int,
              now_ms: int) -> bool:
        if version != VERSION or flags & MUST_UNDERSTAND_FLAGS:
            return False
        try:
            body = _unpack(frame)
        except Invalid:
            return False
        sequence = self.seen_sequence
        last = len(body) - 1
        for place, entry in enumerate(body):
            self.inbox.append((entry, second, sequence if place == last else sequence - 1))
        if not body:
            self.dealt_sequence = sequence
        # A heartbeat is not acknowledged: two that did so would never stop.
        if any(type(one) is list and one and one[0] != HEARTBEAT for one in body):
            if self.ack_at_ms is None:
                self.ack_at_ms = now_ms + ACK_MS
        return True

    def _on_greeting(self, header: Header, frame: bytes, now_ms: int,
                     wall_ms: int) -> None:
        commands = list(read(frame))
        if len(commands) != 1 or not isinstance(commands[0], Command):
            return
        code, _, record = commands[0]
        kind = header.kind
        if kind == WELCOME and code == CODE["welcome"] and self.state == GREETED:
            self._on_welcome(record, header, now_ms, wall_ms)
        elif kind == RESET and code == CODE["reset"] and self.state in (GREETED, OPEN):
            self._on_reset(record, now_ms)

    def _on_welcome(self, welcome: Record, header: Header, now_ms: int,
                    wall_ms: int) -> None:
        self.frame_bytes_max = welcome[7]
        self.payload_bytes_max = welcome.get(8) or welcome[7]
        self.requests_max = welcome[11]
        self.heartbeat_ms, self.dead_after_ms = welcome[4], welcome[5]
        if welcome.get(12):
            self.clock_ahead_ms = welcome[12] - wall_ms
        self.epoch = welcome[2]
        self.peer_acked = header.acked
        self._lose_taken(welcome.get(13, 0) == NOT_DURABLE)
        self.seen_sequence = self.dealt_sequence = header.sequence
        self.quiet_since_ms = now_ms
        self.state, self.met = OPEN, True
        self.out.append(News(True))

    def _lose_taken(self, forgetful: bool) -> None:
        """What an earlier broker took into its memory only, and said nothing of, may have
        run there. It is not submitted again but asked for, and the answer is that it was
        lost."""
        for request in self.queued:
            taken = request.code == SUBMIT and request.epoch not in (0, self.epoch)
            asked = request.record.get(_SUBMIT["durability"], 0)
            if taken and (forgetful or asked == NOT_DURABLE):
                request.accepted, request.durability = request.record[1], asked
                self._become_wait(request)

    def _on_reset(self, reset: Record, now_ms: int) -> None:
        why = errors.make(reset.get(1, 0), reset.get(2, ""))
        if why.code in _PAUSES:
            self._pause(now_ms, reset.get(5, 0))
            self.out.append(News(False, why.code, why.text))
        else:
            self._greet_again(now_ms)

    def _greet_again(self, now_ms: int) -> None:
        """Hello again: at once for the first time, later where that does not help."""
        self._requeue()
        self.resets += 1
        if self.resets == 1:
            self.state = GREET
            return
        wait_ms = min(RESET_MS_MIN << min(self.resets - 2, 6), RESET_MS_MAX)
        self.state = PAUSED
        self.greet_at_ms = now_ms + wait_ms + self.rng.randrange(wait_ms // 4 + 1)

    def _pause(self, now_ms: int, wait_ms: int) -> None:
        self._requeue()
        self.state = PAUSED
        self.greet_at_ms = now_ms + max(wait_ms, PAUSE_MS)

    def answers(self, now_ms: int) -> Iterator[Answer | News]:
        """What has come, one by one; leave the loop at any time and come back."""
        while True:
            while self.out:
                yield self.out.popleft()
            if not self.inbox:
                return
            entry, second, sequence = self.inbox.popleft()
            number = self.number
            self._on_command(_command(entry, second), now_ms)
            if self.number == number and number:
                self.dealt_sequence = sequence

    def has_answers(self) -> bool:
        return bool(self.out or self.inbox)

    def _on_command(self, command: Command | Fault, now_ms: int) -> None:
        if isinstance(command, Command) and command.code == BYE:
            self._pause(now_ms, 0)
            self.out.append(News(False, "closing", command.record.get(1, "")))
            return
        request = self.requests.get(command.request)
        if request is None or not request.sent:
            return  # Forgotten here, or answered before.
        if isinstance(command, Fault):
            self._end(request, errors.make(command.error, f"an answer: {command.field}"))
        elif command.code == ERROR:
            self._on_error(request, command.record)
        elif command.code == JOB:
            self._on_job(request, command.record)
        else:
            last = _FIT.get((request.code, command.code))
            if last is not None:
                self._reply(request, command.code, command.record, last)

    def _reply(self, request: Request, code: int, record: Record, last: bool) -> None:
        if last:
            self._release(request)
        elif code == PARTIAL and request.code == WAIT:
            offset = record.get(3, 0) + len(record.get(4, b""))
            request.record[11] = offset  # A resend goes on from there.
            request.packed = None
        self.out.append(Answer(request, code, record, None, last))

    def _on_error(self, request: Request, record: Record) -> None:
        error = errors.make(record.get(1, 0), record.get(2, ""),
                            retry_ms=record.get(3, 0))
        if request.waits() and error.code in ("too_many", "no_memory"):
            # It may have been accepted and only the waiting refused: look.
            request.learning = error
            both = (_SUBMIT["wait"], _SUBMIT["end_only"])
            request.record = {n: v for n, v in request.record.items() if n not in both}
            request.packed, request.sent = None, False
            self.in_flight -= 1
            self.queued.append(request)
            return
        self._end(request, error)

    def _on_job(self, request: Request, record: Record) -> None:
        state = record[6]
        if request.code == SUBMIT and state != EVICTED:
            request.accepted = record[1]
            request.epoch = record.get(32) or self.epoch
            request.durability = record.get(7, 0)
            self._remember(record[1], request.epoch, request.durability)
            if 32 not in record:
                record[32] = request.epoch
        if request.until_end:
            if request.learning is not None and state not in TERMINAL:
                self._end(request, request.learning)
            else:
                self._reply(request, JOB, record, state in TERMINAL)
        elif request.code in _ONE_JOB:
            self._reply(request, JOB, record, True)

    def _remember(self, job_id: bytes, epoch: int, durability: int) -> None:
        self.accepted[job_id] = (epoch, durability)
        if len(self.accepted) > ACCEPTED_KEPT:
            del self.accepted[next(iter(self.accepted))]

    # ---- what time does ----

    def tick(self, now_ms: int, unreachable: str, text: str) -> None:
        """Time has passed: requests whose deadline is over end, with `unreachable` where
        no session is open and as timed_out where one is. Call it after what has come was
        read: a program that was stopped judges no one."""
        if self.state == PAUSED and now_ms >= self.greet_at_ms:
            self.state = GREET
        for _ in range(SWEPT_MAX):  # The others in the next turn, which is due at once.
            if not self.deadlines or self.deadlines[0][0] > now_ms:
                break
            request = self.requests.get(heapq.heappop(self.deadlines)[1])
            if request is None:
                continue
            if self.state == OPEN:
                waits = request.accepted is not None or request.code == WAIT
                sentence = "" if waits else "the broker did not answer in time"
                self._end(request, errors.make("timed_out", sentence))
            else:
                self._end(request, errors.make(unreachable, text))

    def _hello_end_ms(self) -> int:
        wait_ms = HELLO_MS
        if self.met:
            wait_ms = max(wait_ms, min(self.dead_after_ms, HELLO_AGAIN_MS))
        return self.sent_ms + wait_ms

    def is_dead(self, now_ms: int) -> bool:
        """The broker has been silent for too long: make a new connection."""
        if self.state == GREETED:
            return now_ms >= self._hello_end_ms()
        return (self.state == OPEN and bool(self.requests)
                and now_ms >= self.quiet_since_ms + self.dead_after_ms)

    def _heartbeat_at_ms(self) -> Optional[int]:
        if self.ack_at_ms is not None:
            return self.ack_at_ms
        return self.sent_ms + self.heartbeat_ms if self.requests else None

    def wake_ms(self) -> Optional[int]:
        """When tick() or next_message() has something to do at the latest; None: not
        before something else happens."""
        times = []
        for _ in range(SWEPT_MAX):  # One that is over may still wake us, in vain.
            if not self.deadlines or self.deadlines[0][1] in self.requests:
                break
            heapq.heappop(self.deadlines)
        if self.deadlines:
            times.append(self.deadlines[0][0])
        if self.state == PAUSED:
            times.append(self.greet_at_ms)
        if self.state == GREETED:
            times.append(self._hello_end_ms())
        if self.state == OPEN:
            beat_ms = self._heartbeat_at_ms()
            if beat_ms is not None:
                times.append(beat_ms)
            if self.requests:
                times.append(self.quiet_since_ms + self.dead_after_ms)
        return min(times, default=None)

    # ---- what goes out ----

    def has_output(self) -> bool:
        """Would next_message() give one now, heartbeats apart? May say yes in vain."""
        return self.state == GREET or (
            self.state == OPEN
            and bool(self.control or (self.queued and self.in_flight < self.requests_max))
        )

    def next_message(self, now_ms: int, wall_ms: int) -> Optional[list[bytes]]:
        """The next message as its frames, for the front end to send; None: nothing."""
        if self.state == GREET:
            return self._hello(now_ms, wall_ms)
        if self.state != OPEN:
            return None
        commands, second = self._batch(wall_ms)
        if not commands:
            beat_ms = self._heartbeat_at_ms()
            if beat_ms is None or now_ms < beat_ms:
                return None
            commands = [_HEARTBEAT]
        frame = self._frame(BATCH, commands, now_ms)
        return [frame] if second is None else [frame, second]

    def bye(self, now_ms: int) -> Optional[list[bytes]]:
        """A polite end, as a last message; None where there is no session."""
        if self.state != OPEN:
            return None
        return [self._frame(BATCH, [pack_command(BYE, 0, {})], now_ms)]

    def _frame(self, kind: int, commands: list[bytes], now_ms: int) -> bytes:
        self.sent_sequence += 1
        self.sent_ms = now_ms
        if self.ack_at_ms is not None:  # What is not dealt with is acknowledged later.
            dealt = self.dealt_sequence == self.seen_sequence
            self.ack_at_ms = None if dealt else now_ms + ACK_MS
        return write(kind, self.number, self.sent_sequence, self.dealt_sequence, commands)

    def _hello(self, now_ms: int, wall_ms: int) -> list[bytes]:
        self.number = self.rng.randrange(1, 1 << 64)
        self.sent_sequence = self.seen_sequence = self.dealt_sequence = 0
        self.peer_acked = 0
        hello: Record = {1: VERSION, 2: VERSION, **self.about, 13: wall_ms}
        if self.epoch:
            hello[11] = self.epoch
        self.state = GREETED
        return [self._frame(HELLO, [pack_command(CODE["hello"], 0, hello)], now_ms)]

    def _renew_ids(self, request: Request, wall_ms: int) -> None:
        """Ids that we made when there was no broker may be too old by now, or of a clock
        that is wrong. Once they have been sent they stay: they may be known."""
        unnamed = request.call.unnamed
        if not unnamed or request.sequence:
            return
        age_ms = wall_ms + self.clock_ahead_ms - ids.time_ms(unnamed[0][1])
        if abs(age_ms) > ID_AGE_MS:
            for record in unnamed:
                record[1] = self.new_id(wall_ms)
            request.packed = None

    def _batch(self, wall_ms: int) -> tuple[list[bytes], Optional[bytes]]:
        """As many commands as go into one message: a large payload ends it, and a list
        of submissions is alone in it."""
        commands, self.control = (
            self.control[:BATCH_COMMANDS], self.control[BATCH_COMMANDS:]
        )
        size = 0
        while self.queued and self.in_flight < self.requests_max:
            request = self.queued[0]
            if request.gone:
                self.queued.popleft()
                continue
            self._renew_ids(request, wall_ms)
            refusal = self._refusal(request)
            if refusal is not None:
                self.queued.popleft()
                self._end(request, refusal)
                continue
            assert request.packed is not None
            size += len(request.packed)
            if commands and (len(commands) >= BATCH_COMMANDS
                             or request.code == SUBMIT_MANY
                             or size > min(BATCH_BYTES, self.frame_bytes_max - 64)):
                break
            self.queued.popleft()
            request.sent = True
            request.sequence = self.sent_sequence + 1
            self.in_flight += 1
            commands.append(request.packed)
            if request.second is not None or request.code == SUBMIT_MANY:
                return commands, request.second
        return commands, None

    def _refusal(self, request: Request) -> Optional[errors.GangerError]:
        """Why a request can never be sent to this broker; ZeroMQ would cut a peer whose
        frame is too large without a word."""
        if request.call.payload_bytes > self.payload_bytes_max:
            return errors.make(
                "too_large", f"the payload has {request.call.payload_bytes} bytes; the "
                f"broker takes at most {self.payload_bytes_max}")
        if request.packed is None:
            request.pack()
        if request.size() > self.frame_bytes_max:
            return errors.make(
                "too_large", f"the request has {request.size()} bytes; the broker takes "
                f"at most {self.frame_bytes_max}")
        return None
