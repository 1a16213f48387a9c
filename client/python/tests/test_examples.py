"""The examples run, as users would run them."""
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from conftest import HERE, PATIENCE_S, ROOT, program

import ganger
from ganger.worker import Worker

EXAMPLES = HERE.parent / "examples"


@pytest.fixture
def start(broker):
    env = {**os.environ, "PYTHONPATH": str(HERE.parent), "GANGER_BROKER": broker.client}
    processes = []

    def started(*command, **more):
        process = subprocess.Popen([str(part) for part in command], env=env, text=True,
                                   **more)
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_web_server_answers_202_until_the_report_is_there(start):
    server = start(sys.executable, "-B", EXAMPLES / "web_server.py", 0,
                   stdout=subprocess.PIPE)
    url = server.stdout.readline().strip()
    status, body = get(url)
    assert status == 202 and json.loads(body)["state"] == "ready"

    start(program("ganger-worker"), "--queue", "reports", "--",
          ROOT / "worker/examples/package-report", "--seconds", "1")
    seen = []
    while status == 202:
        status, body = get(url)
        if status == 202:
            seen.append(json.loads(body)["progress"])

    assert status == 200 and body.startswith(b"section,packages,")
    assert any(0 < progress < 1 for progress in seen)
    assert get(url) == (200, body)  # Kept: nothing runs again.
    assert get(url.replace("report", "nothing"))[0] == 404


def test_web_server_is_short():
    lines = (EXAMPLES / "web_server.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 60


def test_worker_and_fan_out_with_a_deadline(start):
    worker = start(sys.executable, "-B", EXAMPLES / "worker.py", "--slots", 2,
                   stderr=subprocess.PIPE)
    for line in worker.stderr:
        if "event=connected" in line:
            break

    def fan_out(limit_s):
        process = start(sys.executable, "-B", EXAMPLES / "fan_out.py", limit_s,
                        stdout=subprocess.PIPE)
        said = process.communicate(timeout=PATIENCE_S)[0]
        assert process.returncode == 0
        return list(map(int, re.findall(r"^(\d+) of 100 in .* (\d+) cancelled, (\d+) failed",
                                        said)[0]))

    assert fan_out(PATIENCE_S) == [100, 0, 0]
    worker.send_signal(19)  # SIGSTOP: nothing more comes.
    done, cancelled, failed = fan_out(1)
    worker.send_signal(18)
    assert (done, failed) == (0, 0) and cancelled == 100


def blocks_of_the_readme():
    text = (HERE.parent / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_calls_in_the_readme_are_calls_that_there_are(start, broker):
    worker = start(program("ganger-worker"), "--queue", "reports", "--name", "readme",
                   "--builtin", "noop", "--slots", 4, stderr=subprocess.PIPE)
    for line in worker.stderr:
        if "event=connected" in line:
            break
    block = blocks_of_the_readme()[1].replace("tcp://127.0.0.1:7440", broker.client)
    names = {"ganger": ganger, "payload": b"payload",
             "submissions": [ganger.Submission("reports", b"one")]}

    exec(block, names)

    assert names["data"] == b"payload" and names["item"].succeeded
    assert names["one"].result == b"one"


def test_test_mode_in_the_readme_is_as_it_says():
    worker = Worker()

    @worker.handler("mail")
    def mail(task):
        return task.payload

    def order_book(client):
        client.submit("mail", "to you", key="order-7")

    exec(blocks_of_the_readme()[2], {"worker": worker, "order_book": order_book})


def test_start_of_the_readme(start, tmp_path):
    """Ten lines and the two commands that follow them."""
    text = (HERE.parent / "README.md").read_text(encoding="utf-8")
    script = blocks_of_the_readme()[0]
    commands = re.findall(r"^    python3 (start.py.*)$", text, re.MULTILINE)
    assert len(script.splitlines()) <= 10 and len(commands) == 2
    (tmp_path / "start.py").write_text(script, encoding="utf-8")

    def words(command):
        return [sys.executable, "-B", *command.removesuffix(" &").split()]

    start(*words(commands[0]), cwd=tmp_path, stderr=subprocess.DEVNULL)
    client = start(*words(commands[1]), cwd=tmp_path, stdout=subprocess.PIPE)

    assert client.communicate(timeout=PATIENCE_S)[0] == "b'HI'\n"
