#!/usr/bin/python3
"""A durable broker, agents and clients behind bad wires, under load, while brokers,
agents and clients are killed and stopped at random. At the end every job that was asked
for has run and is known, once, with the result of its newest attempt; history.py is the
judge, and what the jobs themselves wrote the truth.

GG_KILLS faults (40), GG_JOBS jobs (60), GG_SEED: another storm. A connection that closes
gives up no lease before its time here, so that not even two processes of a job may meet.
"""
import os
import random
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../real"))

from fleet import *
from chaos import Chaos
from history import Job, broken

QUEUE = "storm"
SCRIPT = "sleep 0.0$((GANGER_FENCE % 10)); printf 'fence %s' $GANGER_FENCE"
KILLS = int(os.environ.get("GG_KILLS", 40))
JOBS = int(os.environ.get("GG_JOBS", 60))
SEED = int(os.environ.get("GG_SEED", 1))
CLIENTS, AGENTS, LEASE_S = 4, 3, 6
FINISH_S = 150


class Keys:
    """Jobs that are still to be asked for."""

    def __init__(self):
        self.lock = threading.Lock()
        self.next = 0
        self.told = collections.defaultdict(list)

    def take(self, more):
        """The next key; once there are enough jobs, only while `more` is wanted."""
        with self.lock:
            if self.next >= JOBS and not more():
                return None
            self.next += 1
            return f"k{self.next}"


class DurableBroker(Program):
    def __exit__(self, *_):
        self.kill()


class Storm(Fleet):
    def __init__(self):
        self.chance = random.Random(SEED)
        self.wires = Chaos(SEED), Chaos(SEED + 1)
        self.kills = collections.Counter()
        self.stopping = threading.Event()
        self.asking = set()
        self.born = 0
        self.keys = Keys()
        self.folder = tempfile.mkdtemp(prefix="ganger-storm-")
        self.ledger = Ledger(self.folder)
        self.agents, self.programs, self.clients = [], [], []
        self.broker = None
        self.start_broker()

    def start_broker(self):
        """On the same data and other ports: the wires stay."""
        clients, agents = self.wires
        sets = {"client_address": clients.endpoint, "agent_address": agents.endpoint,
                "lease_ms": f"{LEASE_S}s", "gone_grace_ms": f"{LEASE_S}s"}
        self.broker = DurableBroker(
            program("gangerd"), "--data", os.path.join(self.folder, "data"),
            "--listen", "tcp://127.0.0.1:0",
            *[part for item in sets.items() for part in ("--set", "=".join(item))])
        ready = self.broker.wait_for_line("event=ready")
        clients.lead_to(re.search(r"client=(\S+)", ready)[1])
        agents.lead_to(re.search(r"agent=(\S+)", ready)[1])

    def add_agent(self):
        self.born += 1
        name = f"storm{self.born}-{os.getpid()}"
        agent = Program(program("ganger-worker"), "--broker", self.wires[0].endpoint,
                        "--name", name, "--queue", QUEUE, "--slots", "2", "--", "sh",
                        os.path.join(HERE, "../real/job.sh"), self.folder)
        agent.name = name
        self.agents.append(agent)

    # ---- clients ----

    def ask_until_told(self, key):
        """As often as it takes: a client that is killed is followed by another."""
        end = time.monotonic() + FINISH_S
        while time.monotonic() < end:
            client = subprocess.Popen(
                [program("ganger"), "run", QUEUE, SCRIPT, "--key", key, "--wait=20s",
                 "--keep", "1h", "--attempts", "1000", "--timeout", "20s", "--broker",
                 self.wires[0].endpoint],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True)
            self.asking.add(client)
            out, err = client.communicate()
            self.asking.discard(client)
            if client.returncode == 0:
                self.keys.told[key].append(out)
                return
            may_be = (-signal.SIGKILL, 4, 5, 7)  # Killed, still running, no broker, busy.
            expect(client.returncode in may_be, key, client.returncode, err)
        raise AssertionError(f"{key} was not answered for {FINISH_S} s")

    def be_a_client(self, faults):
        try:
            while (key := self.keys.take(lambda: not self.stopping.is_set())):
                self.ask_until_told(key)
        except AssertionError as fault:
            faults.append(fault)
            self.stopping.set()

    # ---- faults ----

    def kill_agent(self):
        agent = self.chance.choice(self.agents)
        self.ledger.note("kill", agent.name)
        agent.kill()
        self.agents.remove(agent)
        self.add_agent()

    def stop_agent(self):
        agent = self.chance.choice(self.agents)
        self.ledger.note("stop", agent.name)
        agent.halt()
        self.outage(self.chance.choice((0.05, 0.5, 2, LEASE_S + 1)))
        agent.go_on()

    def kill_broker(self):
        self.ledger.note("kill", "broker")
        self.broker.kill()
        self.start_broker()

    def stop_broker(self):
        self.broker.halt()
        self.outage(self.chance.choice((0.05, 0.5, 3)))
        self.broker.go_on()

    def kill_client(self):
        for client in list(self.asking)[:1]:
            client.kill()

    def cut_wires(self):
        self.chance.choice(self.wires).reset_all()

    def outage(self, length_s):
        """Its length is what is tested; the others go on meanwhile."""
        threading.Event().wait(length_s)

    def strike(self):
        faults = (self.kill_agent, self.stop_agent, self.kill_broker, self.stop_broker,
                  self.kill_client, self.cut_wires)
        fault = faults[sum(self.kills.values()) % len(faults)]
        self.kills[fault.__name__] += 1
        fault()

    def wait_for_more(self):
        """The storm goes on once something has been done since the last fault."""
        before = len(self.ledger.rows())
        self.ledger.wait(lambda: len(self.ledger.rows()) > before or
                         self.stopping.is_set())

    # ---- the end ----

    def judge(self):
        for wire in self.wires:
            wire.calm = True
        client = self.client(self.wires[0].endpoint)
        jobs = []
        for key, told in self.keys.told.items():
            job = client.ask(C_GET, C_JOB, {3: QUEUE, 4: key.encode(), 6: True})
            jobs.append(Job(key, id_text(job[1]), job[6] == SUCCEEDED, job.get(31, 0),
                            job.get(21, b"").decode(), told))
        expect(len(jobs) == self.keys.next, len(jobs), "of", self.keys.next, "are known")
        faults = list(broken(jobs, self.ledger.rows()))
        expect(not faults, *faults[:5])
        return len(jobs)


def main():
    with Storm() as storm:
        faults = []
        for _ in range(AGENTS):
            storm.add_agent()
        clients = [threading.Thread(target=storm.be_a_client, args=(faults,))
                   for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            while sum(storm.kills.values()) < KILLS and not storm.stopping.is_set():
                storm.wait_for_more()
                storm.strike()
        finally:
            storm.stopping.set()
        for client in clients:
            client.join()
        expect(not faults, *faults)
        count = storm.judge()
        resets = sum(wire.resets for wire in storm.wires)
    print(f"{count} jobs, {dict(storm.kills)}, {resets} resets, seed {SEED}: nothing lost,"
          " nothing run again, no stale outcome")


if __name__ == "__main__":
    main()
