"""Workers: what the conformance suite does not ask."""
import os
import pathlib
import random
import signal
import subprocess
import sys

import pytest
from conftest import HERE, PATIENCE_S, program

import ganger
from ganger import _codec
from ganger._codec import BATCH, CODE, WELCOME
from ganger.worker import Registry, Reject, Snooze
from ganger.worker.agent import Agent
from ganger.worker.handlers import Task
from ganger.worker.outcome import CANCELLED, FAILED, LOST, REJECTED, SNOOZED, SUCCEEDED
from ganger.worker.outcome import Outcome

ID = bytes(range(1, 17))
LIMITS = {1: 1, 2: 77, 4: 1000, 5: 3000, 6: 15000, 7: 1 << 20, 9: 1000, 11: 1000, 13: 1}


class Stage:
    """An agent and the broker that the test plays."""

    def __init__(self, slots=1):
        self.now, self.sequence = 1000, 0
        self.agent = Agent(name="a", queues=["q"], slots=slots, incarnation=1,
                           rng=random.Random(7))
        self.greet()

    def greet(self):
        self.agent.link_up(self.now)
        self.hello = self.sent()[0][1]
        self.sequence = 0
        self.say(WELCOME, ("welcome", LIMITS))

    def sent(self):
        frames = self.agent.next_message(self.now, 0)
        if frames is None:
            return []
        return [(_codec.NAME[c.code], c.record)
                for c in _codec.read(frames[0], *frames[1:])]

    def all_sent(self):
        commands = []
        while True:
            more = self.sent()
            if not more:
                return [one for one in commands if one[0] != "heartbeat"]
            commands += more

    def say(self, kind, *commands):
        self.sequence += 1
        packed = [_codec.pack_command(CODE[name], 0, record) for name, record in commands]
        frame = _codec.write(kind, self.agent.number, self.sequence,
                             self.agent.sent_sequence, packed)
        assert self.agent.receive([frame], self.now)

    def assign(self, fence, job=ID, **more):
        record = {1: job, 2: fence, 3: 1, 4: 1, 5: "q"}
        self.say(BATCH, ("assign", {**record, **more.get("fields", {})}))

    def orders(self):
        found = [(one.what, one.attempt.fence) for one in self.agent.orders]
        self.agent.orders.clear()
        return found


def test_fence_that_is_not_above_the_highest_is_never_run():
    stage = Stage()
    stage.assign(5)
    stage.agent.finished(stage.agent.attempts[5], Outcome(SUCCEEDED), stage.now)
    stage.say(BATCH, ("confirm", {1: ID, 2: 5}))
    stage.orders()

    stage.assign(5)
    stage.assign(4)

    assert stage.orders() == []


def test_outcome_is_said_in_every_session_until_it_is_confirmed():
    stage = Stage()
    stage.assign(5)
    stage.agent.finished(stage.agent.attempts[5], Outcome(SUCCEEDED, b"r"), stage.now)
    first = stage.all_sent()
    stage.greet()
    again = stage.all_sent()
    stage.say(BATCH, ("confirm", {1: ID, 2: 5, 3: 18}))
    stage.greet()

    assert first == again == [("outcome", {1: ID, 2: 5, 3: SUCCEEDED, 4: b"r"})]
    assert 10 not in stage.hello and stage.all_sent() == []


def test_hello_lists_what_is_in_hand():
    stage = Stage()
    stage.assign(5)
    stage.greet()

    assert stage.hello[10] == [{1: ID, 2: 5, 3: 1, 4: True}]


def test_attempt_is_killed_before_its_lease_ends():
    stage = Stage()
    stage.assign(5)
    stage.orders()
    stage.agent.link_down()
    stage.now += 15000 - 1875 - 1
    stage.agent.tick(stage.now)
    assert stage.orders() == []

    stage.now += 1
    stage.agent.tick(stage.now)

    assert stage.orders() == [("kill", 5)]
    stage.agent.finished(stage.agent.attempts[5], Outcome(FAILED), stage.now)
    assert stage.agent.attempts[5].outcome.kind == LOST


def test_heartbeat_that_was_seen_renews_leases_from_its_sending():
    stage = Stage()
    stage.assign(5)
    stage.all_sent()
    stage.now += 5000
    stage.agent.heard_ms = stage.now
    stage.all_sent()
    sent_at = stage.now
    stage.now += 900

    stage.say(BATCH, ("heartbeat", {}))

    attempt = stage.agent.attempts[5]
    assert stage.agent.lease_end_ms(attempt) == sent_at + 15000 - 1875


def test_window_is_never_exceeded_and_withdrawn_is_given_back():
    stage = Stage(slots=1)
    stage.assign(5)
    stage.assign(6, job=bytes(15) + b"x")
    assert stage.orders() == [("start", 5)]

    stage.say(BATCH, ("stop", {1: bytes(15) + b"x", 2: 6, 3: 3}))

    assert ("outcome", {1: bytes(15) + b"x", 2: 6, 3: 8, 10: True}) in stage.all_sent()
    assert stage.orders() == []


def test_withdrawal_that_comes_first_is_remembered():
    stage = Stage()
    stage.say(BATCH, ("stop", {1: ID, 2: 9, 3: 3}))
    assert ("outcome", {1: ID, 2: 9, 3: 8, 10: True}) in stage.all_sent()

    stage.assign(9)

    assert stage.orders() == []


def test_cancelled_attempt_is_stopped_and_then_killed():
    stage = Stage()
    stage.assign(5)
    stage.orders()
    stage.say(BATCH, ("stop", {1: ID, 2: 5, 3: 1, 4: 300}))
    assert stage.orders() == [("stop", 5)]

    stage.now += 300
    stage.agent.tick(stage.now)

    assert stage.orders() == [("kill", 5)]
    stage.agent.finished(stage.agent.attempts[5], Outcome(FAILED), stage.now)
    assert stage.agent.attempts[5].outcome.kind == CANCELLED


def test_too_large_result_is_a_failure_that_says_so():
    stage = Stage()
    stage.assign(5)
    stage.agent.finished(stage.agent.attempts[5], Outcome(SUCCEEDED, b"x" * 1001), stage.now)

    (said,) = stage.all_sent()

    assert said[1][3] == FAILED and "1001" in said[1][7] and 4 not in said[1]


# ---- handlers ----


def outcome_of(function):
    registry = Registry()
    registry.handler("q")(function)
    return registry.perform(Task(id="", queue="q", payload=b"p"))


def test_ends_of_handlers():
    def leave(task):
        sys.exit(3)

    def reject(task):
        raise Reject("no")

    def snooze(task):
        raise Snooze(5)

    async def later(task):
        return task.payload * 2

    assert outcome_of(lambda task: "ä").result == "ä".encode()
    assert outcome_of(later).result == b"pp"
    assert outcome_of(reject).kind == REJECTED
    assert (outcome_of(snooze).kind, outcome_of(snooze).snooze_ms) == (SNOOZED, 5)
    assert outcome_of(leave).exit_status == 3
    assert outcome_of(lambda task: 7).text.startswith("TypeError")
    wrong = outcome_of(lambda task: 1 / 0)
    assert wrong.text == "ZeroDivisionError: division by zero" and b"1 / 0" in wrong.output


def test_bounds_of_reports():
    task = Task(id="", queue="q")
    for call in (lambda: task.progress(1.5), lambda: task.store(b"x" * 4097),
                 lambda: task.progress(0, "x" * 4097), lambda: Snooze(0)):
        with pytest.raises(ValueError):
            call()


# ---- real processes ----


class Agents:
    """Workers of tests/deeds.py on p.*"""

    def __init__(self, broker):
        self.broker, self.processes = broker, []

    def start(self, *command, ready="event=connected"):
        process = subprocess.Popen(
            [str(part) for part in command], stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        for line in process.stderr:
            if ready in line:
                return process
        raise AssertionError("it never connected")

    def python(self):
        return self.start(sys.executable, "-B", HERE / "deeds.py", "p",
                          "--broker", self.broker.client, "--slots", 4)

    def coprocess(self):
        return self.start(program("ganger-worker"), "--broker", self.broker.client,
                          "--queue", "p.*", "--slots", 2, "--coprocess", "--",
                          sys.executable, "-B", HERE / "deeds.py", "p", "--coprocess")


@pytest.fixture
def agents(broker, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE.parent))
    one = Agents(broker)
    yield one
    for process in one.processes:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


@pytest.mark.parametrize("kind", ["python", "coprocess"])
def test_same_handlers_under_both_agents(agents, broker, kind):
    getattr(agents, kind)()
    with ganger.Client(broker.client, timeout=PATIENCE_S) as client:
        assert client.run("p.reverse", b"a\0b\n").result == b"\nb\0a"
        assert client.run("p.checkpoint", "kept", backoff="fixed",
                          backoff_ms=1).result == b"kept"
        assert client.run("p.snooze").result == b"awake"
        with pytest.raises(ganger.JobEnded) as caught:
            client.run("p.reject", "never")
        assert (caught.value.code, caught.value.text) == ("rejected", "never")
        job = client.submit("p.progress", keep_ms=60000)
        assert client.result(job) == b"done"
        stopping = client.submit("p.stop")
        while client.status(stopping).progress_text != "running":
            pass
        assert client.cancel(stopping) == "cancelling"
        assert client.wait(stopping).state == "cancelled"


def test_killed_agent_leaves_nothing_and_its_job_is_run_again(agents, broker):
    first = agents.python()
    with ganger.Client(broker.client, timeout=PATIENCE_S) as client:
        job = client.submit("p.stop")
        while client.status(job).progress_text != "running":
            pass
        family = children_of(first.pid)
        assert len(family) >= 2
        watches = [os.pidfd_open(pid) for pid in family]
        first.kill()
        for fd in watches:
            wait_gone(fd)
        agents.python()
        while client.status(job).attempt < 2:
            pass
        client.cancel(job)
        assert client.wait(job).state == "cancelled"


def test_blocked_handler_keeps_its_lease(agents, broker):
    """The handler holds its own interpreter; heartbeats go out all the same."""
    agents.python()
    with ganger.Client(broker.client, timeout=PATIENCE_S) as client:
        job = client.submit("p.block", attempts=1, keep_ms=60000)
        assert client.result(job) == b"done"
        history = [moment.kind for moment in client.history(job)]
        assert "lease_lost" not in history and "worker_suspect" not in history
        workers = list(client.workers())
    assert workers[0]["state"] == 1


def test_drain_lets_what_runs_end(agents, broker):
    process = agents.python()
    with ganger.Client(broker.client, timeout=PATIENCE_S) as client:
        job = client.submit("p.slow", keep_ms=60000)
        while client.status(job).progress_text != "running":
            pass
        process.send_signal(signal.SIGTERM)
        assert client.result(job) == b"done"
        assert process.wait(PATIENCE_S) == 0


def children_of(pid):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == pid:
                found += [int(entry.name), *children_of(int(entry.name))]
    return found


def wait_gone(fd):
    import select

    assert select.select([fd], [], [], PATIENCE_S)[0], "it lives on"
    os.close(fd)
