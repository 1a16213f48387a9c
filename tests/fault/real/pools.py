"""An agent with pools from a file, steered with the command line, under load."""
import json

from fleet import *

COPROCESS = os.path.join(HERE, "../../integration/worker/coprocess.sh")
GRACE_S = 10


def pool(name, kind, *settings):
    """Its payloads are scripts: of a program, or of a co-process that says `answer`."""
    command = {"program": "sh -c 'eval \"$(cat)\"'", "coprocess": COPROCESS}[kind]
    lines = [f"[pool {name}]", f"queues = {name}", f"{kind} = {command}", *settings]
    return "\n".join(lines) + "\n"


class Pools(Fleet):
    def start_pools(self, name, config, endpoint=None):
        name = f"{name}-{os.getpid()}"
        path = os.path.join(self.folder, name + ".conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        agent = Program(program("ganger-worker"), "--broker",
                        endpoint or self.broker.agent, "--name", name, "--config", path,
                        "--grace", f"{GRACE_S}s")
        agent.name = name
        self.agents.append(agent)
        agent.wait_for_line("event=connected")
        return agent

    def ganger(self, *words, status=0):
        done = subprocess.run([program("ganger"), *words, "--broker", self.broker.client],
                              capture_output=True, text=True, timeout=LIMIT_S)
        expect(done.returncode == status, words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def shown(self, agent, name):
        """A pool as its agent has reported it, {} before that."""
        for worker in json.loads(self.ganger("worker", "list", "-o", "json")):
            for one in worker["pools"] if worker["name"] == agent.name else []:
                if one["name"] == name:
                    return one
        return {}

    def until_shown(self, agent, name, true):
        end = time.monotonic() + LIMIT_S
        while not true(self.shown(agent, name)):
            expect(time.monotonic() < end, "never so:", self.shown(agent, name))


class Load(threading.Thread):
    """Submits jobs to each queue for as long as it is not told to end, some at once; each
    writes its start and end. What became of all of them is judged at the end."""

    def __init__(self, fleet, jobs, at_once):
        super().__init__(daemon=True)
        self.client = fleet.client()
        self.path = os.path.join(fleet.folder, "load")
        open(self.path, "a", encoding="ascii").close()
        self.jobs, self.at_once = jobs, at_once
        self.count, self.ending, self.fault = 0, threading.Event(), None
        self.ends = []

    def script(self, number, work):
        return (f"echo start {number} >>{self.path}; {work}; "
                f"echo end {number} >>{self.path}")

    def run(self):
        try:
            self.load()
        except BaseException as fault:  # Told by finish(), in the thread of the test.
            self.fault = fault

    def load(self):
        waiting = collections.deque()
        queues = list(self.jobs)
        while waiting or not self.ending.is_set():
            while len(waiting) < self.at_once and not self.ending.is_set():
                queue = queues[self.count % len(queues)]
                work = self.script(self.count, self.jobs[queue])
                if queue.startswith("co"):
                    work += "; answer done"
                waiting.append(self.client.put(queue, work, wait=True)[1])
                self.count += 1
            self.ends.append(self.client.answer(waiting.popleft(), C_JOB))

    def finish(self):
        """All have ended: each well, started once, ended once. Their number."""
        self.ending.set()
        self.join(LIMIT_S)
        expect(not self.is_alive(), "jobs do not end")
        if self.fault:
            raise self.fault
        for end in self.ends:
            expect(end[6] == SUCCEEDED, "ended as", end)
        with open(self.path, encoding="ascii") as file:
            lines = collections.Counter(file.read().splitlines())
        for number in range(self.count):
            for what in ("start", "end"):
                times = lines[f"{what} {number}"]
                expect(times == 1, "job", number, "has", times, "times its", what)
        return self.count
