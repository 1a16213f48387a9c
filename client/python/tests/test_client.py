"""The two clients against a real broker, where the conformance suite does not look."""
import asyncio
import collections
import gc
import inspect
import os
import queue
import re
import threading
import time

import pytest
from conftest import PATIENCE_S, ROOT, Broker

import ganger
import ganger.aio
from ganger import _engine

LIMIT_S = 10  # Of a call that may take one second, on a machine that is busy.


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


def test_both_clients_have_the_same_calls_with_the_same_arguments():
    def calls(kind):
        return {name: set(inspect.signature(one).parameters) for name, one in
                vars(kind).items() if inspect.isfunction(one) and name[0] != "_"}

    assert calls(ganger.Client) == calls(ganger.aio.Client)


@pytest.fixture
def garbage():
    """Counts by their types what only the collector can free, since it was asked last."""
    def count():
        gc.collect()
        kinds = collections.Counter(type(one).__name__ for one in gc.garbage)
        gc.garbage.clear()
        return kinds

    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield count
    gc.set_debug(0)
    gc.garbage.clear()


def test_calls_of_threads_leave_nothing_to_the_collector(broker, noop, garbage):
    with ganger.Client(broker.client) as client:
        job = client.run("noop", key="kept")
        garbage()
        for _ in range(20):
            client.run("noop")
            client.wait(job)
            with pytest.raises(ganger.NotFound):
                client.status("0" * 25 + "1")
        assert all(one.error is None for one in client.run_many(["noop"] * 20))
        left = garbage()
    assert not {kind for kind, count in left.items() if count >= 20}, left


def test_calls_of_a_loop_leave_nothing_to_the_collector(broker, noop, garbage):
    """It would stop the loop, for longer the more the process holds."""
    async def main():
        async with ganger.aio.Client(broker.client) as client:
            job = await client.run("noop", key="kept")
            garbage()
            for _ in range(20):
                await client.run("noop")
                await client.wait(job)
                with pytest.raises(ganger.NotFound):
                    await client.status("0" * 25 + "1")
                task = asyncio.create_task(client.run("nobody"))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert all([one.error is None async for one in client.run_many(["noop"] * 20)])
            return garbage()

    left = asyncio.run(main())
    assert not {kind for kind, count in left.items() if count >= 20}, left


def test_a_list_that_breaks_off_raises_why_in_its_turn(broker, noop):
    def works():
        yield ganger.Submission("noop", "one")
        raise ZeroDivisionError("in the caller's own iterator")

    async def main():
        async with ganger.aio.Client(broker.client) as client:
            each, ended = client.run_many(works(), timeout=PATIENCE_S), []
            with pytest.raises(ZeroDivisionError):
                async for one in each:
                    ended.append(one)
            ended += [one async for one in each]
            return ended

    ended = asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
    assert [one.job.result for one in ended] == [b"one"]


def test_a_list_ends_when_its_client_is_closed(broker):
    async def main():
        client = ganger.aio.Client(broker.client)
        works = [ganger.Submission("nobody", "x" * 200000, unique=True) for _ in range(9)]
        each = client.run_many(works, timeout=PATIENCE_S)
        await client.close()
        with pytest.raises(ganger.BadCall):
            async for one in each:
                assert isinstance(one.error, ganger.BadCall)

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


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
    assert 0.9 < took_s < LIMIT_S and ended == {n: b"%d" % n for n in range(50)}


def test_backup_is_a_new_file_on_the_host_of_the_broker(tmp_path):
    broker = Broker(data=tmp_path / "data")
    with ganger.Client(broker.client, timeout=PATIENCE_S) as client:
        client.submit("q", "kept", unique=True)
        client.backup(str(tmp_path / "copy"), "a test")
        with pytest.raises(ganger.Refused) as caught:
            client.backup("relative")

    async def main():
        async with ganger.aio.Client(broker.client, timeout=PATIENCE_S) as client:
            await client.backup(str(tmp_path / "again"))

    run(main())
    broker.kill()
    assert caught.value.code == "bad_field"
    assert (tmp_path / "copy").stat().st_size > 0 < (tmp_path / "again").stat().st_size


def test_backup_of_a_broker_without_a_store_is_refused(broker, tmp_path):
    with ganger.Client(broker.client) as client:
        with pytest.raises(ganger.Refused) as caught:
            client.backup(str(tmp_path / "copy"))
    assert caught.value.code == "not_durable"


def test_purge_shows_its_size_before_it_is_done(broker):
    with ganger.Client(broker.client) as client:
        for _ in range(3):
            client.submit("old")
        assert client.purge("old", dry_run=True)["count"] == 3
        assert client.purge("old", states=["ready"], reason="a test")["count"] == 3
        assert list(client.list(queue="old", states=["ready"])) == []


# ---- keys ----


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


# ---- a clock that is wrong ----


TEN_MINUTES_MS = 600000


@pytest.fixture
def clock(monkeypatch):
    """The wall clock of this process, as the clients read it: set `off_ms`."""
    class Clock:
        off_ms = 0

    monkeypatch.setattr(_engine, "wall_ms",
                        lambda: time.time_ns() // 1_000_000 + Clock.off_ms)
    return Clock


def of_now(jobs):
    """Are these ids of the time it is?"""
    ages = [time.time() * 1000 - int.from_bytes(job.id_bytes[:6], "big") for job in jobs]
    return all(abs(age) < 60000 for age in ages)


def submit_all(client):
    """Submissions of every kind, as calls."""
    two = [ganger.Submission("q", "1"), ganger.Submission("q", "2")]
    return [lambda: [client.submit("q", "0")], lambda: client.submit_many(two),
            lambda: [one.job for one in client.submit_each(two)]]


@pytest.mark.parametrize("off_ms", [-TEN_MINUTES_MS, TEN_MINUTES_MS])
@pytest.mark.parametrize("kind", range(3))
def test_client_whose_clock_is_wrong_submits(broker, clock, off_ms, kind):
    clock.off_ms = off_ms
    with ganger.Client(broker.client, timeout=PATIENCE_S) as client:
        assert of_now(submit_all(client)[kind]())


def away(broker, clock):
    """What is asked for now was asked ten minutes before the broker came back."""
    broker.kill()
    clock.off_ms = -TEN_MINUTES_MS


def back(broker, clock):
    clock.off_ms = 0
    broker.start()


def test_what_waited_for_the_broker_longer_than_the_window_is_taken(broker, clock):
    away(broker, clock)
    jobs, asked = [], queue.SimpleQueue()
    with ganger.Client(broker.client, timeout=PATIENCE_S) as client:
        ask = client._engine.ask
        client._engine.ask = lambda *words: asked.put(one := ask(*words)) or one
        threads = [threading.Thread(target=lambda call=call: jobs.extend(call()))
                   for call in submit_all(client)]
        for thread in threads:
            thread.start()
        for _ in range(4):  # The last kind asks for each.
            asked.get(timeout=PATIENCE_S)
        back(broker, clock)
        for thread in threads:
            thread.join()
    assert len(jobs) == 5 and of_now(jobs)


def test_what_waited_longer_than_the_window_in_a_loop_is_taken(broker, clock):
    away(broker, clock)

    async def main():
        two = [ganger.Submission("q", "1"), ganger.Submission("q", "2")]
        async with ganger.aio.Client(broker.client, timeout=PATIENCE_S) as client:
            tasks = [asyncio.create_task(client.submit("q", "0")),
                     asyncio.create_task(client.submit_many(two))]
            while len(client._engine.session.requests) < 2:
                assert not any(task.done() for task in tasks)
                await asyncio.sleep(0)
            await asyncio.to_thread(back, broker, clock)
            return [await tasks[0], *await tasks[1]]

    jobs = run(main())
    assert len(jobs) == 3 and of_now(jobs)


@pytest.mark.parametrize("off_ms", [-TEN_MINUTES_MS, TEN_MINUTES_MS])
def test_loop_whose_clock_is_wrong_submits(broker, clock, off_ms):
    clock.off_ms = off_ms

    async def main():
        two = [ganger.Submission("q", "1"), ganger.Submission("q", "2")]
        async with ganger.aio.Client(broker.client, timeout=PATIENCE_S) as client:
            return await client.submit_many(two) + [await client.submit("q", "0")]

    assert of_now(run(main()))


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
