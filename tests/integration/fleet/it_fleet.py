#!/usr/bin/env python3
"""The fleet as an operator steers it: a real broker, real agents, the command line."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ["GG_BIN_DIR"])
SOURCE = pathlib.Path(os.environ["GG_SOURCE_DIR"])
COPROCESS = SOURCE / "tests/integration/worker/coprocess.sh"
WAIT_S = 20


class Fleet(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.home = pathlib.Path(self.folder.name)
        self.gate = self.home / "gate"
        self.running = []
        self.environment = dict(os.environ, TMPDIR=self.folder.name,
                                XDG_RUNTIME_DIR=self.folder.name)
        self.logs = {}
        broker = self.start("broker", BIN / "gangerd", "--volatile", "--listen",
                            "tcp://127.0.0.1:0")
        ready = self.wait_log("broker", r"client=\"?(tcp://[0-9.:]+)|endpoint=\"?(tcp://\S+?)[\" ]")
        self.environment["GANGER_BROKER"] = next(g for g in ready.groups() if g)
        self.broker = broker

    def tearDown(self):
        for process in reversed(self.running):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.running):
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.folder.cleanup()

    def start(self, name, *command):
        self.logs[name] = self.home / (name + ".log")
        with open(self.logs[name], "ab") as log:
            process = subprocess.Popen([str(c) for c in command], stderr=log,
                                       stdout=subprocess.DEVNULL, env=self.environment)
        self.running.append(process)
        return process

    def until(self, what, condition):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(0.02)
        logs = "\n".join(f"== {n}\n{p.read_text()[-3000:]}" for n, p in self.logs.items())
        self.fail(f"not within {WAIT_S} s: {what}\n{logs}")

    def wait_log(self, name, pattern, count=1):
        def seen():
            found = list(re.finditer(pattern, self.logs[name].read_text()))
            return found[-1] if len(found) >= count else None
        return self.until(f"{pattern} in the log of {name}", seen)

    def ganger(self, *arguments, status=0):
        run = subprocess.run([str(BIN / "ganger"), *arguments], env=self.environment,
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run.stdout + run.stderr if status else run.stdout

    def agent(self, name, config):
        path = self.home / (name + ".conf")
        path.write_text(config)
        process = self.start(name, BIN / "ganger-worker", "--config", path, "--name",
                             name, "--grace", "5s")
        self.wait_log(name, "event=connected")
        return process

    def worker(self, name):
        found = [w for w in json.loads(self.ganger("worker", "list", "-o", "json"))
                 if w["name"] == name]
        return found[0] if found else None

    def pool(self, name, pool):
        listed = self.ganger("pool", "list", pool, "--worker", name, "-o", "json")
        found = json.loads(listed)
        self.assertTrue(all((p["name"], p["worker"]) == (pool, name) for p in found))
        return found[0] if found else None

    def gated(self, then):
        """A script that does `then` once the gate is there."""
        return f"while [ ! -e {self.gate} ]; do sleep 0.02; done; {then}"

    def run_job(self, queue, script):
        return self.ganger("run", queue, script, "--wait=20s")


def scripts(name, more=""):
    return f"[pool {name}]\nqueues = {name}\ncoprocess = {COPROCESS}\n{more}\n"


class Steering(Fleet):
    def test_pool_is_scaled_and_idle_ones_go_first(self):
        self.agent("one", scripts("a", "size = 2"))

        self.assertIn("1 agent scaled", self.ganger("pool", "scale", "a=5"))
        self.until("5 executors", lambda: self.pool("one", "a")["executors"] == 5)
        busy = self.ganger("submit", "a", self.gated("answer done"), "--keep", "1m",
                           "-o", "id").strip()
        self.until("running", lambda: self.pool("one", "a")["busy"] == 1)
        self.ganger("pool", "scale", "a=1")
        self.until("1 executor", lambda: self.pool("one", "a")["executors"] == 1)

        self.assertEqual(self.pool("one", "a")["slots"], 1)
        self.gate.touch()
        done = json.loads(self.ganger("wait", busy, "--wait=20s", "-o", "json"))
        done = done[0] if isinstance(done, list) else done
        self.assertEqual((done["state"], done["attempt"]), ("succeeded", 1))
        self.assertEqual(self.ganger("pool", "list", "-o", "id"), "a\n")
        self.assertRegex(self.ganger("pool", "list"), r"(?m)^a +one +open .* a$")

    def test_pools_come_and_go_by_name(self):
        self.agent("one", scripts("a") + scripts("spare", "enabled = no"))
        self.assertIsNone(self.pool("one", "spare"))

        self.ganger("pool", "add", "spare")
        self.assertEqual(self.run_job("spare", "answer on"), "on")
        self.assertIn("already", self.ganger("pool", "add", "spare", status=3))
        self.ganger("pool", "remove", "spare", "--yes")
        self.until("gone", lambda: self.pool("one", "spare") is None)

        self.assertIn("no pool called", self.ganger("pool", "remove", "spare", "--yes",
                                                    status=2))
        self.assertEqual(self.run_job("a", "answer on"), "on")
        self.ganger("pool", "add", "spare")
        self.assertEqual(self.run_job("spare", "answer again"), "again")

    def test_programs_outlive_the_removal_of_their_pool(self):
        agent = self.agent("one", "[pool p]\nqueues = p\nsize = 8\n"
                           "program = sh -c 'eval \"$(cat)\"'\n" + scripts("a"))
        jobs = [self.ganger("submit", "p", self.gated(f"echo {n}"), "--keep", "1m",
                            "-o", "id").strip() for n in range(8)]

        self.ganger("pool", "remove", "p", "--yes")
        self.gate.touch()
        self.until("gone", lambda: self.pool("one", "p") is None)

        self.assertIsNone(agent.poll())
        self.assertEqual(self.run_job("a", "answer on"), "on")
        self.ganger("pool", "add", "p")  # As the file has it.
        for n, job in enumerate(jobs):
            self.ganger("wait", job, "--wait=20s")
            self.assertEqual(self.ganger("result", job), f"{n}\n")

    def test_definition_from_outside_needs_leave(self):
        self.agent("shy", scripts("a"))
        self.agent("open", "remote_pools = yes\n" + scripts("a"))
        more = ("--set", "queues = new", "--set", "program = cat", "--set", "size = 2")

        refused = self.ganger("pool", "add", "new", "--worker", "shy", *more, status=6)
        self.assertIn("remote_pools", refused)
        self.ganger("pool", "add", "new", "--worker", "open", *more)

        self.assertEqual(self.run_job("new", "hello"), "hello")
        bad = self.ganger("pool", "add", "odd", "--worker", "open", "--set",
                          "queues = odd", "--set", "colour = red", status=78)
        self.assertIn("no setting 'colour'", bad)

    def test_saved_changes_outlive_the_agent(self):
        config = "remote_pools = yes\n" + scripts("a") + scripts("b")
        first = self.agent("one", config)
        self.ganger("pool", "scale", "a=3", "--save")
        self.ganger("pool", "scale", "b=3")
        self.ganger("pool", "add", "c", "--save", "--set", "queues = c", "--set",
                    "program = cat")
        first.send_signal(signal.SIGTERM)
        self.assertEqual(first.wait(WAIT_S), 0)

        self.agent("one", config)
        self.wait_log("one", "event=connected", 2)

        self.until("saved size", lambda: (self.pool("one", "a") or {}).get("size") == 3)
        self.assertEqual(self.pool("one", "b")["size"], 1)
        self.assertEqual(self.run_job("c", "kept"), "kept")

    def test_quiet_agent_takes_nothing_until_resumed(self):
        self.agent("one", scripts("a"))
        self.assertEqual(self.run_job("a", "answer on"), "on")

        self.ganger("worker", "quiet", "one")
        self.until("draining", lambda: self.worker("one")["state"] == "draining")
        job = self.ganger("submit", "a", "answer late", "--keep", "1m", "-o", "id").strip()
        self.assertIn("ready", self.ganger("status", job))
        self.ganger("worker", "resume", "one")

        self.ganger("wait", job, "--wait=20s")
        self.assertEqual(self.ganger("result", job), "late")

    def test_restart_drains_and_comes_back_in_the_same_process(self):
        agent = self.agent("one", scripts("a"))
        job = self.ganger("submit", "a", self.gated("answer done"), "--keep", "1m",
                          "-o", "id").strip()
        # Assigned is not enough: what has not begun is handed back, and begins anew.
        self.until("started", lambda: " started " in self.ganger("history", job))

        self.ganger("worker", "restart", "one")
        self.until("draining", lambda: self.worker("one")["state"] == "draining")
        self.gate.touch()
        self.wait_log("one", "event=restarting")
        self.wait_log("one", "event=connected", 2)

        self.assertIsNone(agent.poll())
        self.assertEqual(self.ganger("result", job), "done")
        self.assertEqual(self.worker("one")["pid"], agent.pid)
        self.assertEqual(self.run_job("a", "answer on"), "on")

    def test_stop_ends_the_agent(self):
        agent = self.agent("one", scripts("a"))

        self.ganger("worker", "stop", "one", "--yes")

        self.assertEqual(agent.wait(WAIT_S), 0)
        self.assertIn("no agent", self.ganger("worker", "stop", "one", "--yes", status=2))

    def test_released_job_runs_again_uncounted(self):
        self.agent("one", scripts("a"))
        job = self.ganger("submit", "a", f"[ -e {self.gate} ] && answer second || "
                          f"{{ touch {self.gate}; sleep 600; }}", "--keep", "1m",
                          "-o", "id").strip()
        self.until("begun", self.gate.exists)

        self.ganger("job", "release", job, "--grace", "100ms")

        self.ganger("wait", job, "--wait=20s")
        self.assertEqual(self.ganger("result", job), "second")
        history = self.ganger("history", job)
        self.assertIn("draining", history)

    def test_tree_shows_why_a_pool_is_down(self):
        self.agent("one", "[pool loop]\nqueues = loop\nbackoff_min = 60s\n"
                   "coprocess = sh -c 'echo no such database >&2; exit 7'\n"
                   + scripts("a"))

        self.until("down", lambda: self.pool("one", "loop")["state"] == "down")
        tree = self.ganger("tree")

        self.assertRegex(tree, r"loop +down .*exit status 7: no such database")
        self.assertRegex(tree, r"a +open .*coprocess, 1 executors")
        self.assertEqual(self.run_job("a", "answer on"), "on")
        self.assertEqual(self.pool("one", "loop")["slots"], 0)

    def test_many_agents_are_asked_for_and_counted(self):
        for name in ("one", "two", "three"):
            self.agent(name, scripts("a"))
        self.agent("four", scripts("b"))

        self.assertIn("4 agents", self.ganger("pool", "scale", "a=2", "--dry-run"))
        self.assertIn("nothing was done", self.ganger("pool", "scale", "a=2", status=1))
        self.assertIn("3 agents scaled", self.ganger("pool", "scale", "a=2", "--yes"))
        self.assertIn("2 agents", self.ganger("worker", "quiet", "t*", "--yes"))
        self.assertIn("no agent in reach", self.ganger("worker", "quiet", "nobody",
                                                       status=2))

    def test_limits_of_an_agent_are_an_answer(self):
        self.agent("one", scripts("a"))
        self.assertIn("room for", self.ganger("pool", "scale", "a=6000", status=7))
        self.assertEqual(self.run_job("a", "answer on"), "on")


class Reload(Fleet):
    def test_hup_takes_the_file_as_it_is_and_leaves_what_runs(self):
        agent = self.agent("one", scripts("a") + scripts("b") + scripts("c"))
        job = self.ganger("submit", "a", self.gated("answer $$"), "--keep", "1m", "-o",
                          "id").strip()
        before = self.run_job("b", "answer $$")
        self.until("running", lambda: self.pool("one", "a")["busy"] == 1)

        (self.home / "one.conf").write_text(
            scripts("a", "size = 3") + scripts("b") + scripts("d"))
        agent.send_signal(signal.SIGHUP)
        self.wait_log("one", "event=reloaded")
        self.until("c is gone", lambda: self.pool("one", "c") is None)

        self.assertEqual(self.run_job("b", "answer $$"), before)
        self.assertEqual(self.run_job("d", "answer new"), "new")
        self.until("a has grown", lambda: self.pool("one", "a")["executors"] == 3)
        self.gate.touch()
        self.ganger("wait", job, "--wait=20s")
        status = json.loads(self.ganger("status", job, "-o", "json"))
        status = status[0] if isinstance(status, list) else status
        self.assertEqual((status["state"], status["attempt"]), ("succeeded", 1))

    def test_file_with_a_fault_changes_nothing(self):
        agent = self.agent("one", scripts("a"))
        (self.home / "one.conf").write_text(scripts("a", "colour = red"))

        agent.send_signal(signal.SIGHUP)

        self.wait_log("one", "event=not_reloaded .*colour")
        self.assertEqual(self.run_job("a", "answer on"), "on")


if __name__ == "__main__":
    unittest.main(verbosity=2)
