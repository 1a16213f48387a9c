"""The two clients against a real broker, where the conformance suite does not look."""
import asyncio
import os
import re
import subprocess
import sys
import threading
import time

import pytest
from conftest import HERE, PATIENCE_S, ROOT, Broker, noop_worker, program

import ganger
import ganger.aio

BLOCK_MS_MAX = 10


def test_run_of_a_failed_job_raises_what_happened(broker):
    with ganger.Client(broker.client) as client:
        job = client.submit("nobody", expires_ms=1)
        with pytest.raises(ganger.JobEnded) as caught:
            client.result(job, timeout=PATIENCE_S)
    error = caught.value
    assert (error.code, error.number, error.job.id) == ("expired", 34, job.id)
    assert "expires_ms" in error.advice and error.exit_code == 1


def test_many_threads_share_one_client(broker, noop):
    results = []
    with ganger.Client(broker.client) as client:

        def work(n):
            results.append(client.run("noop", str(n), timeout=PATIENCE_S).result)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(results, key=int) == [b"%d" % n for n in range(50)]


def test_calls_of_a_closed_client_end(broker):
    client = ganger.Client(broker.client)
    box = []

    def wait():
        try:
            client.run("nobody", timeout=PATIENCE_S)
        except ganger.GangerError as error:
            box.append(error.code)

    client.submit("nobody")
    thread = threading.Thread(target=wait)
    thread.start()
    with ganger.Client(broker.client) as other:
        while len(list(other.list(queue="nobody"))) < 2:
            pass
    client.close()
    thread.join(PATIENCE_S)
    assert box == ["usage"]
    with pytest.raises(ganger.BadCall):
        client.submit("q")


def test_fan_out_gives_what_is_there_at_the_deadline(broker, noop):
    works = [ganger.Submission(queue) for queue in ("noop", "nobody", "noop")]
    with ganger.Client(broker.client) as client:
        client.connect(PATIENCE_S)
        ended = {one.index: one for one in client.run_many(works, timeout=1)}
    assert ended[0].job.succeeded and ended[2].job.succeeded
    assert isinstance(ended[1].error, ganger.TimedOut)
    assert ended[1].error.job.id == ended[1].job.id


def test_bad_calls_are_refused_here(broker):
    with ganger.Client(broker.client) as client:
        for call in (
            lambda: client.submit("q", nonsense=1),
            lambda: client.submit("q", backoff="sometimes"),
            lambda: client.status("not an id"),
            lambda: client.status(ganger.Target(queue="q")),
            lambda: client.submit_many([]),
            lambda: client.submit("q", 7),
        ):
            with pytest.raises(ganger.BadCall):
                call()
    with pytest.raises(ganger.BadCall):
        ganger.Client("nowhere")


def test_reason_is_named_where_no_broker_is():
    with ganger.Client("tcp://127.0.0.1:1") as client:
        with pytest.raises(ganger.NoBroker) as caught:
            client.submit("q", timeout=1)
    assert caught.value.code == "connection_refused" and "7440" not in caught.value.text


def test_script_ends_by_itself_without_close(broker):
    """Nothing is left open at its end, and nobody warns."""
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import ganger\n"
              "client = ganger.Client(sys.argv[2]); print(client.submit('q').state)")
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-X", "dev", "-c", script,
         str(HERE.parent), broker.client],
        capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")


def test_child_of_a_fork_is_told(broker):
    with ganger.Client(broker.client) as client:
        client.submit("q")
        pid = os.fork()
        if pid == 0:
            try:
                client.submit("q")
            except ganger.BadCall:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_left_iterators_leave_no_request(broker):
    with ganger.Client(broker.client) as client:
        job = client.submit("nobody")
        with client.watch(job) as items:
            next(items)
        client.events().close()
        client.status(job)
        assert client._engine.session.requests == {}


def test_broker_restarted_under_load(broker, noop):
    """No call hangs, each ends as done, refused or unknown."""
    ends = []

    def ask(client, n):
        try:
            ends.append(client.run("noop", str(n), timeout=20).result)
        except ganger.GangerError as error:
            ends.append(error.code)

    with ganger.Client(broker.client) as client:
        client.run("noop", timeout=PATIENCE_S)
        threads = [threading.Thread(target=ask, args=(client, n)) for n in range(40)]
        for n, thread in enumerate(threads):
            thread.start()
            if n == 20:
                broker.restart()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in threads)
    allowed = {b"%d" % n for n in range(40)} | {"lost_with_broker"}
    assert len(ends) == 40 and set(ends) <= allowed


def test_durable_broker_killed_under_load_loses_nothing(tmp_path):
    """Three kill -9 while jobs are submitted and waited for: all of them succeed."""
    broker = Broker(data=tmp_path / "data")
    works = [ganger.Submission("noop", str(n), keep_ms=60000) for n in range(600)]
    with noop_worker(broker.client), ganger.Client(broker.client) as client:
        results = {}
        for one in client.run_many(works, timeout=PATIENCE_S):
            results[one.index] = one.result
            if len(results) in (100, 250, 400):
                broker.restart()
        accepted = [stat for stat in client.stats() if stat["name"] == "jobs_accepted_total"]
    broker.kill()
    assert results == {n: b"%d" % n for n in range(600)}
    assert accepted[0].get("value", 0) <= 600


def test_wire_that_is_cut_ends_calls_in_their_own_time(broker, noop, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests/fault/real"))
    from proxy import Proxy

    wire = Proxy()
    wire.start(broker.client)
    with ganger.Client(wire.endpoint) as client:
        client.run("noop", timeout=PATIENCE_S)
        waiting = client.run_many([ganger.Submission("noop", str(n)) for n in range(50)],
                                  timeout=PATIENCE_S)
        wire.cut()
        began = time.monotonic()
        with pytest.raises(ganger.Unknown):
            client.submit("noop", timeout=1)
        took_s = time.monotonic() - began
        wire.mend()
        ended = {one.index: one.result for one in waiting}
        assert client.run("noop", b"after", timeout=PATIENCE_S).result == b"after"
    wire.close()
    assert 0.9 < took_s < 2 and ended == {n: b"%d" % n for n in range(50)}


# ---- keys ----


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


def test_key_says_who_someone_is(keys):
    broker, folder, public = keys
    with ganger.Client(broker.client, key_file=str(folder / "alice.key"),
                       server_key=public) as client:
        assert client.submit("upper", timeout=PATIENCE_S).state == "ready"
        with pytest.raises(ganger.Refused) as caught:
            client.submit("other")
        assert caught.value.code == "not_allowed"


@pytest.mark.parametrize("who", ["eve", None, "wrong server"])
def test_key_that_is_not_known_is_named_as_the_cause(keys, who):
    broker, folder, public = keys
    told = {"key_file": str(folder / "eve.key"), "server_key": public}
    if who is None:
        told = {}
    elif who == "wrong server":
        text = (folder / "alice.key.pub").read_text()
        told = {"key_file": str(folder / "alice.key"),
                "server_key": re.search(r'public-key = "(.*)"', text)[1]}
    with ganger.Client(broker.client, **told) as client:
        began = time.monotonic()
        with pytest.raises(ganger.NoBroker) as caught:
            client.connect(timeout=20)
        with pytest.raises(ganger.NoBroker):
            client.submit("upper", timeout=0.2)
    assert caught.value.code in ("key_refused", "not_ganger") and time.monotonic() < began + 10


def test_key_file_that_others_can_read_is_refused(keys):
    _, folder, public = keys
    (folder / "alice.key").chmod(0o644)
    with pytest.raises(ganger.BadCall, match="chmod 600"):
        ganger.Client(key_file=str(folder / "alice.key"), server_key=public)


# ---- asyncio ----


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE_S))


def test_cancelled_call_is_forgotten(broker):
    async def main():
        async with ganger.aio.Client(broker.client) as client:
            task = asyncio.create_task(client.run("nobody"))
            await client.submit("other")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert client._engine.session.requests == {}
            assert (await client.broker())["state"] == "serving"

    run(main())


def test_loop_is_never_blocked(broker, noop):
    """A thousand jobs at once, a broker that dies and comes back: the loop goes round."""

    async def main():
        slowest = 0.0
        going = True

        async def look():
            nonlocal slowest
            while going:
                began = time.thread_time()
                await asyncio.sleep(0)
                slowest = max(slowest, time.thread_time() - began)

        async with ganger.aio.Client(broker.client) as client:
            await client.run("noop")
            looker = asyncio.create_task(look())
            for _ in range(3):
                ended = [one async for one in client.run_many(
                    [ganger.Submission("noop", "x" * 100) for _ in range(300)])]
                assert all(one.error is None for one in ended)
            restart = asyncio.get_running_loop().run_in_executor(None, broker.restart)
            ended = [one async for one in client.run_many(
                [ganger.Submission("noop") for _ in range(300)], timeout=20)]
            await restart
            assert len(ended) == 300
            going = False
            await looker
        return slowest

    slowest_ms = run(main()) * 1000
    print(f"the loop was blocked for {slowest_ms:.1f} ms of CPU at most")
    assert slowest_ms < BLOCK_MS_MAX


def test_watching_and_events_of_asyncio(broker, noop):
    async def main():
        async with ganger.aio.Client(broker.client) as client:
            moments = client.events("noop*")
            job = await client.submit("noop", "x", keep_ms=60000)
            items = [item async for item in client.watch(job)]
            assert items[-1].result == b"x"
            kinds = []
            async for moment in moments:
                kinds.append(moment.kind)
                if moment.kind == "ended":
                    break
            moments.close()
            assert kinds[0] == "accepted"

    run(main())
