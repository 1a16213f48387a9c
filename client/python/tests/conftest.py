"""Paths, and a real broker where a test wants one."""
import contextlib
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = pathlib.Path(os.environ.get("GG_SOURCE_DIR", HERE.parents[2]))
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))
PATIENCE_S = 60


def program(name):
    path = pathlib.Path(os.environ.get("GG_BIN_DIR", ROOT / "build/dev/bin")) / name
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return str(path)


class Broker:
    """A broker of its own, volatile without a folder for its data; kill() and start() it
    as often as you like."""

    def __init__(self, *settings, data=None):
        self.settings = settings
        self.keeps = ["--volatile"] if data is None else ["--data", str(data)]
        self.process = None
        self.client = self.agent = "tcp://127.0.0.1:0"
        self.start()

    def start(self):
        told = [word for one in self.settings for word in ("--set", one)]
        self.process = subprocess.Popen(
            [program("gangerd"), *self.keeps, "--listen", self.client,
             "--agent-listen", self.agent, *told], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            ready = re.search(r"event=ready .*client=(\S+) agent=(\S+)", line)
            if ready:
                self.client, self.agent = ready.groups()
                return
        raise AssertionError("the broker never said that it is ready")

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def restart(self):
        self.kill()
        self.start()


@pytest.fixture
def broker():
    one = Broker()
    yield one
    one.kill()


@contextlib.contextmanager
def noop_worker(endpoint):
    """A worker in C that gives payloads back, on queues noop*."""
    worker = subprocess.Popen(
        [program("ganger-worker"), "--broker", endpoint, "--queue", "noop*", "--slots",
         "100", "--builtin", "noop"], stderr=subprocess.PIPE, text=True)
    for line in worker.stderr:
        if "event=connected" in line:
            break
    yield worker
    worker.kill()
    worker.communicate()


@pytest.fixture
def noop(broker):
    with noop_worker(broker.client) as worker:
        yield worker


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """A broker that wants keys, and keys: alice may submit to up*, nobody knows eve."""
    for name in ("GANGER_KEY_FILE", "GANGER_SERVER_KEY"):
        monkeypatch.delenv(name, raising=False)

    def tool(*words):
        subprocess.run([program("ganger"), *map(str, words)], check=True, cwd=tmp_path,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    for name in ("broker", "alice", "eve"):
        tool("key", "new", f"{name}.key")
    tool("key", "allow", "alice.key.pub", "--keys", "keys", "--name", "alice", "--role",
         "submit", "--queue", "up*")
    one = Broker(f"server_key_file={tmp_path / 'broker.key'}", f"keys_file={tmp_path / 'keys'}")
    public = re.search(r'public-key = "(.*)"', (tmp_path / "broker.key.pub").read_text())[1]
    yield one, tmp_path, public
    one.kill()
