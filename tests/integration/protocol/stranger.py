#!/usr/bin/env python3
"""A client of Ganger from common/PROTOCOL.md alone: pyzmq, msgpack, and nothing of ours.

    stranger.py ENDPOINT QUEUE PAYLOAD    submit, send again, wait, acknowledge
"""
import os
import secrets
import struct
import sys
import time

import msgpack
import zmq

HEADER = struct.Struct(">HBBHHQQQ")
HELLO, WELCOME, RESET, COMMANDS = 1, 2, 3, 4  # Types of messages.
BYE, HEARTBEAT, ERROR, SUBMIT, GET, WAIT, JOB = 4, 5, 6, 16, 18, 19, 48
CLIENT = 1
SUCCEEDED = 5
PATIENCE_MS = 60000


class Refused(Exception):
    """An error record: 1 number, 2 sentence, 3 retry_ms, 4 object."""


class Session:
    """One session: sequence numbers, acknowledgements, heartbeats."""

    def __init__(self, endpoint, hello):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IMMEDIATE, 1)
        self.socket.setsockopt(zmq.LINGER, 1000)
        self.socket.setsockopt(zmq.SNDTIMEO, PATIENCE_MS)
        self.socket.connect(endpoint)
        self.number = secrets.randbelow(2**64 - 1) + 1
        self.sent = self.heard = self.asked = 0
        self.waiting = []  # Commands received and not yet looked at.
        self.send([[1, 0, {1: 1, 2: 1, **hello}]], kind=HELLO)
        self.heartbeat_ms = 1000
        code, _, self.welcome = self.receive()
        if code != 2:
            raise Refused(self.welcome)
        self.heartbeat_ms = self.welcome[4]

    def send(self, commands, kind=COMMANDS):
        self.sent += 1
        header = HEADER.pack(0x4747, 1, kind, 0, 0, self.number, self.sent, self.heard)
        self.socket.send(header + msgpack.packb(commands))

    def heartbeat(self):
        self.send([[HEARTBEAT, 0, {}]])

    def receive(self, blobs=(3, 4, 6, 21)):
        """The next command as [code, request, record]; a heartbeat goes out in between.
        Fields 3, 4, 6 and 21 are BLOBs in some record: true is the second frame."""
        until = time.monotonic() + PATIENCE_MS / 1000
        while not self.waiting:
            while not self.socket.poll(self.heartbeat_ms):
                if time.monotonic() > until:
                    raise TimeoutError("the broker does not answer")
                if self.sent > 1:
                    self.heartbeat()
            frame, *second = self.socket.recv_multipart()
            magic, version, kind, _, _, number, sequence, _ = HEADER.unpack_from(frame)
            commands = msgpack.unpackb(frame[HEADER.size :], strict_map_key=False)
            if (magic, version, number) != (0x4747, 1, self.number):
                continue
            if kind == RESET:
                raise Refused(commands[0][2])
            assert sequence == self.heard + 1, "a message is missing"
            self.heard = sequence
            for code, request, record in commands:
                if second and code in (JOB, 64):
                    record = {
                        n: second[0] if n in blobs and v is True else v
                        for n, v in record.items()
                    }
                self.waiting.append([code, request, record])
        return self.waiting.pop(0)

    def ask(self, code, record):
        """Send a request and wait for its answer."""
        self.asked += 1
        self.send([[code, self.asked, record]])
        while True:
            answer, request, record = self.receive()
            if request == self.asked and answer == ERROR:
                raise Refused(record)
            if request == self.asked and answer != HEARTBEAT:
                return record

    def bye(self):
        self.send([[BYE, 0, {}]])
        self.socket.close()

    def new_id(self):
        """48 bits of milliseconds by the broker's clock, then 80 random bits."""
        return self.welcome[12].to_bytes(6, "big") + os.urandom(10)


def main(argv):
    endpoint, queue, payload = argv[1:]
    session = Session(endpoint, {3: CLIENT, 7: "stranger"})
    job = session.new_id()
    submission = {1: job, 2: queue, 3: payload.encode()}
    first = session.ask(SUBMIT, submission)
    again = session.ask(SUBMIT, submission)
    assert first[1] == again[1] == job, "a resend made another job"
    ended = session.ask(WAIT, {1: job, 5: first[32]})
    assert ended[1] == job and ended[6] == SUCCEEDED, ended
    session.heartbeat()  # Its header acknowledges the result.
    session.bye()
    sys.stdout.write(ended.get(21, b"").decode())


if __name__ == "__main__":
    main(sys.argv)
