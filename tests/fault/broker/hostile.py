#!/usr/bin/python3
"""Hostile input against a real gangerd: mutated messages of every command, by the
hundred thousand. Each gets a named answer or costs its connection; a good client is
served all the while; the broker's memory stays where it was.

    hostile.py [SEED]    a failure prints the seed that repeats it
"""
import collections
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../integration/broker"))

import msgpack
import zmq

from wire import *  # The protocol's names.

SANITIZED = bool(os.environ.get("GG_SANITIZE"))
FRAMES = 15000 if SANITIZED else 100000
WARM_UP = 5000 if SANITIZED else 60000
GROWTH_KIB_MAX = 1024
BATCH = 16
ID = b"\x01" * 16
SUBMIT = {1: ID, 2: "q", 3: b"payload", 5: b"key", 15: [100, 200], 21: ["tag"]}
TARGET = {1: ID, 2: "default", 3: "q", 4: b"key", 8: 1000}
SCOPE = {1: "default", 2: "*", 4: "why", 9: 10}
HELD = {1: ID, 2: 77, 3: 1}
POOL = {1: 1, 2: 4, 3: ["q*"]}

# One of each, as a good peer would send it: (kinds of peer, code, record).
RECORDED = [
    ((CLIENT, AGENT), C_HEARTBEAT, {1: [POOL], 2: [77, 78]}),
    ((CLIENT,), 16, SUBMIT),
    ((CLIENT,), 17, {1: [SUBMIT, {**SUBMIT, 1: b"\x02" * 16}]}),
    *[((CLIENT,), code, TARGET) for code in (18, 19, 20, 21, 23, 24)],
    ((CLIENT,), 22, {1: "default", 2: "q*", 9: 10}),
    *[((CLIENT,), code, SCOPE) for code in (25, 26, 27, 28, 29)],
    ((CLIENT,), 30, {}),
    ((CLIENT,), 31, {}),
    ((CLIENT,), 32, {1: "default", 2: "*"}),
    ((CLIENT,), 33, {1: 5}),
    ((CLIENT,), 34, {1: 5}),
    ((AGENT,), 72, {1: ID, 2: 77}),
    ((AGENT,), 73, {1: ID, 2: 77, 3: 500000, 4: "half"}),
    ((AGENT,), 74, {1: ID, 2: 77, 4: b"output"}),
    ((AGENT,), 75, {1: ID, 2: 77, 3: b"state"}),
    ((AGENT,), 76, {1: ID, 2: 77, 3: 1, 4: b"result"}),
    ((CLIENT, AGENT), C_HELLO, {1: 1, 2: 1, 3: 1, 4: "n", 9: [POOL], 10: [HELD]}),
    ((CLIENT, AGENT), 48, {1: ID, 6: 5}),
]
BOMBS = [
    b"\xdf\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\x91" * 5000,
    b"\xdd\x00\x00\x00\x01" * 150,
    b"\xc6\xff\xff\xff\xff",
    b"\xdc\xff\xff" + b"\xc0" * 65535,
    b"\x91\x93\x10\x01\x81\x40\x01",
    b"",
]
VALUES = [0, -1, 1, 2**63, 2**64 - 1, 1.5, None, True, "", b"", [], {}, "\x1b[2J", "../x",
          "%n%s", "*", b"\0" * 300, "ü" * 40, [[[[[[[[[[1]]]]]]]]]]]


def mutate_record(rng, record):
    """Wrong types, absent and unknown fields, out of bounds, in one or two places."""
    record = dict(record)
    for _ in range(rng.randint(1, 2)):
        field = rng.choice([*record, rng.randint(0, 130)]) if record else rng.randint(0, 130)
        if rng.random() < 0.3:
            record.pop(field, None)
        else:
            record[field] = rng.choice(VALUES)
    return record


def mutate_bytes(rng, data):
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(4)
        at = rng.randrange(len(data) + 1)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 9))
        elif data:
            data[at % len(data)] = rng.choice((0, 0x7F, 0x80, 0xC1, 0xDF, 0xFF))
    return bytes(data)


class Attacker:
    """A connection that says hello again whenever it was thrown out."""

    def __init__(self, broker, kind, number):
        self.broker, self.kind, self.number = broker, kind, number
        self.peer = None
        self.answers = {}
        self.broken = False
        self.connect()

    def connect(self):
        if self.peer is not None:
            self.peer.close()
        endpoint = self.broker.client if self.kind == CLIENT else self.broker.agent
        self.peer = Peer(endpoint)
        self.greet()

    def greet(self):
        peer = self.peer
        peer.session = random.getrandbits(63) | 1
        peer.sequence, peer.heard = 1, 0
        fields = {1: 1, 2: 1, 3: self.kind}
        if self.kind == AGENT:
            fields.update({4: f"evil{self.number}", 8: time.time_ns(), 9: [POOL]})
        peer.raw(peer.frame(HELLO, [[C_HELLO, 0, fields]], sequence=1, acked=0))

    def message(self, rng):
        """One mutated message, as frames; `broken` if the session cannot survive it."""
        peer = self.peer
        self.broken = False
        fit = [r for r in RECORDED if self.kind in r[0]]
        kinds, code, record = rng.choice(fit if rng.random() < 0.9 else RECORDED)
        how = rng.random()
        header = {"sequence": peer.sequence + 1}
        if how < 0.45:
            body = msgpack.packb([[code, rng.randint(0, 9), mutate_record(rng, record)]])
        elif how < 0.8:
            body = mutate_bytes(rng, msgpack.packb([[code, 1, record]]))
        elif how < 0.85:
            body = rng.choice(BOMBS)
        elif how < 0.87:
            frame = mutate_bytes(rng, peer.frame(COMMANDS, [[code, 1, record]], **header))
            self.broken = True
            return [frame]
        elif how < 0.89:
            name = rng.choice(("version", "magic", "flags", "session", "sequence", "acked"))
            header[name] = rng.choice((0, 1, 255))
            self.broken = True
            body = msgpack.packb([[code, 1, record]])
        elif how < 0.9:
            self.broken = True
            return [rng.randbytes(rng.randint(0, 80))]
        else:
            body = msgpack.packb([[rng.choice((0, 77, 126, 127, 128, 1 << 40)), 1, record]])
        peer.sequence += 1
        frames = [peer.frame(COMMANDS, body, sequence=header.get("sequence"), **{
            k: v for k, v in header.items() if k != "sequence"})]
        if rng.random() < 0.05:
            frames.append(rng.randbytes(rng.randint(0, 100)))
        return frames

    def attack(self, rng, count):
        for _ in range(count):
            try:
                self.peer.socket.send_multipart(self.message(rng), zmq.DONTWAIT)
            except zmq.Again:
                break
            if self.broken:
                self.greet()
        self.read()

    def read(self):
        """Take what was answered; a reset means hello again."""
        reset = False
        while self.peer.socket.poll(0):
            frames = self.peer.socket.recv_multipart()
            _, _, kind, _, _, session, sequence, _ = HEADER.unpack(frames[0][:32])
            reset = reset or kind == RESET and session == self.peer.session
            if session == self.peer.session and kind != RESET:
                self.peer.heard = sequence
            for code, _, fields in msgpack.unpackb(frames[0][32:], strict_map_key=False):
                error = fields.get(1) if code in (C_ERROR, C_RESET) else 0
                self.answers[error] = self.answers.get(error, 0) + 1
        if reset:
            self.greet()


def assault(rng, attackers, good, frames):
    sent = 0
    while sent < frames:
        attacker = rng.choice(attackers)
        attacker.attack(rng, BATCH)
        sent += BATCH
        if rng.random() < 0.002:
            attacker.connect()
        if rng.random() < 0.05:
            begun = time.monotonic()
            good.send((C_HEARTBEAT, sent, {}))
            good.command(C_HEARTBEAT, sent)
            assert time.monotonic() - begun < 5, "a good client waits"


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    random.seed(seed)
    small = ("jobs_max=200", "queues_max=20", "realms_max=5", "id_window_ms=1s",
             "keep_keyed_ms=1s", "keep_unkeyed_ms=1s", "keep_failed_ms=1s",
             "gone_grace_ms=100ms", "subscriptions_max=16", "agents_max=16")
    with Broker(*[part for each in small for part in ("--set", each)]) as broker:
        attackers = [Attacker(broker, 1 + i % 2, i) for i in range(8)]
        with Peer(broker.client) as good:
            assert good.hello()[0] == WELCOME
            assault(rng, attackers, good, WARM_UP)
            before = broker.rss_kib()
            assault(rng, attackers, good, FRAMES)
            grown = broker.rss_kib() - before
            refused = stat(good, "refused_total", 1)
        answers = {}
        for attacker in attackers:
            for error, count in attacker.answers.items():
                answers[error] = answers.get(error, 0) + count
            attacker.peer.close()
        print(f"answers by error {answers}, refused {refused}, grown {grown} KiB")
        assert broker.alive(), broker.lines[-20:]
        assert refused > FRAMES / 4, "too little of it was refused"
        kinds = collections.Counter(" ".join(l.split()[:2]) for l in broker.lines)
        del kinds["info event=audit"]  # What an operator does is always written.
        assert kinds.total() < 1000, f"the log is not limited: {kinds.most_common(9)}"
        assert SANITIZED or grown <= GROWTH_KIB_MAX, f"memory grew by {grown} KiB"
        assert broker.stop() == 0, broker.lines[-20:]


if __name__ == "__main__":
    main()
