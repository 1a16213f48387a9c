"""The protocol by hand (pyzmq and msgpack), and a real gangerd: for the broker's tests.

Numbers are those of PROTOCOL.md. Nothing here sleeps: it waits for answers, with a limit.
"""
import os
import re
import secrets
import signal
import struct
import subprocess
import threading
import time

import msgpack
import zmq

HELLO, WELCOME, RESET, COMMANDS = 1, 2, 3, 4
C_HELLO, C_WELCOME, C_RESET, C_BYE, C_HEARTBEAT, C_ERROR, C_DONE = range(1, 8)
C_SUBMIT, C_GET, C_CANCEL, C_GET_STATS, C_GET_BROKER = 16, 18, 20, 30, 31
C_JOB, C_STATS, C_BROKER = 48, 55, 56
C_ASSIGN, C_STOP, C_CONFIRM, C_STARTED, C_OUTCOME = 64, 65, 66, 72, 76
CLIENT, AGENT = 1, 2
E_BAD_MESSAGE, E_VERSION, E_NO_SESSION, E_NOT_ALLOWED = 10, 15, 17, 19
LIMIT_MS = 10000
HEADER = struct.Struct(">HBBHHQQQ")


def gangerd():
    return os.path.join(os.environ["GG_BIN_DIR"], "gangerd")


class Broker:
    """A gangerd of our own on kernel-chosen ports; its log lines as they come."""

    def __init__(self, *args, listen="tcp://127.0.0.1:0"):
        where = [] if "--data" in args else ["--volatile"]
        command = [gangerd(), *where, "--listen", listen, *args]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            ready = self.wait_for_line("event=ready")
        except AssertionError:
            self.__exit__()
            raise
        self.client = re.search(r"client=(\S+)", ready)[1]
        self.agent = re.search(r"agent=(\S+)", ready)[1]

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append("(end)")
            self.changed.notify_all()

    def wait_for_line(self, part, after=0, limit_s=20):
        """The first line from number `after` on that holds `part`."""

        def found():
            return [l for l in self.lines[after:] if part in l or l == "(end)"]

        with self.changed:
            if not self.changed.wait_for(found, limit_s):
                raise AssertionError(f"no line with {part!r} in {self.lines}")
            line = found()[0]
            if line == "(end)":
                raise AssertionError(f"ended without {part!r}: {self.lines}")
            return line

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    def alive(self):
        return self.process.poll() is None

    def stop(self, how=signal.SIGTERM):
        if self.alive():
            self.process.send_signal(how)
        code = self.process.wait(20)
        self.reader.join(20)
        self.process.stderr.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.alive():
            self.process.kill()
        self.stop()


class Peer:
    """One DEALER and its session."""

    def __init__(self, endpoint, keys=None, routing_id=None):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        if keys is not None:
            server_public, public, secret = keys
            self.socket.curve_serverkey = server_public
            self.socket.curve_publickey = public
            self.socket.curve_secretkey = secret
        if routing_id is not None:
            self.socket.routing_id = routing_id
        self.socket.connect(endpoint)
        self.session = 0
        self.sequence = 0
        self.heard = 0
        self.pending = []
        self.monitor = None

    def close(self):
        if self.monitor is not None:
            self.socket.disable_monitor()
            self.monitor.close()
        self.socket.close()

    def watch(self):
        """From now on the end of the connection can be waited for."""
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)

    def cut_off(self, limit_ms=LIMIT_MS):
        """Has the connection ended since watch()?"""
        return self.monitor.poll(limit_ms) != 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- sending ----

    def frame(self, kind, commands, **header):
        """A message with everything as it should be, except what `header` says."""
        values = {
            "magic": 0x4747,
            "version": 1,
            "flags": 0,
            "session": self.session,
            "sequence": self.sequence + 1,
            "acked": self.heard,
            **header,
        }
        body = commands if isinstance(commands, bytes) else msgpack.packb(commands)
        return (
            HEADER.pack(
                values["magic"],
                values["version"],
                kind,
                values["flags"],
                0,
                values["session"],
                values["sequence"],
                values["acked"],
            )
            + body
        )

    def send(self, *commands, attachment=None):
        """Commands in the session: (code, request, fields)."""
        frames = [self.frame(COMMANDS, [list(c) for c in commands])]
        if attachment is not None:
            frames.append(attachment)
        self.sequence += 1
        self.socket.send_multipart(frames)

    def raw(self, *frames):
        self.socket.send_multipart(list(frames))

    def hello(self, kind=CLIENT, **extra):
        """Begin a session; returns the first message that answers."""
        self.session = secrets.randbits(63) | 1
        self.sequence = 0
        self.heard = 0
        self.pending = []
        fields = {1: 1, 2: 1, 3: kind, **{int(k[1:]): v for k, v in extra.items()}}
        self.raw(self.frame(HELLO, [[C_HELLO, 0, fields]]))
        self.sequence = 1
        return self.message()

    def agent(self, name, queue, slots=1):
        pools = [{1: 1, 2: slots, 3: [queue]}]
        return self.hello(AGENT, f4=name, f8=time.time_ns(), f9=pools)

    # ---- receiving ----

    def message(self, limit_ms=LIMIT_MS):
        """The next message: (type, commands, attachment)."""
        if not self.socket.poll(limit_ms):
            raise AssertionError("no answer")
        frames = self.socket.recv_multipart()
        magic, version, kind, _, _, session, sequence, acked = HEADER.unpack(
            frames[0][: HEADER.size]
        )
        assert (magic, version) == (0x4747, 1)
        if kind != RESET:
            assert session == self.session
            assert sequence == self.heard + 1, (sequence, self.heard)
            assert acked <= self.sequence
            self.heard = sequence
        commands = msgpack.unpackb(frames[0][HEADER.size :], strict_map_key=False)
        return kind, commands, frames[1] if len(frames) > 1 else None

    def command(self, code, request=None, limit_ms=LIMIT_MS):
        """The fields of the next command of that code; others are kept for later."""
        end = time.monotonic() + limit_ms / 1000
        while True:
            for i, (got, answered, fields) in enumerate(self.pending):
                if got == code and request in (None, answered):
                    del self.pending[i]
                    return fields
            left_ms = int((end - time.monotonic()) * 1000)
            kind, commands, attachment = self.message(max(left_ms, 1))
            if kind == RESET:
                raise AssertionError(f"reset: {commands}")
            for got, answered, fields in commands:
                self.pending.append(
                    (
                        got,
                        answered,
                        {k: attachment if v is True and k in (6, 21) else v
                         for k, v in fields.items()},
                    )
                )

    def submit(self, queue, payload=b"", request=1, **extra):
        """Submit and return the id."""
        job = struct.pack(">Q", int(time.time() * 1000))[2:] + secrets.token_bytes(10)
        fields = {1: job, 2: queue, 3: payload}
        fields.update({int(k[1:]): v for k, v in extra.items()})
        self.send((C_SUBMIT, request, fields))
        return job


def stat(peer, name, request=900):
    """One of the broker's figures, summed over its labels."""
    peer.send((C_GET_STATS, request, {}))
    stats = peer.command(C_STATS, request)[1]
    return sum(row.get(2, 0) for row in stats if row[1] == name)
