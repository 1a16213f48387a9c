#!/usr/bin/env python3
"""The command line against real programs: exit codes, words, and what is said.

Each broker listens on ports that the kernel chooses; waits are for events (a line of a
log, the end of a process), never for a time.
"""
import base64
import http.server
import json
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

BIN = pathlib.Path(os.environ["GG_BIN_DIR"])
UNKNOWN_ID = "01HZZZZZZZZZZZZZZZZZZZZZZZ"
LIMIT_S = 60

for name in [name for name in os.environ if name.startswith("GANGER_")]:
    del os.environ[name]


class Program:
    """A program of ours whose standard error is read line by line."""

    def __init__(self, *argv, env=None):
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [str(BIN / argv[0]), *argv[1:]], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(env or {})},
        )
        self.readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self.process.stderr, self.process.stdout)
        ]
        for reader in self.readers:
            reader.start()

    def _read(self, stream):
        for line in stream:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    def wait_line(self, pattern):
        """The first line that fits, once it is there."""

        def found():
            for line in self.lines:
                if line is not None and re.search(pattern, line):
                    return line
            return self.lines.count(None) == 2

        with self.changed:
            line = self.changed.wait_for(found, LIMIT_S)
        assert isinstance(line, str), f"no line with {pattern} but {self.lines}"
        return line

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(LIMIT_S)
        for reader in self.readers:
            reader.join(LIMIT_S)
        self.process.stderr.close()
        self.process.stdout.close()
        return status


def start_broker(*options):
    broker = Program("gangerd", "--volatile", "--listen", "tcp://127.0.0.1:0", *options)
    line = broker.wait_line("event=ready")
    broker.endpoint = re.search(r" client=(\S+)", line)[1]
    return broker


def start_worker(endpoint, *options):
    worker = Program("ganger-worker", *options, env={"GANGER_BROKER": endpoint})
    worker.wait_line("event=connected")
    return worker


def ganger(*words, broker=None, stdin="", env=None, text=True, cwd=None):
    environment = {**os.environ, **(env or {})}
    environment.pop("GANGER_BROKER", None)
    if broker is not None:
        environment["GANGER_BROKER"] = broker
    return subprocess.run(
        [str(BIN / "ganger"), *words], input=stdin, capture_output=True, text=text,
        env=environment, timeout=LIMIT_S, check=False, cwd=cwd,
    )


class Usage(unittest.TestCase):
    """What needs no broker."""

    def test_help_stands_anywhere_and_exits_0(self):
        for words in (["--help"], ["submit", "--help"], ["queue", "--help", "pause"],
                      ["help"], ["help", "queue"], ["help", "job", "list"]):
            run = ganger(*words)
            self.assertEqual(run.returncode, 0, words)
            self.assertNotEqual(run.stdout, "", words)
            self.assertEqual(run.stderr, "", words)

    def test_noun_without_a_verb_has_its_verbs_explained(self):
        for noun, verbs in (
            ("job", "list show cancel release retry"),
            ("worker", "list show quiet resume stop restart"),
            ("pool", "list scale add remove"),
            ("queue", "list show pause resume purge"),
            ("broker", "status backup restore"),
            ("key", "new allow list revoke"),
        ):
            run = ganger(noun, "--help")
            self.assertEqual((run.returncode, run.stderr), (0, ""), noun)
            told = re.findall(r"(?m)^ganger (\w+) (\w+).*\n    [A-Z].*\.$", run.stdout)
            self.assertEqual(sorted(told), sorted((noun, v) for v in verbs.split()))
            self.assertEqual(ganger("help", noun).stdout, run.stdout)

    def test_help_mentions_only_options_that_it_lists(self):
        overview = ganger("--help").stdout
        commands = re.findall(r"(?m)^  ([a-z]+(?: [a-z]+)?)  +[A-Z]", overview)
        self.assertGreater(len(commands), 30)
        for command in commands:
            text = ganger(*command.split(), "--help").stdout
            listed = re.findall(r"(?m)^ +(?:-\w, +)?--([a-z-]+)", text)
            self.assertLessEqual(set(re.findall(r"--([a-z]+[a-z-]*)", text)),
                                 set(listed), command)

    def test_the_same_id_is_shown_and_read(self):
        self.assertRegex(ganger("submit", "--help").stdout, r"(?m)^ +--id=ID")
        self.assertEqual(ganger("submit", "q", "--id", "x").returncode, 64)

    def test_wrong_words_are_answered_with_the_nearest(self):
        for words, nearest in (
            (["subnit", "q"], "submit"), (["queue", "lst"], "queue list"),
            (["submit", "q", "--priorty", "1"], "--priority"),
            (["job", "list", "-o", "jsn"], "json"),
            (["submit", "q", "--durability", "fsnyc"], "fsync"),
        ):
            run = ganger(*words)
            self.assertEqual(run.returncode, 64, words)
            self.assertIn(f"did you mean '{nearest}'" if nearest[0] != "-" else nearest,
                          run.stderr)
            self.assertEqual(run.stdout, "")

    def test_wrong_use_exits_64(self):
        for words in (
            [], ["submit"], ["status"], ["status", "x"], ["queue"], ["wait", "--key", "k"],
            ["submit", "q", "--in"], ["submit", "q", "--in", "5"],
            ["submit", "q", "--attempts", "0"], ["submit", "q", "--backoff", "exp:5"],
            ["submit", "q", "--at", "tomorrow"], ["run", "q", "-o", "table"],
            ["tree", "--key", "k"], ["job", "list", "--filter", "state:"],
            ["submit", "q", "--mutex", "m"], ["submit", "q", "--key", "a", "--unique"],
        ):
            run = ganger(*words)
            self.assertEqual(run.returncode, 64, (words, run.stderr))

    def test_bad_input_exits_65(self):
        for words in (["submit", "no spaces"], ["submit", "q", "@/no/such/file"],
                      ["submit", "q", "--tag", "a b"]):
            self.assertEqual(ganger(*words).returncode, 65, words)

    def test_errors_are_listed_with_their_exit_codes(self):
        errors = {e["name"]: e for e in json.loads(ganger("help", "errors", "-o",
                                                          "json").stdout)}
        self.assertEqual(errors["not_found"]["exit"], 2)
        self.assertEqual(errors["timed_out"]["exit"], 4)
        self.assertEqual(errors["queue_full"]["exit"], 7)

    def test_completion_knows_commands_options_and_values(self):
        script = ganger("completion", "bash").stdout
        for typed, expected in (("ganger sub", "submit"), ("ganger queue pa", "pause"),
                                ("ganger submit q --prio", "--priority"),
                                ("ganger tree -o js", "json jsonl")):
            words = typed.split(" ")
            program = (f"{script}\nCOMP_WORDS=({' '.join(words)})\n"
                       f"COMP_CWORD={len(words) - 1}\n_ganger\necho \"${{COMPREPLY[@]}}\"")
            run = subprocess.run(["bash", "-c", program], capture_output=True, text=True,
                                 check=True)
            self.assertEqual(run.stdout.strip(), expected)

    def test_a_full_disk_is_told(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            run = subprocess.run([str(BIN / "ganger"), "help"], stdout=full,
                                 stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(run.returncode, 70)
        self.assertIn("cannot write", run.stderr)


class Faults(unittest.TestCase):
    """What stands between a caller and a result: each told by its own sentence, and the
    first five of them within 3 s."""

    WITHIN_S = 3.0
    CAUSES = {
        "wrong host": "the host name cannot be resolved",
        "closed port": "connection refused",
        "not ganger": "it is not a Ganger broker, or it hangs",
        "wrong key": "the broker does not accept this key",
        "no worker": "no worker serves queue nobody",
        "no key": "takes only connections with a key",
        "other broker": "its public key is not the one expected",
    }

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        names = ("server", "submitter", "observer", "narrow", "stranger")
        cls.public = {n: ganger("key", "new", cls.key(n)).stdout.strip() for n in names}
        for name, role, queue in (("submitter", "submit,observe", "*"),
                                  ("observer", "observe", "*"),
                                  ("narrow", "operate", "mine*")):
            run = ganger("key", "allow", cls.key(name) + ".pub", "--keys",
                         cls.key("keys"), "--name", name, "--role", role, "--queue", queue)
            assert run.returncode == 0, run.stderr
        cls.closed = cls.start("--set", "server_key_file=" + cls.key("server"),
                               "--set", "keys_file=" + cls.key("keys"))
        cls.tight = cls.start("--set", "queue_jobs_max=1")

    @classmethod
    def start(cls, *options):
        broker = start_broker(*options)
        cls.addClassCleanup(broker.stop)
        return broker.endpoint

    @classmethod
    def key(cls, name):
        return str(cls.folder / name)

    def as_who(self, name, server="server"):
        return ("--key-file", self.key(name), "--server-key", self.public[server])

    def fault(self, cause, statuses, endpoint, *words):
        """Everything that is said, where `cause` and no other is said, and in time."""
        start = time.monotonic()
        words = words or ("submit", "q", "x")
        program = Program("ganger", *words, "--broker", endpoint)
        program.wait_line(re.escape(self.CAUSES[cause]))
        took = time.monotonic() - start
        program.process.wait(LIMIT_S)
        self.assertIn(program.stop(), statuses, program.lines)
        self.assertLess(took, self.WITHIN_S, program.lines)
        said = [line for line in program.lines if line is not None]
        self.assertEqual([line for line in said if not line.startswith(("ganger: ",
                                                                        "try: "))], [])
        self.assertEqual([name for name, text in self.CAUSES.items()
                          if text in "".join(said)], [cause])
        return "\n".join(said)

    def free_endpoint(self):
        held = socket.socket()
        self.addCleanup(held.close)
        held.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{held.getsockname()[1]}"

    def test_wrong_host(self):
        self.fault("wrong host", (5,), "tcp://no-such-host.invalid:7440")

    def test_closed_port(self):
        endpoint = self.free_endpoint()
        said = self.fault("closed port", (5,), endpoint)
        self.assertRegex(said, rf"cannot reach a broker at {endpoint} \(3\.\d s\): "
                               "connection refused")
        self.assertIn(f"try: ganger doctor --broker {endpoint}", said)

    def test_something_that_is_not_ganger(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                 http.server.BaseHTTPRequestHandler)
        server.RequestHandlerClass.log_message = lambda *_: None
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            port = server.server_address[1]
            self.fault("not ganger", (5,), f"tcp://127.0.0.1:{port}")
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def test_wrong_key(self):
        said = self.fault("wrong key", (6,), self.closed, "submit", "q", "x",
                          *self.as_who("stranger"))
        self.assertIn("try: --key-file FILE", said)
        run = ganger("submit", "q", "x", *self.as_who("submitter"), broker=self.closed)
        self.assertEqual((run.returncode, run.stderr), (0, ""))

    def test_no_key_and_the_key_of_another_broker_are_told_apart_from_it(self):
        # Where the broker always closes before its greeting is read, libzmq cannot tell
        # a broker with keys from a stranger: then both are named, and it is 5.
        self.fault("no key", (5, 6), self.closed)
        self.fault("other broker", (6,), self.closed, "submit", "q", "x",
                   *self.as_who("submitter", server="stranger"))

    def test_no_worker(self):
        said = self.fault("no worker", (4,), self.tight, "run", "nobody", "x",
                          "--wait=2s")
        self.assertRegex(said, r"job \w{26} goes on \[timed_out\]")

    def test_key_without_the_role_exits_6_and_submits_nothing(self):
        run = ganger("submit", "forbidden", "x", *self.as_who("observer"),
                     broker=self.closed)
        self.assertEqual((run.returncode, run.stdout), (6, ""))
        self.assertIn("key observer has no role that may send submit [not_allowed]",
                      run.stderr)
        run = ganger("job", "list", "-o", "json", "--filter", "queue:forbidden",
                     *self.as_who("observer"), broker=self.closed)
        self.assertEqual((run.returncode, json.loads(run.stdout)), (0, []))

    def test_key_that_does_not_reach_a_queue_cannot_pause_it(self):
        for verb in ("pause", "resume", "purge"):
            run = ganger("queue", verb, "others", "--yes", *self.as_who("narrow"),
                         broker=self.closed)
            self.assertEqual((run.returncode, run.stdout), (6, ""), run.stderr)
            self.assertIn("key narrow may not operate on default/others [not_allowed]",
                          run.stderr)

    def test_full_queue_exits_7_and_takes_no_more(self):
        first = ganger("submit", "narrow", "x", broker=self.tight)
        self.assertEqual(first.returncode, 0, first.stderr)
        second = ganger("submit", "narrow", "x", broker=self.tight)
        self.assertEqual((second.returncode, second.stdout), (7, ""))
        self.assertIn("[queue_full]", second.stderr)
        shown = ganger("queue", "show", "narrow", "-o", "json", broker=self.tight)
        self.assertEqual(json.loads(shown.stdout)["ready"], 1)

    def test_unusable_settings_name_themselves_and_their_source(self):
        public, none = self.public["server"], self.key("none")
        for status, said, words, env in (
            (78, "is set in GANGER_SERVER_KEY and no key file", (),
             {"GANGER_SERVER_KEY": public}),
            (64, "key is set and no key file of your own; name one in GANGER_KEY_FILE",
             ("--server-key", public), {}),
            (78, f"{none} cannot be read", (), {"GANGER_KEY_FILE": none}),
            (64, f"{none} cannot be read", ("--key-file", none), {}),
            (78, '"short" is not 40 characters', ("--key-file", self.key("submitter")),
             {"GANGER_SERVER_KEY": "short"}),
            (64, "public key is not known; set GANGER_SERVER_KEY",
             ("--key-file", self.key("submitter")), {}),
            (64, '"nonsense" has no port', ("--broker", "nonsense"), {}),
        ):
            run = ganger("submit", "q", "x", *words, env=env)
            self.assertEqual((run.returncode, run.stdout), (status, ""), run.stderr)
            self.assertIn(said, run.stderr)
        self.assertEqual(ganger("tree", broker="nonsense").returncode, 78)

    def test_what_is_no_backup_is_not_restored(self):
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder, "notes.txt")
            text.write_text("not a backup\n" * 100)
            run = ganger("broker", "restore", str(text), f"{folder}/data")
            self.assertEqual((run.returncode, run.stdout), (65, ""), run.stderr)
            self.assertIn(f"{text}: this is not a backup", run.stderr)
            self.assertFalse(pathlib.Path(folder, "data").exists())
            run = ganger("broker", "restore", f"{folder}/nothing", f"{folder}/data")
            self.assertEqual((run.returncode, run.stdout), (2, ""), run.stderr)
            self.assertIn("there is no such file", run.stderr)

    def test_doctor_says_what_to_do(self):
        run = ganger("doctor", "--broker", self.free_endpoint())
        self.assertEqual(run.returncode, 5)
        self.assertRegex(run.stdout, r"fail +reach .*connection refused.*; try: gangerd")
        run = ganger("doctor", *self.as_who("stranger"), broker=self.closed)
        self.assertEqual(run.returncode, 6)
        self.assertRegex(run.stdout, r"fail +reach .*not accept this key; try: --key")


class Jobs(unittest.TestCase):
    """A broker and two agents for all of these; each test has queues of its own."""

    @classmethod
    def setUpClass(cls):
        cls.broker = start_broker()
        at = cls.broker.endpoint
        cls.workers = [
            start_worker(at, "--queue", "upper*", "--slots", "2", "--name", "upper", "--",
                         "tr", "a-z", "A-Z"),
            start_worker(at, "--queue", "bad*", "--name", "bad", "--", "sh", "-c",
                         "echo broken >&2; exit 3"),
            start_worker(at, "--queue", "step*", "--name", "step", "--", "sh", "-c",
                         "echo progress 0.4 half >&3; cat"),
        ]

    @classmethod
    def tearDownClass(cls):
        for worker in cls.workers:
            worker.stop()
        status = cls.broker.stop()
        assert status == 0, f"the broker ended with {status}: {cls.broker.lines[-40:]}"

    def ganger(self, *words, **more):
        return ganger(*words, broker=self.broker.endpoint, **more)

    def good(self, *words, **more):
        run = self.ganger(*words, **more)
        self.assertEqual(run.returncode, 0, (words, run.stdout, run.stderr))
        return run.stdout

    def json(self, *words, **more):
        return json.loads(self.good(*words, "-o", "json", **more))

    def test_run_prints_the_result_and_nothing_else(self):
        run = self.ganger("run", "upper", "hello")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "HELLO", ""))

    def test_payload_from_file_and_from_standard_input(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("from file")
            file.flush()
            self.assertEqual(self.good("run", "upper", "@" + file.name), "FROM FILE")
        self.assertEqual(self.good("run", "upper", "-", stdin="from stdin"), "FROM STDIN")

    def test_submit_prints_id_and_state(self):
        self.assertRegex(self.good("submit", "upper", "x"), r"^[0-9A-Z]{26} \w+\n$")
        self.assertRegex(self.good("submit", "upper", "x", "-o", "id"),
                         r"^[0-9A-Z]{26}\n$")

    def test_the_same_key_is_the_same_job(self):
        first = self.json("submit", "upper", "k", "--key", "same", "--keep", "1h")
        self.good("wait", "--queue", "upper", "--key", "same")
        second = self.json("submit", "upper", "k", "--key", "same")
        self.assertFalse(first["existing"])
        self.assertTrue(second["existing"])
        self.assertEqual(first["id"], second["id"])
        self.assertEqual(second["result"], "K")
        conflict = self.ganger("submit", "upper", "other", "--key", "same")
        self.assertEqual(conflict.returncode, 3)
        self.assertIn("[key_conflict]", conflict.stderr)

    def test_the_same_id_is_the_same_job(self):
        job = self.good("submit", "nobody-id", "x", "-o", "id").strip()
        again = self.json("submit", "nobody-id", "x", "--id", job)
        self.assertEqual(again["id"], job)
        self.assertEqual(self.json("queue", "show", "nobody-id")["ready"], 1)

    def test_result_wait_and_status_of_a_success(self):
        made = self.json("submit", "upper", "abc", "--keep", "1h", "--wait")
        self.assertEqual(made["state"], "succeeded")
        self.assertEqual(self.good("result", made["id"]), "ABC")
        self.assertEqual(self.good("wait", made["id"]), made["id"] + " succeeded\n")
        status = self.json("status", made["id"])
        self.assertEqual(status["state"], "succeeded")
        self.assertEqual(status["attempt"], 1)
        self.assertEqual(status["worker"], "upper")
        self.assertEqual(status["result"], "ABC")
        self.assertRegex(status["finished_at"], r"^\d{4}-\d\d-\d\dT[\d:.]+Z$")
        self.assertIsNone(status["error"])

    def test_progress_is_written_with_the_digits_it_was_told_with(self):
        run = self.good("run", "steps", "x", "-o", "json", "--keep", "1h")
        self.assertIn('"progress":0.4,', run)
        status = self.good("status", json.loads(run)["id"], "-o", "json")
        self.assertIn('"progress": 0.4,', status)

    def test_bytes_that_are_no_text_arrive_whole(self):
        data = bytes(range(256)) * 40
        run = self.ganger("run", "upper", "-", stdin=data, text=False)
        expected = data.translate(bytes(range(97)) + bytes(range(65, 91))
                                  + bytes(range(123, 256)))
        self.assertEqual(run.stdout, expected)
        made = json.loads(self.ganger("run", "upper", "-", "-o", "json", stdin=b"\xff\x01",
                                      text=False).stdout)
        self.assertEqual(base64.b64decode(made["result"]["base64"]), b"\xff\x01")

    def test_a_failure_exits_1_with_the_stored_error(self):
        run = self.ganger("run", "bad", "x", "--attempts", "1", "--keep-failed", "1h")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("failed", run.stderr)
        job = re.search(r"job (\w{26}) failed", run.stderr)[1]
        self.assertEqual(self.ganger("result", job).returncode, 1)
        self.assertEqual(self.ganger("wait", job).returncode, 1)
        status = self.json("status", job)
        self.assertEqual((status["state"], status["exit_status"]), ("failed", 3))
        events = [m["event"] for m in self.json("history", job)]
        self.assertEqual(events[0], "accepted")
        self.assertIn("outcome", events)
        self.assertEqual(self.good("logs", job), "broken\n")
        self.assertIn(job, self.good("job", "list", "--filter", "queue:bad state:failed"))

        self.assertEqual(self.good("retry", job).split()[0], job)
        self.assertEqual(self.ganger("wait", job).returncode, 1)
        self.assertIn("retried", [m["event"] for m in self.json("history", job)])

    def test_without_a_worker_the_wait_names_the_reason_and_the_job_goes_on(self):
        run = self.ganger("run", "nobody", "x", "--wait=2s")
        self.assertEqual(run.returncode, 4)
        self.assertRegex(run.stderr, "still waiting: ready: .*no.* serves.*nobody")
        job = re.search(r"job (\w{26}) goes on", run.stderr)[1]
        why = self.json("why", job)
        self.assertEqual(why[0]["code"], "no_worker")
        self.assertIn("no_worker: ", self.good("why", job))
        self.assertEqual(self.ganger("result", job).returncode, 3)
        self.assertEqual(self.ganger("wait", job, "--wait=1ms").returncode, 4)

    def test_an_interrupted_wait_says_that_the_job_goes_on(self):
        job = self.good("submit", "nobody-interrupt", "x", "-o", "id").strip()
        waiting = Program("ganger", "wait", job, "--wait=forever",
                          env={"GANGER_BROKER": self.broker.endpoint})
        waiting.wait_line("still waiting")
        self.assertEqual(waiting.stop(signal.SIGINT), 130)
        self.assertTrue(any(f"job {job} goes on" in (line or "")
                            for line in waiting.lines), waiting.lines)
        self.assertEqual(self.json("status", job)["state"], "ready")

    def test_cancel_has_its_answers(self):
        job = self.good("submit", "nobody-cancel", "x", "-o", "id").strip()
        self.assertEqual(self.good("cancel", job, "--reason", "test"),
                         job + " cancelled\n")
        late = self.ganger("cancel", job)
        self.assertEqual((late.returncode, late.stdout), (3, job + " too_late\n"))
        self.assertEqual(self.json("status", job)["state"], "cancelled")
        self.assertEqual(self.ganger("wait", job).returncode, 1)

    def test_unknown_jobs_queues_and_agents_exit_2(self):
        for words in (["status", UNKNOWN_ID], ["result", UNKNOWN_ID],
                      ["history", UNKNOWN_ID], ["cancel", UNKNOWN_ID],
                      ["wait", UNKNOWN_ID], ["why", UNKNOWN_ID],
                      ["status", "--queue", "upper", "--key", "none"],
                      ["queue", "show", "none"], ["worker", "show", "none"]):
            run = self.ganger(*words)
            self.assertEqual(run.returncode, 2, (words, run.stderr))
            self.assertIn("[not_found]", run.stderr)

    def test_a_paused_queue_starts_nothing_until_it_is_resumed(self):
        self.good("run", "upper-pause", "x")
        self.good("queue", "pause", "upper-pause", "--reason", "test")
        queue = self.json("queue", "show", "upper-pause")
        self.assertEqual((queue["state"], queue["reason"]), ("paused", "test"))
        job = self.good("submit", "upper-pause", "y", "-o", "id").strip()
        self.assertEqual(self.json("why", job)[0]["code"], "paused")
        self.assertRegex(self.good("doctor"), "warn +queues +upper-pause is paused")
        self.good("queue", "resume", "upper-pause")
        self.assertEqual(self.good("wait", job), job + " succeeded\n")

    def test_a_queue_that_is_not_known_is_noticed(self):
        self.good("run", "upper-known", "x")
        slip, meant = "uper-known", "did you mean 'upper-known'?"
        for words, out in (
            (["resume", slip], "0 queues resumed\n"),
            (["resume", slip, "--dry-run"], "would be: 0 queues resumed\n"),
            (["purge", slip, "--yes"], "0 jobs purged\n"),
            (["pause", slip, "--dry-run"], "would be: 1 queue paused\n"),
            (["pause", slip], "1 queue paused\n"),
        ):
            run = self.ganger("queue", *words)
            self.assertEqual((run.returncode, run.stdout), (0, out), run.stderr)
            self.assertIn(f"there is no queue {slip}; {meant}", run.stderr)
            self.assertEqual("a pause makes it" in run.stderr, words[0] == "pause")
        self.assertIn(f"try: ganger queue resume {slip}", run.stderr)
        run = self.ganger("queue", "show", "upper-knwon")
        self.assertEqual(run.returncode, 2)
        self.assertIn(f"{meant} [not_found]", run.stderr)

    def test_a_pause_may_come_before_the_first_job_and_is_noticed_once(self):
        first, again = (self.ganger("queue", "pause", "zz-early", "-o", "json")
                        for _ in range(2))
        for run in (first, again):
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(json.loads(run.stdout)["count"], 1)
        self.assertIn("there is no queue zz-early\n", first.stderr)
        self.assertNotIn("there is no queue", again.stderr)
        job = self.good("submit", "zz-early", "x", "-o", "id").strip()
        self.assertEqual(self.json("why", job)[0]["code"], "paused")
        self.assertEqual(self.good("queue", "pause", "zz-none*", "--yes"),
                         "0 queues paused\n")
        self.assertEqual(self.json("queue", "list", "zz-none*"), [])

    def test_bulk_acts_say_their_size_and_need_leave(self):
        made = self.good("submit", "nobody-bulk", "--lines", "-", "-o", "id",
                         stdin="a\nb\nc\n").split()
        self.assertEqual(len(made), 3)
        words = ("cancel", "--filter", "queue:nobody-bulk state:ready")
        refused = self.ganger(*words)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("3 jobs fit", refused.stderr)
        self.assertEqual(sorted(line.split()[0] for line in
                                self.good(*words, "--dry-run").splitlines()),
                         sorted(made))
        self.assertEqual(sorted(self.good("job", "list", "-o", "id", "--filter",
                                          words[2]).split()), sorted(made))
        self.good(*words, "--yes")
        self.assertEqual(self.json("job", "list", "--filter", words[2]), [])

    def test_purge_shows_its_size_and_needs_leave(self):
        self.good("submit", "nobody-purge", "x")
        self.assertEqual(self.ganger("queue", "purge", "nobody-purge").returncode, 1)
        self.assertIn("1 job", self.good("queue", "purge", "nobody-purge", "--dry-run"))
        self.assertEqual(self.json("queue", "purge", "nobody-purge", "--yes")["count"], 1)

    def test_many_lines_are_submitted_and_summed_up(self):
        lines = "".join(f"line {i}\n" for i in range(5000))
        run = self.ganger("submit", "nobody-lines", "--lines", "-", "-o", "jsonl",
                          stdin=lines)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(len({json.loads(line)["id"] for line in
                              run.stdout.splitlines()}), 5000)
        self.assertIn("5000 lines: 5000 accepted", run.stderr)
        self.assertEqual(self.json("queue", "show", "nobody-lines")["ready"], 5000)

    def test_the_fleet_is_shown(self):
        workers = {w["name"]: w for w in self.json("worker", "list")}
        self.assertEqual(workers["upper"]["slots"], 2)
        self.assertEqual(workers["upper"]["queues"], ["upper*"])
        self.assertIn("upper", self.good("tree"))
        self.assertEqual(self.json("worker", "show", "bad")[0]["name"], "bad")
        self.assertEqual(self.json("broker", "status")["pid"],
                         self.broker.process.pid)
        self.assertRegex(self.good("stats", "-o", "prom"),
                         r"(?m)^# TYPE ganger_\w+ (counter|gauge)\nganger_\w+")
        self.assertRegex(self.good("doctor"), r"ok +broker")

    def test_events_are_followed_from_now_on(self):
        following = Program("ganger", "events", "-f", "--queue", "upper-events",
                            "-o", "jsonl", env={"GANGER_BROKER": self.broker.endpoint})
        try:
            # Until the subscription stands there is nothing to see: submit until there is.
            for _ in range(200):
                self.good("run", "upper-events", "x")
                if following.lines:
                    break
            following.wait_line('"event":"ended"')
        finally:
            self.assertEqual(following.stop(signal.SIGINT), 130)

    def test_no_control_character_reaches_a_terminal(self):
        made = self.json("submit", "upper", "\x1b[2Jx\x07\n", "--wait", "--keep", "1h")
        main, terminal = pty.openpty()
        try:
            subprocess.run([str(BIN / "ganger"), "result", made["id"]], check=True,
                           stdin=subprocess.DEVNULL, stdout=terminal,
                           env={**os.environ, "GANGER_BROKER": self.broker.endpoint})
            shown = os.read(main, 4096)
        finally:
            os.close(main)
            os.close(terminal)
        self.assertEqual(shown, b"\\x1b[2JX\\x07\r\n")
        self.assertEqual(self.good("result", made["id"]), "\x1b[2JX\x07\n")

    def test_an_empty_list_is_empty_and_says_so_to_a_terminal(self):
        main, terminal = pty.openpty()
        try:
            listed = subprocess.run(
                [str(BIN / "ganger"), "job", "list", "--filter", "queue:nobodys"], check=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal,
                env={**os.environ, "GANGER_BROKER": self.broker.endpoint})
            said = os.read(main, 4096)
        finally:
            os.close(main)
            os.close(terminal)
        self.assertEqual((listed.stdout, said), (b"", b"ganger: there are no such jobs\r\n"))
        quiet = self.ganger("job", "list", "--filter", "queue:nobodys")
        self.assertEqual((quiet.returncode, quiet.stdout, quiet.stderr), (0, "", ""))

    def test_bench_reports_its_figures(self):
        report = self.json("bench", "--jobs", "500", "--window", "50", "--submitters", "2",
                           "--spawn-workers", "1", "--queue", "bench-it")
        self.assertEqual((report["jobs"], report["failed"]), (500, 0))
        for name in ("jobs_per_second", "latency_us_p50", "latency_us_p99",
                     "latency_us_p999", "idle_round_trip_us_p50"):
            self.assertGreater(report[name], 0, name)
        self.assertIsNotNone(report["broker_cpu_seconds_per_million"])


class Keys(unittest.TestCase):
    """Key files, without a broker."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.keys = os.path.join(self.folder.name, "keys")
        self.key = os.path.join(self.folder.name, "alice")

    def test_a_pair_has_its_modes_and_is_never_written_over(self):
        run = ganger("key", "new", self.key)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(os.stat(self.key).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(self.key + ".pub").st_mode & 0o777, 0o644)
        secret = pathlib.Path(self.key).read_text(encoding="ascii")
        self.assertIn(f'public-key = "{run.stdout.strip()}"', secret)
        self.assertRegex(secret, r'(?m)^    secret-key = "\S{40}"$')
        self.assertNotIn("secret-key",
                         pathlib.Path(self.key + ".pub").read_text(encoding="ascii"))
        self.assertEqual(ganger("key", "new", self.key).returncode, 3)
        self.assertEqual(pathlib.Path(self.key).read_text(encoding="ascii"), secret)

    def test_a_file_is_read_though_its_name_could_be_a_key(self):
        name = "a" * 36
        public = ganger("key", "new", name, cwd=self.folder.name).stdout.strip()
        run = ganger("key", "allow", name + ".pub", "--keys", self.keys, "--name",
                     "alice", "--role", "work", cwd=self.folder.name)
        self.assertEqual(run.returncode, 0, run.stderr)
        listed = json.loads(ganger("key", "list", "--keys", self.keys, "-o", "json").stdout)
        self.assertEqual(listed[0]["key"], public)

    def test_allow_list_and_revoke_keep_other_sections_and_comments(self):
        public = ganger("key", "new", self.key).stdout.strip()
        other = ganger("key", "new", self.key + "2").stdout.strip()
        path = pathlib.Path(self.keys)
        path.write_text("# by hand\n[bob]\nkey = " + other
                        + "\nroles = work\nrealms = default\nqueues = *\n",
                        encoding="ascii")
        run = ganger("key", "allow", self.key + ".pub", "--keys", self.keys, "--name",
                     "alice", "--role", "submit,observe", "--queue", "rep*", "--queue",
                     "mail")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(os.stat(self.keys).st_mode & 0o777, 0o600)
        listed = json.loads(ganger("key", "list", "--keys", self.keys, "-o", "json").stdout)
        self.assertEqual(listed[1], {
            "name": "alice", "key": public, "roles": "submit,observe",
            "realms": "default", "queues": "rep* mail"})
        # One key of 85 begins with a dash.
        self.assertEqual(ganger("key", "allow", "--keys", self.keys, "--name", "eve",
                                "--role", "work", "--", public).returncode, 3)
        self.assertEqual(ganger("key", "revoke", "--keys", self.keys, "--",
                                public).returncode, 0)
        text = path.read_text(encoding="ascii")
        self.assertIn("# by hand\n[bob]\n", text)
        self.assertNotIn("alice", text)
        self.assertEqual(ganger("key", "revoke", "alice", "--keys",
                                self.keys).returncode, 2)

    def test_what_the_file_may_not_hold_is_refused(self):
        public = ganger("key", "new", self.key).stdout.strip()
        for words in (["--name", "a b", "--role", "work"], ["--name", "a"],
                      ["--name", "a", "--role", "wrok"],
                      ["--name", "a", "--role", "work", "--queue", "a b"]):
            run = ganger("key", "allow", public, "--keys", self.keys, *words)
            self.assertEqual(run.returncode, 64, words)
        self.assertEqual(ganger("key", "allow", "short", "--keys", self.keys, "--name",
                                "a", "--role", "work").returncode, 64)
        self.assertFalse(os.path.exists(self.keys))
        pathlib.Path(self.keys).write_text("[a]\nnonsense\n", encoding="ascii")
        self.assertEqual(ganger("key", "list", "--keys", self.keys).returncode, 78)


class Dev(unittest.TestCase):
    def test_dev_starts_both_shows_what_to_try_and_stops_both(self):
        dev = Program("ganger", "dev", "--listen", "tcp://127.0.0.1:0", "--",
                      "tr", "a-z", "A-Z")
        tried = dev.wait_line("ganger run hello")
        endpoint = re.search(r"GANGER_BROKER=(\S+)", tried)[1]
        run = ganger("run", "hello", "good morning", broker=endpoint)
        self.assertEqual((run.returncode, run.stdout), (0, "GOOD MORNING"))
        status = json.loads(ganger("broker", "status", "-o", "json",
                                   broker=endpoint).stdout)
        self.assertEqual(dev.stop(signal.SIGINT), 0)
        self.assertFalse(os.path.exists(f"/proc/{status['pid']}"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
