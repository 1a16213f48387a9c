#!/usr/bin/env python3
"""Sources that take each other's place: the example, with its outside system going away
in parts and as a whole, and coming back. No item is lost, none is worked on twice."""
import json
import os
import subprocess
import unittest
import urllib.request

from it_fleet import BIN, SOURCE, WAIT_S, Fleet

EXAMPLE = SOURCE / "worker/examples/fallback"
ITEMS = 15
FEW = 4  # Each costs a start of the command line.


class Sources(Fleet):
    def setUp(self):
        super().setUp()
        self.environment["PATH"] = f"{BIN}:{os.environ['PATH']}"
        self.outside = None
        self.ports = ["0", "0"]
        self.added = 0

    def go_away(self):
        """The outside system ends with all its connections."""
        self.outside.kill()
        self.outside.wait()
        self.outside.stdout.close()
        self.running.remove(self.outside)

    def come_back(self, http=True, push=True):
        wanted = [port if there else "-" for port, there in zip(self.ports, (http, push))]
        self.outside = subprocess.Popen(
            ["python3", EXAMPLE / "outside.py", self.home / "items", *wanted],
            stdout=subprocess.PIPE, text=True)
        self.running.append(self.outside)
        for i, there in enumerate((http, push)):
            if there:
                self.ports[i] = self.outside.stdout.readline().strip()

    def end_outside(self):
        self.outside.kill()
        self.outside.wait()
        self.outside.stdout.close()

    def add(self, count):
        for _ in range(count):
            self.added += 1
            request = urllib.request.Request(f"http://127.0.0.1:{self.ports[0]}/items",
                                             data=b"item %d" % self.added)
            urllib.request.urlopen(request, timeout=WAIT_S).close()

    def add_behind_its_back(self, count):
        """Work that comes up while the outside system is out of reach."""
        path = self.home / "items"
        last, items = json.loads(path.read_text())
        for _ in range(count):
            self.added += 1
            last += 1
            items[str(last)] = f"item {self.added}"
        path.write_text(json.dumps([last, items]))

    def done(self):
        path = self.home / "items.log"
        return path.read_text().splitlines() if path.exists() else []

    def all_done(self):
        self.until("all items done", lambda: len(self.done()) >= self.added)
        self.assertEqual(sorted(self.done()),
                         sorted(f"item {n + 1}" for n in range(self.added)))

    def source_is(self, name, *why):
        def shown():
            source = (self.pool("one", "items") or {}).get("source", "")
            return source.split(",")[0] == name and all(w in source for w in why)

        self.until(f"source {name} {why}", shown)

    def start_agent(self):
        config = (EXAMPLE / "agent.conf").read_text()
        config = config.replace("7451", self.ports[1]).replace("7450", self.ports[0])
        config = config.replace("listen.py", str(EXAMPLE / "listen.py"))
        config = config.replace("poll.py", str(EXAMPLE / "poll.py"))
        config = config.replace("items.log", str(self.home / "items.log"))
        config = config.replace("every = 5s", "every = 200ms\nretry_min = 200ms\nretry_max = 500ms")
        config = config.replace("[source poll]",
                                "settle = 300ms\nretry_min = 200ms\nretry_max = 500ms\n"
                                "[source poll]")
        return self.agent("one", config)

    def test_outside_system_goes_and_comes_back(self):
        self.come_back()
        self.addCleanup(self.end_outside)
        self.start_agent()
        self.source_is("listen")
        self.add(ITEMS)
        self.all_done()

        self.go_away()
        self.come_back(push=False)  # The socket is gone, HTTP answers.
        self.source_is("poll", "as listen failed: exit status 1")
        self.assertRegex(self.ganger("tree"), r"source poll, as listen failed: exit")
        self.add(ITEMS)
        self.all_done()

        self.go_away()
        self.source_is("none", "listen failed", "poll failed")
        self.add_behind_its_back(ITEMS)
        self.come_back()
        self.source_is("listen")
        self.add(ITEMS)
        self.all_done()

        # Switched back for good: nobody polls any more.
        self.wait_log("one", r"event=source_in_use .*source=listen", 2)
        self.until("no poll", lambda: subprocess.run(
            ["pgrep", "-f", str(EXAMPLE / "poll.py")], capture_output=True).returncode)

    def test_switching_under_load_loses_and_doubles_nothing(self):
        self.come_back()
        self.addCleanup(self.end_outside)
        self.start_agent()
        self.source_is("listen")
        for push in (False, True) * 3:
            self.add(FEW)
            self.go_away()  # With items on their way, told or not.
            self.come_back(push=push)
            self.add(FEW)
        self.all_done()
        self.source_is("listen")

    def test_sources_rest_while_the_agent_is_quiet(self):
        self.come_back()
        self.addCleanup(self.end_outside)
        agent = self.start_agent()
        self.source_is("listen")
        self.ganger("worker", "quiet", "one")
        self.source_is("none")
        self.add(3)
        self.assertEqual(self.done(), [])
        self.ganger("worker", "resume", "one")
        self.all_done()
        agent.terminate()
        self.assertEqual(agent.wait(WAIT_S), 0)

    def test_silent_queue_is_replaced_by_a_poll(self):
        found = self.home / "found"
        found.touch()
        self.agent("one", f"[source pushed]\nqueue = pushed\nsilence = 500ms\nsettle = 0\n"
                   f"[source poll]\nevery = 100ms\n"
                   f"program = sh -c 'echo again >> {found}'\n"
                   "[pool items]\nqueues = pushed polled\nprogram = cat\n"
                   "sources = pushed poll\n")
        self.source_is("poll", "as pushed failed: no job came")
        self.until("polled", lambda: found.read_text().count("again") >= 3)
        self.run_job("pushed", "one")
        self.wait_log("one", "event=source_in_use .*source=pushed", 2)

    def test_file_with_a_wrong_source_is_refused(self):
        for text, why in (
                ("sources = gone\n", "there is no .source. gone"),
                ("sources = s\n[source s]\nevery = 1s\n", "say one of program and queue"),
                ("sources = s s\n[source s]\nqueue = p\n", "silence"),
                ("sources = s\n[source s]\nprogram = a\ncolour = red\n", "colour")):
            path = self.home / "bad.conf"
            path.write_text("[pool p]\nqueues = p\nprogram = cat\n" + text)
            run = subprocess.run([BIN / "ganger-worker", "--config", path],
                                 env=self.environment, capture_output=True, text=True,
                                 timeout=WAIT_S)
            self.assertEqual(run.returncode, 78, run.stderr)
            self.assertRegex(run.stderr, why)


if __name__ == "__main__":
    unittest.main(verbosity=2)
