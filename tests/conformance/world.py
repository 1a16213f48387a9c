"""The processes of a scenario: a broker, the driver under test, workers. GG_BIN_DIR says
where the programs are. Nothing here sleeps: it waits for a line or for an end."""
import itertools
import json
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading

from relay import Relay

PATIENCE_S = float(os.environ.get("GG_PATIENCE_S", 30))
COUNT = itertools.count(1)


def program(name):
    return os.path.join(os.environ["GG_BIN_DIR"], name)


def expect(true, *what):
    if not true:
        raise AssertionError(" ".join(str(part) for part in what))


class Process:
    """A process whose lines come one by one; standard error is kept for the report."""

    def __init__(self, command, talk="stdout", env=None):
        pipe = {talk: subprocess.PIPE}
        if talk == "stdout":
            pipe["stdin"] = subprocess.PIPE
        else:
            pipe["stdin"] = subprocess.DEVNULL
        self.process = subprocess.Popen(command, text=True, env=env, **pipe)
        self.lines = queue.Queue()
        self.reader = threading.Thread(
            target=self._read, args=(getattr(self.process, talk),), daemon=True
        )
        self.reader.start()

    def _read(self, stream):
        for line in stream:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)
        stream.close()

    def line(self, limit_s=PATIENCE_S):
        try:
            line = self.lines.get(timeout=limit_s)
        except queue.Empty:
            line = None
        expect(line is not None, self.process.args, "said nothing more, or ended:",
               self.process.poll())
        return line

    def wait_for(self, pattern):
        while True:
            found = re.search(pattern, self.line())
            if found:
                return found

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self, how="terminate"):
        """Its exit status."""
        if self.process.poll() is None:
            getattr(self.process, how)()
        if self.process.stdin is not None and how == "poll":
            self.process.stdin.close()
        status = self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        return status


class World:
    """One scenario's processes; use it with `with`."""

    def __init__(self, tables, driver, worker_driver, settings=()):
        self.driver_command, self.worker_command = driver, worker_driver
        self.settings = settings
        self.folder = tempfile.mkdtemp(prefix="ganger-conformance-")
        self.broker = self.driver = None
        self.workers = {}
        self.endpoints = {}
        self.relays = {kind: Relay(tables, self) for kind in ("client", "agent")}
        for relay in self.relays.values():
            relay.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.driver is not None:
            self.driver.end("kill")
        for worker in self.workers.values():
            worker.end("kill")
        if self.broker is not None:
            self.broker.end("kill")
        for relay in self.relays.values():
            relay.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the broker ----

    def start_broker(self, within=None):
        told = [f"{kind}_address={relay.endpoint}" for kind, relay in self.relays.items()]
        settings = [word for one in (*told, *self.settings) for word in ("--set", one)]
        self.broker = Process(
            [program("gangerd"), "--volatile", "--listen", "tcp://127.0.0.1:0", *settings],
            talk="stderr",
        )
        ready = self.broker.wait_for(r"event=ready .*client=(\S+) agent=(\S+)")
        self.endpoints = {"client": ready[1], "agent": ready[2]}
        for kind, relay in self.relays.items():
            tell = relay.obey if relay is within else relay.order
            tell("target", self.endpoints[kind])
            tell("up")

    def kill_broker(self, within=None):
        for relay in self.relays.values():
            (relay.obey if relay is within else relay.order)("down")
        self.broker.end("kill")
        self.broker = None

    def restart_broker(self, within=None):
        self.kill_broker(within)
        self.start_broker(within)

    # ---- driver and workers ----

    def start_driver(self):
        self.driver = Process([*self.driver_command, "client"])

    def ask(self, request):
        self.driver.say(json.dumps(request))
        return json.loads(self.driver.line())

    def start_worker(self, name, prefix):
        """Returns when the broker has welcomed it."""
        endpoint = self.relays["agent"].endpoint
        own = f"{name}-{os.getpid()}-{next(COUNT)}"  # A host has each name once.
        worker = Process([*self.worker_command, "worker", endpoint, own, prefix])
        self.workers[name] = worker
        worker.wait_for("^ready$")

    def stop_worker(self, name, how="terminate"):
        return self.workers.pop(name).end(how)
