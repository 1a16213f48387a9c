#!/usr/bin/env python3
"""USR2 makes an agent become its new program with all that runs: nothing is cut off, lost
or run twice, and a program that cannot take over is not become."""
import json
import os
import shutil
import signal
import unittest

from it_fleet import BIN, COPROCESS, WAIT_S, Fleet

RENEWALS = 3
SCRIPTS = "program = sh -c 'eval \"$(cat)\"'"


class Renew(Fleet):
    def setUp(self):
        super().setUp()
        # A copy that can be replaced: what stands in its place is what is become.
        self.program = self.home / "ganger-worker"
        shutil.copy2(BIN / "ganger-worker", self.program)

    def start_agent(self, config):
        path = self.home / "one.conf"
        path.write_text(config)
        process = self.start("one", self.program, "--config", path, "--name", "one",
                             "--grace", "5s")
        self.wait_log("one", "event=connected")
        return process

    def replace_program(self, source):
        """Another file under the same name, as a package would install it."""
        fresh = self.home / "ganger-worker.new"
        shutil.copy2(source, fresh)
        os.replace(fresh, self.program)

    def renew(self, agent, count):
        agent.send_signal(signal.SIGUSR2)
        self.wait_log("one", "event=renewed", count)
        self.wait_log("one", "event=connected", count + 1)
        self.assertIsNone(agent.poll())

    def submit(self, queue, script):
        return self.ganger("submit", queue, script, "--keep", "10m", "-o", "id").strip()

    def once(self, job, result):
        """It has ended well, at its first attempt."""
        self.ganger("wait", job, "--wait=20s")
        self.assertEqual(self.ganger("result", job), result)
        shown = json.loads(self.ganger("status", job, "-o", "json"))
        shown = shown[0] if isinstance(shown, list) else shown
        self.assertEqual((shown["state"], shown["attempt"]), ("succeeded", 1))

    def lines(self, name):
        path = self.home / name
        return path.read_text().splitlines() if path.exists() else []

    def test_jobs_run_on_over_three_renewals_under_load(self):
        agent = self.start_agent(
            f"[pool p]\nqueues = p\nsize = 3\n{SCRIPTS}\n"
            f"[pool c]\nqueues = c\nsize = 3\ncoprocess = {COPROCESS}\nbatch = 2\n")
        gate = self.home / "gate"
        hold = f"echo begun >>{self.home}/held; while [ ! -e {gate} ]; do sleep 0.1; done; "
        slow = [(self.submit("p", "echo early; " + hold + "cat /dev/null; echo late"),
                 "early\nlate\n"),
                (self.submit("c", hold + "echo progress 0.5 half; answer held"), "held")]
        self.until("both run", lambda: len(self.lines("held")) == 2)
        jobs = []
        for renewal in range(1, RENEWALS + 1):
            for n in range(20):
                note = f"echo {renewal}.{n} >>{self.home}/load; sleep 0.05; "
                jobs.append((self.submit("p", note + f"echo {n}"), f"{n}\n"))
                jobs.append((self.submit("c", note + f"answer {n}"), f"{n}"))
            self.replace_program(BIN / "ganger-worker")
            self.renew(agent, renewal)
        gate.touch()
        for job, result in slow + jobs:
            self.once(job, result)
        self.assertEqual(len(self.lines("held")), 2)
        self.assertEqual(len(self.lines("load")), 2 * 20 * RENEWALS)
        self.assertEqual(len(set(self.lines("load"))), 20 * RENEWALS)
        self.assertNotRegex(self.logs["one"].read_text(),
                            "lost|not_taken_over|executor_died|left_behind")
        self.descriptors_do_not_grow(agent)
        agent.terminate()
        self.assertEqual(agent.wait(WAIT_S), 0)

    def test_hand_of_an_executor_is_taken_over_whole(self):
        """Jobs on their way to an executor, behind the one in work: none is lost, none
        runs twice, and an executor that dies afterwards hands back what it had."""
        handler = BIN.parent / "lib" / "test_handler.so"
        pools = {"h": f"handler = {handler}", "c": f"coprocess = {COPROCESS}"}
        agent = self.start_agent("".join(
            f"[pool {name}]\nqueues = {name}\nsize = 1\nbatch = 8\n{what}\n"
            for name, what in pools.items()) +
            f"[pool other]\nqueues = other\n{SCRIPTS}\n")
        for renewal, kill in ((1, False), (2, True)):
            held, gates = {}, {}
            for name in pools:
                gates[name] = self.home / f"gate-{name}-{renewal}"
                held[name] = self.line_up(name, gates[name], renewal)
            self.renew(agent, renewal)
            for name, (pid, first, behind) in held.items():
                if kill:
                    os.kill(pid, signal.SIGKILL)
                gates[name].touch()
                for job in [first] + behind:
                    self.ganger("wait", job, "--wait=20s")
                    shown = json.loads(self.ganger("status", job, "-o", "json"))
                    shown = shown[0] if isinstance(shown, list) else shown
                    attempt = 2 if kill and job == first else 1
                    self.assertEqual((shown["state"], shown["attempt"]),
                                     ("succeeded", attempt))
                notes = self.lines(f"notes-{name}-{renewal}")
                self.assertEqual(sorted(notes), [str(n) for n in range(len(behind))])
                if not kill:
                    self.assertEqual(notes, sorted(notes))
        self.assertNotRegex(self.logs["one"].read_text(), "not_taken_over|left_behind")

    def line_up(self, name, gate, renewal):
        """A job that waits for `gate`, and others that are on their way to its executor:
        the last of all shows it, it does not end at once when it is cancelled. Returns
        the executor's pid and the jobs."""
        notes = self.home / f"notes-{name}-{renewal}"
        count, until, note = ("pid", f"until {gate}", f"note {notes} %d") if name == "h" \
            else ("answer $$", f"while [ ! -e {gate} ]; do sleep 0.02; done; answer on",
                  f"echo %d >>{notes}; answer on")
        for _ in range(10):
            gate.unlink(missing_ok=True)
            notes.unlink(missing_ok=True)
            for _ in range(40):  # One that was long is forgotten.
                pid = int(self.ganger("run", name, count, "--wait=20s"))
            self.ganger("queue", "pause", name, "--reason", "all at once")
            first = self.submit(name, until)
            behind = [self.submit(name, note % n) for n in range(4)]
            last = self.submit(name, count)
            self.ganger("queue", "resume", name)
            self.until("the first has begun", lambda: self.has_started(first))
            self.ganger("cancel", last)
            self.ganger("run", "other", "echo round trip", "--wait=20s")
            if "cancelled" not in self.ganger("status", last):
                return pid, first, behind
            gate.touch()
            for job in [first] + behind:
                self.ganger("wait", job, "--wait=20s")
        return self.fail("the executor was never fast enough")

    def has_started(self, job):
        return "started" in self.ganger("history", job)

    def descriptors_do_not_grow(self, agent):
        count = len(os.listdir(f"/proc/{agent.pid}/fd"))
        self.renew(agent, RENEWALS + 1)
        self.until("as many descriptors as before",
                   lambda: len(os.listdir(f"/proc/{agent.pid}/fd")) <= count)

    def test_program_that_cannot_take_over_is_not_become(self):
        agent = self.start_agent(f"[pool p]\nqueues = p\nsize = 2\n{SCRIPTS}\n")
        gate = self.home / "gate"
        job = self.submit("p", f"touch {self.home}/begun; "
                          f"while [ ! -e {gate} ]; do sleep 0.1; done; echo done")
        self.until("begun", (self.home / "begun").exists)
        broken = self.home / "broken"
        for number, text in enumerate(("#!/bin/sh\nexit 1\n", "no program at all", None)):
            if text is None:
                self.program.unlink()
            else:
                broken.write_text(text)
                broken.chmod(0o755)
                self.replace_program(broken)
            agent.send_signal(signal.SIGUSR2)
            self.wait_log("one", "event=not_renewed", number + 1)
            self.assertEqual(self.ganger("run", "p", "echo on", "--wait=20s"), "on\n")
        self.replace_program(BIN / "ganger-worker")
        (self.home / "one.conf").write_text("[pool p]\ncolour = red\n")
        agent.send_signal(signal.SIGUSR2)
        self.wait_log("one", "event=not_renewed .*colour")
        gate.touch()
        self.once(job, "done\n")
        self.assertEqual(len([l for l in self.lines("one.log") if "connected" in l]), 1)

    def test_pool_that_has_gone_gives_its_jobs_back(self):
        agent = self.start_agent(f"[pool p]\nqueues = p\n{SCRIPTS}\n"
                                 f"[pool q]\nqueues = q\n{SCRIPTS}\n")
        job = self.submit("q", f"echo $$ >>{self.home}/pids; exec sleep 600")
        self.until("runs", lambda: self.lines("pids"))
        (self.home / "one.conf").write_text(f"[pool p]\nqueues = p\n{SCRIPTS}\n")
        self.renew(agent, 1)
        pid = int(self.lines("pids")[0])
        self.until("its process has gone", lambda: not os.path.exists(f"/proc/{pid}"))
        self.until("it waits again", lambda: "ready" in self.ganger("status", job))
        self.assertEqual(self.ganger("run", "p", "echo on", "--wait=20s"), "on\n")

    def test_killed_agent_leaves_nothing_after_a_renewal(self):
        agent = self.start_agent(f"[pool p]\nqueues = p\n{SCRIPTS}\n")
        self.submit("p", f"echo $$ >>{self.home}/pids; exec sleep 600")
        self.until("runs", lambda: self.lines("pids"))
        self.renew(agent, 1)
        agent.kill()
        agent.wait()
        pid = int(self.lines("pids")[0])
        self.until("its process has gone", lambda: not os.path.exists(f"/proc/{pid}"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
