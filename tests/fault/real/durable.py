"""A durable broker that can be killed and started again on its ports, agents, and callers
who write down what they were told: for the tests of what survives.

The ledger is one file opened for appending: a job writes that it starts, a caller that he
was told of its end. Their order is the order of what happened. At the end every job that
was accepted must be known, with the end and the bytes that were told; nothing may have
started after its end was told; what runs at most once has started at most once.
"""
import random

from fleet import *

E_STORE_FULL = 47
QUEUE, IDLE = "work", "idle"
KEEP_LONG_MS = 3600 * 1000
SETTINGS = {"lease_ms": "3s", "heartbeat_ms": "200ms", "dead_after_ms": "1s",
            "gone_grace_ms": "500ms", "id_window_ms": "1h"}


class Home:
    """A data folder and the broker that has it open; the same ports each time."""

    def __init__(self, data, **settings):
        self.data = data
        self.sets = [part for name, value in {**SETTINGS, **settings}.items()
                     for part in ("--set", f"{name}={value}")]
        self.broker = None
        self.listen = []
        self.start()
        self.client, self.agent = self.broker.client, self.broker.agent
        self.listen = ["--agent-listen", self.agent]

    def start(self, wait=True):
        """Without `wait` it is only begun."""
        where = {"listen": self.client} if self.listen else {}
        if wait:
            self.broker = Broker("--data", self.data, *self.listen, *self.sets, **where)
            return None
        command = [gangerd(), "--data", self.data, "--listen", self.client,
                   *self.listen, *self.sets]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def kill(self):
        self.broker.process.kill()
        return self.broker.stop()


class Told:
    """What a caller knows of one job."""

    def __init__(self, id_, fields):
        self.id = id_
        self.fields = fields
        self.accepted = False
        self.state = None
        self.result = None


class Caller(threading.Thread):
    """Keeps a window of jobs in flight over every outage; asks again what was not
    answered, with the same ids."""

    def __init__(self, endpoint, folder, seed, window=32, queue=QUEUE, size=100):
        super().__init__(daemon=True)
        self.endpoint = endpoint
        self.random = random.Random(seed)
        self.window = window
        self.queue = queue
        self.size = size
        self.ledger = os.open(os.path.join(folder, "ledger"),
                              os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.told = {}
        self.open = {}
        self.refused = []
        self.ending = False
        self.fault = None
        self.number = 0
        self.refused_at = 0

    # -- what is asked --

    def new(self):
        id_ = struct.pack(">Q", int(time.time() * 1000))[2:] + self.random.randbytes(10)
        fields = {1: id_, 2: self.queue, 3: self.random.randbytes(self.size // 2).hex()
                  .encode(), 11: 1000, 12: 1, 13: 10, 16: KEEP_LONG_MS,
                  17: KEEP_LONG_MS, 20: self.queue == QUEUE}
        kind = self.random.random()
        if kind < 0.3:
            fields[5] = b"key-" + id_.hex().encode()
        elif kind < 0.5:
            fields[11] = 1  # At most once.
        elif kind < 0.52:
            fields[3] = self.random.randbytes(20000).hex().encode()  # Kept apart.
        self.number += 1
        self.open[self.number] = self.told[id_] = Told(id_, fields)
        return self.number

    def send(self, peer, numbers):
        for number in numbers:
            fields = self.open[number].fields
            if len(fields[3]) > 16384:
                peer.send((C_SUBMIT, number, {**fields, 3: True}), attachment=fields[3])
            else:
                peer.send((C_SUBMIT, number, fields))

    # -- what is heard --

    def hear(self, number, code, fields, attachment):
        job = self.open.get(number)
        if job is None or code not in (C_JOB, C_ERROR):
            return
        if code == C_ERROR:
            self.refused.append(fields)
            self.refused_at = time.monotonic()
            expect(not job.accepted or fields.get(1) != E_NOT_FOUND, "lost:", fields)
            del self.open[number]
            if not job.accepted:
                del self.told[job.id]
            return
        expect(fields[1] == job.id, "told of another job", fields)
        job.accepted = True
        if fields[6] >= SUCCEEDED:
            job.state = fields[6]
            job.result = attachment if fields.get(21) is True else fields.get(21, b"")
            if job.state == SUCCEEDED:
                os.write(self.ledger, b"ended %s\n" % id_text(job.id).encode())
            del self.open[number]
        elif not job.fields[20]:
            del self.open[number]

    def session(self):
        """One session, to its end or ours."""
        with Peer(self.endpoint) as peer:
            peer.hello()
            peer.watch()
            self.send(peer, list(self.open))
            heard_at = time.monotonic()
            while not (self.ending and not self.open):
                while (not self.ending and len(self.open) < self.window and
                       time.monotonic() - self.refused_at > 0.05):
                    self.send(peer, [self.new()])
                if peer.socket.poll(200):
                    _, commands, attachment = peer.message()
                    heard_at = time.monotonic()
                    for code, number, fields in commands:
                        self.hear(number, code, fields, attachment)
                else:
                    peer.send((C_HEARTBEAT, 0, {}))
                if peer.cut_off(0) or time.monotonic() - heard_at > 5:
                    return

    def run(self):
        try:
            while not (self.ending and not self.open):
                try:
                    self.session()
                except (AssertionError, zmq.ZMQError) as lost:
                    if "told of another" in str(lost) or "lost:" in str(lost):
                        raise
                    select.select([], [], [], 0.02)  # No broker yet.
        except Exception as fault:  # pylint: disable=broad-except
            self.fault = fault


class Scene:
    """A home, agents and callers; ends them all."""

    def __init__(self, data=None, callers=2, agents=2, **settings):
        self.folder = tempfile.mkdtemp(prefix="ganger-durable-")
        self.home = Home(data or os.path.join(self.folder, "data"), **settings)
        self.agents = [
            Program(program("ganger-worker"), "--broker", self.home.agent, "--name",
                    f"keeper-{i}-{os.getpid()}", "--queue", QUEUE, "--slots", "4", "--",
                    "sh", os.path.join(HERE, "keep.sh"), self.folder)
            for i in range(agents)]
        for agent in self.agents:
            agent.wait_for_line("event=connected")
        seed = int(os.environ.get("GG_SEED", time.time_ns() % 1000000))
        print("GG_SEED", seed)
        self.random = random.Random(seed)
        self.callers = [Caller(self.home.client, self.folder, seed + i + 1)
                        for i in range(callers)]
        self.callers.append(Caller(self.home.client, self.folder, seed, 8, IDLE, 400))
        for caller in self.callers:
            caller.start()

    def pause(self, seconds):
        """Nothing is waited for but the instant at which something is done."""
        select.select([], [], [], seconds)
        for caller in self.callers:
            if caller.fault is not None:
                raise caller.fault

    def settle(self, limit_s=120):
        """Everybody gets the answers he waits for."""
        for caller in self.callers:
            caller.ending = True
        for caller in self.callers:
            caller.join(limit_s)
            if caller.fault is not None:
                raise caller.fault
            expect(not caller.is_alive(), "still waits for", len(caller.open),
                   [(id_text(t.id), t.accepted) for t in caller.open.values()][:5])

    def accepted(self):
        # A copy: callers go on submitting meanwhile.
        return [job for caller in self.callers for job in list(caller.told.values())
                if job.accepted]

    def check(self):
        """Zero lost, zero results lost, zero half states, zero second runs."""
        client = Client(self.home.client)
        jobs = self.accepted()
        for job in jobs:
            now = client.get(job.id)
            expect(job.state is None or now[6] == job.state, "told", job.state, now)
            if now[6] == SUCCEEDED:
                expect(now.get(21) == b"result of " + job.fields[3], "result", now)
                expect(job.state is None or job.result == now[21], "bytes", now)
            elif job.fields[2] == QUEUE:
                once = job.fields[11] == 1
                expect(once and now[6] == FAILED and now[19] == E_LEASE_LOST, now)
            else:
                expect(now[6] == READY, "half a state", now)
        client.close()
        self.check_ledger(jobs)
        return jobs

    def check_ledger(self, jobs):
        once = {id_text(job.id) for job in jobs if job.fields[11] == 1}
        ended, starts, fences = set(), collections.Counter(), {}
        with open(os.path.join(self.folder, "ledger"), encoding="ascii") as ledger:
            for line in ledger:
                what, job, *more = line.split()
                if what == "ended":
                    ended.add(job)
                    continue
                starts[job] += 1
                expect(job not in ended, "a finished job ran again:", job)
                expect(int(more[0]) > fences.get(job, 0), "a fence fell:", job)
                expect(starts[job] == 1 or job not in once, "ran twice:", job)
                fences[job] = int(more[0])

    def close(self):
        for agent in self.agents:
            agent.stop()
        expect(self.home.broker.stop() == 0, self.home.broker.lines[-5:])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.close()
            else:
                for one in (self.home.broker, *self.agents):
                    print(*one.lines[-15:], sep="\n")
        finally:
            for caller in self.callers:
                caller.ending = True
                caller.open.clear()
            for agent in self.agents:
                agent.kill()
            if self.home.broker.process.poll() is None:
                self.home.broker.process.kill()
            shutil.rmtree(self.folder, ignore_errors=True)
