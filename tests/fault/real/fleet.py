"""A broker, agents, clients and the jobs' own ledger: real processes for the fault tests.

What a job did is told by the job alone: each writes its start and its end as one line to
a file opened for appending, and the tests write there what they do to the fleet (kill,
pause). The order of the lines is the order of what happened. Nothing here sleeps: it
waits for a line, an answer or the end of a process, each with a limit.
"""
import collections
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../integration/broker"))

from wire import *  # The protocol by hand.

C_WAIT, C_HISTORY, C_PAUSE, C_RESUME, C_SUBSCRIBE = 19, 23, 26, 27, 32
C_LIST_WORKERS, C_CANCELLED, C_MOMENTS, C_WORKERS, C_EVENT = 29, 50, 51, 54, 57
SCHEDULED, READY, RUNNING, SUCCEEDED, FAILED, CANCELLED = 1, 3, 4, 5, 6, 7
EVICTED = 9
(M_ACCEPTED, M_READY, M_ASSIGNED, M_STARTED, M_OUTCOME, M_LEASE_LOST, M_RETRY, M_CANCEL,
 M_RETRIED, M_ENDED, M_EVICTED) = range(1, 12)
E_NOT_FOUND, E_STALE, E_LOST_WITH_BROKER = 1, 18, 22
E_FAILED, E_CRASHED, E_RUN_TIMEOUT, E_LEASE_LOST, E_CANCELLED = 28, 30, 31, 32, 35
SANITIZED = bool(os.environ.get("GG_SANITIZE"))
LIMIT_S = 60
KEEP_MS = 600000
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def rounds(default):
    """How often: GG_ROUNDS, or the short figure of the suite."""
    return int(os.environ.get("GG_ROUNDS", default))


def program(name):
    return os.path.join(os.environ["GG_BIN_DIR"], name)


def id_text(job):
    """An id as people write it."""
    number = int.from_bytes(job, "big")
    return "".join(ALPHABET[(number >> shift) & 31] for shift in range(125, -5, -5))


def expect(true, *what):
    if not true:
        raise AssertionError(" ".join(str(part) for part in what))


# ---- processes ----


def state_of(pid):
    """The state letter and the parent of a process, or None when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat_file:
            fields = stat_file.read().rpartition(")")[2].split()
            return fields[0], int(fields[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def lives(pid):
    state = state_of(pid)
    return state is not None and state[0] not in "ZX"


def marked(mark):
    """Living processes with that word in their command line."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as line:
                words = line.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if mark.encode() in words and lives(int(name)):
            found.append(int(name))
    return found


def children_of(pid):
    found = []
    for name in os.listdir("/proc"):
        state = state_of(int(name)) if name.isdigit() else None
        if state is not None and state[1] == pid:
            found += [int(name), *children_of(int(name))]
    return found


def wait_gone(pids, limit_s=LIMIT_S):
    """Wait for the end of processes that are not ours; returns who is left."""
    end = time.monotonic() + limit_s
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        select.select([fd], [], [], max(end - time.monotonic(), 0))
        os.close(fd)
    return [pid for pid in pids if lives(pid)]


def cpu_s(pid):
    """CPU time of all threads of a process, to the nanosecond."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as figures:
            total += int(figures.read().split()[0])
    return total / 1e9


class Program:
    """A process of ours; its lines of standard error as they come."""

    def __init__(self, *command, **more):
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True,
                                        stdin=subprocess.DEVNULL, **more)
        self.pid = self.process.pid
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def wait_for_line(self, part, after=0, limit_s=LIMIT_S):
        def found():
            return [line for line in self.lines[after:] if part in line]

        with self.changed:
            expect(self.changed.wait_for(found, limit_s), "no", repr(part), "in",
                   self.lines)
            return found()[0]

    def halt(self):
        """SIGSTOP; returns when it has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self, how=signal.SIGTERM, limit_s=LIMIT_S):
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.send_signal(signal.SIGCONT)
        return self.wait(limit_s)

    def wait(self, limit_s=LIMIT_S):
        code = self.process.wait(limit_s)
        self.reader.join(limit_s)
        self.process.stderr.close()
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT_S)


# ---- the ledger ----

Row = collections.namedtuple("Row", "what job attempt fence pid more")
ROW = re.compile(r"([a-z]+) (\S+) (\d+) (\d+) (\d+) (.*)")


class Ledger:
    """What the jobs did, by their own word, and what the test did to them, in order."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "ledger")
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.seen = []
        self.offset = 0
        libc = ctypes.CDLL(None, use_errno=True)
        self.watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        expect(self.watch >= 0, "inotify_init1 failed")
        in_modify = 2
        expect(libc.inotify_add_watch(self.watch, self.path.encode(), in_modify) >= 0,
               "inotify_add_watch failed")

    def note(self, what, more="-"):
        os.write(self.file, f"{what} - 0 0 0 {more}\n".encode())

    def rows(self, job=None):
        """All lines so far, or those of one job and of the test."""
        data = os.pread(self.file, 1 << 26, self.offset)
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.decode().splitlines():
            # A job killed as it writes may leave a part of its line, before another's.
            what, id_, attempt, fence, pid, more = ROW.search(line).groups()
            self.seen.append(Row(what, id_, int(attempt), int(fence), int(pid), more))
        if job is None:
            return self.seen
        return [row for row in self.seen if row.job in (id_text(job), "-")]

    def of(self, job, what):
        return [row for row in self.rows(job) if row.what == what]

    def wait(self, found, limit_s=LIMIT_S):
        """Wait until `found()` is true of the lines; returns what it returned."""
        end = time.monotonic() + limit_s
        while True:
            result = found()
            if result:
                return result
            left = end - time.monotonic()
            expect(left > 0, "the ledger says only", self.rows()[-20:])
            select.select([self.watch], [], [], left)
            try:
                os.read(self.watch, 65536)
            except BlockingIOError:
                pass

    def started(self, job, attempt=1):
        """The line of that attempt's start, once it is there."""
        return self.wait(lambda: [row for row in self.of(job, "start")
                                  if row.attempt == attempt])[0]

    def close(self):
        os.close(self.file)
        os.close(self.watch)


# ---- clients ----


class Refused(AssertionError):
    def __init__(self, fields):
        super().__init__(f"refused: {fields}")
        self.error = fields.get(1)


class Client(Peer):
    """A client by hand, with a session, that asks one thing at a time."""

    def __init__(self, endpoint):
        super().__init__(endpoint)
        self.requests = 0
        kind, commands, _ = self.hello()
        expect(kind == WELCOME, "no welcome but", commands)
        self.beat_ms = commands[0][2][4]

    def answer(self, request, *codes, limit_s=LIMIT_S):
        """The next answer to `request`: its fields. An error raises Refused."""
        end = time.monotonic() + limit_s
        while True:
            for i, (code, asked, fields) in enumerate(self.pending):
                if asked == request and code in (*codes, C_ERROR):
                    del self.pending[i]
                    if code == C_ERROR:
                        raise Refused(fields)
                    return fields
            self.take(max(int((end - time.monotonic()) * 1000), 1))

    def take(self, limit_ms):
        """Receive one message; a heartbeat now and then says that we still wait."""
        while limit_ms > self.beat_ms and not self.socket.poll(self.beat_ms):
            limit_ms -= self.beat_ms
            self.send((C_HEARTBEAT, 0, {}))
        kind, commands, attachment = self.message(limit_ms)
        expect(kind != RESET, "reset:", commands)
        for code, asked, fields in commands:
            self.pending.append((code, asked, {
                k: attachment if v is True and k == 21 else v for k, v in fields.items()
            }))

    def begin(self, code, fields):
        self.requests += 1
        self.send((code, self.requests, fields))
        return self.requests

    def ask(self, code, answers, fields):
        return self.answer(self.begin(code, fields), answers)

    def put(self, queue, payload, wait=False, **extra):
        """Submit: the id, once the broker has accepted it. `wait`: also the request
        that the end comes under."""
        self.requests += 1
        extra = {"f16": KEEP_MS, **extra, **({"f20": True} if wait else {})}
        job = self.submit(queue, payload.encode(), request=self.requests, **extra)
        accepted = self.answer(self.requests, C_JOB)
        expect(accepted[1] == job or accepted.get(5), "another id", accepted)
        if wait and accepted[6] >= SUCCEEDED:
            self.pending.append((C_JOB, self.requests, accepted))
        return (accepted[1], self.requests) if wait else accepted[1]

    def get(self, job, result=True):
        return self.ask(C_GET, C_JOB, {1: job, 6: result})

    def end_of(self, job, limit_s=LIMIT_S):
        return self.answer(self.begin(C_WAIT, {1: job, 6: True}), C_JOB, limit_s=limit_s)

    def until(self, true, limit_s=LIMIT_S):
        """Ask again and again, a moment apart, until `true()`."""
        end = time.monotonic() + limit_s
        while not true():
            expect(time.monotonic() < end, "it never became true")
            self.socket.poll(5)

    def agents_up(self):
        workers = self.ask(C_LIST_WORKERS, C_WORKERS, {1: "default", 2: "*"}).get(1, [])
        return sum(worker.get(5) == 1 for worker in workers)

    def history(self, job):
        """Rows of fields: 1 at, 2 kind, 3 state, 4 attempt, 5 fence, 6 worker, 7 error."""
        return self.ask(C_HISTORY, C_MOMENTS, {1: job}).get(1, [])

    def moments(self, job, kind):
        return [moment for moment in self.history(job) if moment[2] == kind]


# ---- the fleet ----


class Fleet:
    """A broker with its agents and clients, a folder and a ledger; ends them all."""

    def __init__(self, *args, **settings):
        self.folder = tempfile.mkdtemp(prefix="ganger-fault-")
        self.ledger = Ledger(self.folder)
        self.agents = []
        self.programs = []
        self.clients = []
        sets = [part for name, value in settings.items()
                for part in ("--set", f"{name}={value}")]
        self.broker = Broker(*args, *sets)

    def start_agent(self, name, queue, slots=1, args=(), endpoint=None):
        """An agent whose jobs run their payload as a script and keep the ledger. A name
        is one agent's on a host, whatever its broker: ours end in our process's id."""
        name = f"{name}-{os.getpid()}"
        agent = Program(program("ganger-worker"), "--broker",
                        endpoint or self.broker.agent, "--name", name, "--queue", queue,
                        "--slots", str(slots), *args, "--", "sh",
                        os.path.join(HERE, "job.sh"), self.folder)
        agent.name = name
        self.agents.append(agent)
        agent.wait_for_line("event=connected")
        return agent

    def start(self, *command, **more):
        """Any other program."""
        self.programs.append(Program(*command, **more))
        return self.programs[-1]

    def client(self, endpoint=None):
        self.clients.append(Client(endpoint or self.broker.client))
        return self.clients[-1]

    def agent_of(self, client, job):
        name = client.get(job, False)[12]
        return next(agent for agent in self.agents
                    if agent.name == name and agent.process.poll() is None)

    def close(self):
        """In order: everything ends by itself when told to, with status 0."""
        for client in self.clients:
            client.close()
        self.clients = []
        for agent in self.agents:
            if agent.process.poll() is None:
                agent.process.send_signal(signal.SIGTERM)
                expect(agent.stop() == 0, agent.name, "ended badly:", agent.lines[-5:])
        expect(self.broker.stop() == 0, "broker ended badly:", self.broker.lines[-5:])

    def explain(self):
        """What the fleet looks like as a test fails."""
        for one in (self.broker, *self.agents):
            print(*one.lines[-20:], sep="\n")
        for words in ("job list -o jsonl", "worker list", "queue list"):
            done = subprocess.run([program("ganger"), *words.split(), "--broker",
                                   self.broker.client], capture_output=True, text=True)
            print(done.stdout[-4000:], done.stderr)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.close()
            else:
                self.explain()
        finally:
            for one in [*self.programs, *self.agents]:
                one.kill()
            self.broker.process.send_signal(signal.SIGCONT)
            self.broker.__exit__()
            for client in self.clients:
                client.close()
            self.ledger.close()
            shutil.rmtree(self.folder, ignore_errors=True)
