#!/usr/bin/python3
"""The broker is away in three ways while there is work: stopped, cut off (a proxy that
loses the wire), and killed and started again on the same ports. Clients and agents come
back by themselves, with one line for each change of state, and use next to no time while
they wait.

Of a stopped or cut-off broker no attempt is run twice at once and no job is lost: where
the lease outlasts the outage each job runs once, where it does not those that ran are
killed before another takes them. Jobs that died with their broker are answered with
lost_with_broker, and what ran of them is stopped.

    broker_away.py    GG_AWAY_S=30 for the full outages (7 s unless said)
"""
from fleet import *
from proxy import Proxy

QUEUE = "reports"
AWAY_S = float(os.environ.get("GG_AWAY_S", 7))
QUICK = 300
SHARE_MAX = 0.05 if SANITIZED else 0.01
MARK = f"{AWAY_S * 1.3:.1f}"


class Scene:
    """A fleet behind proxies, under load, with some that wait."""

    def __init__(self, lease_s, proxied=True):
        self.proxies = [Proxy(), Proxy()] if proxied else []
        names = ("client_address", "agent_address")
        self.settings = {
            **{name: proxy.endpoint for name, proxy in zip(names, self.proxies)},
            "lease_ms": f"{int(lease_s * 1000)}ms", "heartbeat_ms": "100ms",
            "dead_after_ms": "500ms", "client_heartbeat_ms": "200ms",
            "client_dead_after_ms": "800ms", "gone_grace_ms": "500ms",
        }
        self.fleet = Fleet(**self.settings)
        self.endpoints = [self.fleet.broker.client, self.fleet.broker.agent]
        for i, proxy in enumerate(self.proxies):
            proxy.start(self.endpoints[i])
            self.endpoints[i] = proxy.endpoint

    def __enter__(self):
        self.fleet.__enter__()
        self.agents = [self.fleet.start_agent(f"agent-{i}", QUEUE, slots=2,
                                              endpoint=self.endpoints[1])
                       for i in range(2)]
        return self

    def __exit__(self, *what):
        try:
            self.fleet.__exit__(*what)
        finally:
            for proxy in self.proxies:
                proxy.close()

    def cli(self, *words):
        return self.fleet.start(program("ganger"), *words, "--broker",
                                self.endpoints[0], stdout=subprocess.PIPE)

    def load(self, client):
        """One long job that somebody waits for, and many quick ones behind it."""
        self.long = client.put(QUEUE, f"sleep {MARK}; printf 'fence %s' $GANGER_FENCE")
        self.quick = [client.put(QUEUE, "sleep 0.02; printf 'fence %s' $GANGER_FENCE",
                                 f12=1, f13=20) for _ in range(QUICK)]
        self.fleet.ledger.started(self.long)
        self.waits = self.cli("wait", "--wait=10m", id_text(self.long))
        self.waits.wait_for_line("running")
        self.fleet.ledger.wait(
            lambda: len([r for r in self.fleet.ledger.rows() if r.what == "end"]) > 10)

    def stay_away(self):
        """The length of the outage; nobody gives up, nobody is busy."""
        watched = [*self.agents, self.waits]
        before = [(cpu_s(one.pid), time.monotonic()) for one in watched]
        poll = select.poll()
        fds = [os.pidfd_open(one.pid) for one in watched]
        for fd in fds:
            poll.register(fd, select.POLLIN)
        expect(not poll.poll(AWAY_S * 1000), "somebody gave up", self.waits.lines)
        for fd in fds:
            os.close(fd)
        shares = [(cpu_s(one.pid) - cpu) / (time.monotonic() - at)
                  for one, (cpu, at) in zip(watched, before)]
        return shares

    def log_lines(self):
        return [len(one.lines) for one in self.agents]


def judge_lines(scene, before):
    """One line for each change of state: lost, and found again."""
    for agent, first in zip(scene.agents, before):
        agent.wait_for_line("event=connected", after=first)
        said = [re.search(r"event=(\S+)", line)[1] for line in agent.lines[first:]
                if "event=" in line and "event=bad" not in line]
        said = [word for word in said if word in ("connected", "disconnected", "refused",
                                                  "session_lost", "unreachable")]
        expect(said in (["disconnected", "connected"], ["session_lost", "connected"]),
               agent.name, "said", agent.lines[first:])
    lines = [line for line in scene.waits.lines if "does not answer" in line]
    expect(len(lines) == 1, "ganger wait said", scene.waits.lines)


def judge_shares(shares):
    expect(max(shares) < SHARE_MAX, "a waiting process used", shares, "of a core")


def judge_jobs(scene, once):
    """Nothing lost; nothing twice at once; once only, where the lease outlasted it."""
    ledger = scene.fleet.ledger
    client = scene.fleet.client()
    for job in (scene.long, *scene.quick):
        end = client.end_of(job)
        starts = [row.fence for row in ledger.of(job, "start")]
        expect(end[6] == SUCCEEDED, "ended as", end, client.history(job))
        expect(not ledger.of(job, "rival"), "two at once", ledger.rows(job))
        expect(len(set(starts)) == len(starts), "one attempt twice", ledger.rows(job))
        fences = [row.fence for row in ledger.of(job, "end")]
        expect(int(end[21].split()[1]) in fences, "a result that nobody made", end)
        if once:
            expect(len(starts) == 1, "ran again", client.history(job), ledger.rows(job))
    expect(scene.waits.wait() == 0, "ganger wait:", scene.waits.lines)
    return sum(len(ledger.of(job, "start")) > 1 for job in scene.quick)


def away(lease_s, leave, come_back, name):
    with Scene(lease_s) as scene:
        scene.load(scene.fleet.client())
        before = scene.log_lines()
        leave(scene)
        shares = scene.stay_away()
        come_back(scene)
        judge_lines(scene, before)
        judge_shares(shares)
        again = judge_jobs(scene, once=lease_s > AWAY_S)
    print(f"{name} for {AWAY_S:.0f} s, lease {lease_s:.1f} s: nothing lost, nothing twice"
          f" at once, {again} of {QUICK} quick jobs ran again; at most"
          f" {max(shares) * 100:.2f} % of a core", flush=True)


def cut(scene):
    for proxy in scene.proxies:
        proxy.cut()


def mend(scene):
    for proxy in scene.proxies:
        proxy.mend()


def stop(scene):
    scene.fleet.broker.process.send_signal(signal.SIGSTOP)


def go_on(scene):
    scene.fleet.broker.process.send_signal(signal.SIGCONT)


def killed():
    """The broker dies with what it knew; its successor says so."""
    with Scene(AWAY_S * 3, proxied=False) as scene:
        client = scene.fleet.client()
        scene.load(client)
        waiting = [job for job in scene.quick if client.get(job)[6] < SUCCEEDED]
        epoch = client.get(scene.long)[32]
        row = scene.fleet.ledger.started(scene.long)
        old, before = scene.fleet.broker, scene.log_lines()
        old.process.kill()
        old.process.wait()
        shares = scene.stay_away()
        scene.fleet.broker = Broker(
            "--agent-listen", old.agent, *[part for name, value in scene.settings.items()
                                           for part in ("--set", f"{name}={value}")],
            listen=old.client)
        judge_shares(shares)
        expect(scene.waits.wait() == 1, "ganger wait", scene.waits.lines)
        scene.waits.wait_for_line("lost_with_broker")
        expect(not wait_gone([row.pid], limit_s=10), "a job outlived its broker's end")
        client = scene.fleet.client()
        for job in waiting:
            try:
                expect(False, client.ask(C_GET, C_JOB, {1: job, 5: epoch}))
            except Refused as refused:
                expect(refused.error == E_LOST_WITH_BROKER, refused)
        judge_lines(scene, before)
        client = scene.fleet.client()
        expect(client.end_of(client.put(QUEUE, ":"))[6] == SUCCEEDED, "after the kill")
    print(f"killed, and back after {AWAY_S:.0f} s: {len(waiting)} jobs lost_with_broker,"
          f" at most {max(shares) * 100:.2f} % of a core")


def main():
    for _ in range(rounds(1)):
        for lease_s in (AWAY_S * 3, AWAY_S / 3):
            away(lease_s, stop, go_on, "stopped")
            away(lease_s, cut, mend, "cut off")
        killed()


if __name__ == "__main__":
    main()
