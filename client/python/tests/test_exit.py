"""Scripts end by themselves, with nothing left open and no warning: when their work is
done, and when it failed."""
import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import HERE, PATIENCE_S

import ganger
import ganger.aio

SYNC = """
client = ganger.Client({about}, timeout={timeout})
print(client.{call})
"""
AIO = """
async def main():
    client = ganger.aio.Client({about}, timeout={timeout})
    print(await client.{call})
asyncio.run(main())
"""
WITH = """
async def main():
    async with ganger.aio.Client({about}, timeout={timeout}) as client:
        print(await client.{call})
asyncio.run(main())
"""
FORMS = {"threads": SYNC, "asyncio": AIO, "asyncio-with": WITH}


def script(form, about, call, timeout=PATIENCE_S):
    text = ("import sys; sys.path.insert(0, sys.argv[1]); import asyncio, ganger.aio\n"
            + FORMS[form].format(about=about, call=call, timeout=timeout))
    return subprocess.Popen(
        [sys.executable, "-B", "-W", "error", "-X", "dev", "-c", text, str(HERE.parent)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process):
    out, err = process.communicate(timeout=PATIENCE_S)
    for word in ("Warning", "ignored", "never", "destroyed"):
        assert word not in err, err
    return process.returncode, out, err.strip().rpartition("\n")[2]


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


def test_when_its_work_is_done(form, broker):
    process = script(form, repr(broker.client), "submit('q')")
    status, out, last = end(process)

    assert (status, last) == (0, "") and "ready" in out


def test_when_there_is_no_broker(form):
    process = script(form, "'tcp://127.0.0.1:1'", "submit('q')", timeout=0.3)
    status, _, last = end(process)

    assert status == 1 and last.startswith("ganger.errors.NoBroker: ")


def test_when_the_broker_refuses(form, broker):
    process = script(form, repr(broker.client), "status(ganger.Target(queue='q', key='k'))")
    status, _, last = end(process)

    assert status == 1 and last.startswith("ganger.errors.NotFound: ")


def test_when_its_key_is_wrong(form, keys):
    broker, folder, public = keys
    about = f"{broker.client!r}, key_file={str(folder / 'eve.key')!r}, server_key={public!r}"
    status, _, last = end(script(form, about, "connect()"))

    assert status == 1 and last.startswith("ganger.errors.NoBroker: ")


def test_when_it_is_interrupted(form, broker):
    process = script(form, repr(broker.client), "run('nobody')")
    with ganger.Client(broker.client) as besides:
        while not list(besides.list(queue="nobody")):
            pass
    process.send_signal(signal.SIGINT)
    status, _, last = end(process)

    assert status in (130, -signal.SIGINT) and last == "KeyboardInterrupt"


@pytest.mark.parametrize("endpoint", ["broker", "nowhere"])
def test_closed_client_has_nothing_open(broker, endpoint):
    where = broker.client if endpoint == "broker" else "tcp://127.0.0.1:1"

    def ask(client):
        try:
            client.submit("q", timeout=0.3)
        except ganger.NoBroker:
            pass
        client.close()

    async def ask_on_a_loop():
        client = ganger.aio.Client(where)
        try:
            await client.submit("q", timeout=0.3)
        except ganger.NoBroker:
            pass
        await client.close()

    def count():
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    before = count()
    ask(ganger.Client(where))
    asyncio.run(ask_on_a_loop())

    # The kernel tells who joins a thread before it takes it off the list.
    limit = time.monotonic() + PATIENCE_S
    while count() != before and time.monotonic() < limit:
        time.sleep(0.01)
    assert count() == before and threading.active_count() == 1
