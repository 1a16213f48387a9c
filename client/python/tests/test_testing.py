"""The stand-in for a broker."""
import asyncio

import pytest
from conftest import HERE

import ganger
import ganger.testing
from ganger.worker import Registry, Reject, Snooze

assert HERE


@pytest.fixture
def worker():
    registry = Registry()

    @registry.handler("upper")
    def upper(task):
        return task.text.upper()

    @registry.handler("second")
    def second(task):
        if task.attempt == 1:
            task.store("first was here")
            raise Exception("not yet")
        return task.checkpoint

    @registry.handler("refuse")
    def refuse(task):
        raise Reject("no")

    @registry.handler("sleepy")
    def sleepy(task):
        if not task.checkpoint:
            task.store("slept")
            raise Snooze(1000)
        return b"%d" % task.attempt

    return registry


def test_inline_runs_in_submit(worker):
    client = ganger.testing.Client(worker)

    assert client.run("upper", "hello").result == b"HELLO"
    assert client.run("second").result == b"first was here"
    assert client.run("sleepy").result == b"1"
    assert client.status(client.submit("upper", "x")).state == "succeeded"
    with pytest.raises(ganger.JobEnded) as caught:
        client.run("refuse")
    assert (caught.value.code, caught.value.text) == ("rejected", "no")


def test_keys_are_as_with_a_broker(worker):
    client = ganger.testing.Client(worker)
    first = client.submit("upper", "a", key="k")

    again = client.submit("upper", "a", key="k")

    assert again.id == first.id and again.existing and not first.existing
    with pytest.raises(ganger.KeyConflict):
        client.submit("upper", "b", key="k")
    client.submit("refuse", key="k")
    assert not client.submit("refuse", key="k").existing  # A failure frees its key.


def test_manual_waits_for_the_test(worker):
    client = ganger.testing.Client(worker, mode="manual")
    job = client.submit("upper", "hello", key="k")
    other = client.submit("elsewhere")

    assert client.status(job).state == "ready"
    with pytest.raises(ganger.TimedOut):
        client.result(job)
    assert client.perform() == 1
    assert client.result(job) == b"HELLO"
    assert client.finish(other, "by hand").result == b"by hand"
    assert client.cancel(other) == "too_late"
    failed = client.submit("elsewhere")
    assert client.finish(failed, error="failed", text="why").error_text == "why"
    assert client.retry(failed).state == "ready"
    assert client.cancel(failed) == "cancelled"


def test_assertions_tell_what_there_is():
    client = ganger.testing.Client()
    client.assert_nothing_submitted()
    client.submit("mail", "to you", key="k")

    (found,) = client.assert_submitted("mail", count=1, payload="to you", key="k")

    assert found.job.state == "ready"
    with pytest.raises(AssertionError, match="mail"):
        client.assert_submitted("post")
    with pytest.raises(AssertionError):
        client.assert_nothing_submitted()
    assert [job.id for job in client.list(queue="mail")] == [found.job.id]


def test_bad_calls_are_bad_here_too():
    client = ganger.testing.Client()
    with pytest.raises(ganger.BadCall):
        client.submit("q", nonsense=1)
    with pytest.raises(ganger.Refused):
        client.submit("a b")
    with pytest.raises(ganger.NotFound):
        client.status(ganger.Target(queue="q", key="k"))


def test_asyncio_has_it_too(worker):
    async def main():
        async with ganger.testing.AsyncClient(worker) as client:
            assert (await client.run("upper", "x")).result == b"X"
            client.client.assert_submitted("upper")

    asyncio.run(main())
