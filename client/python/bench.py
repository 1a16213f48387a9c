#!/usr/bin/env python3
"""Jobs a second through a broker and a no-op worker in C, beside redis-py where it is
installed: one call at a time, then with each client's own batching.

    bench.py [COUNT]        GG_BIN_DIR names the folder of the programs
"""
import asyncio
import gc
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import ganger
import ganger.aio

PAYLOAD = b"x" * 100
BATCH = 500


def wait_for(process, pattern):
    for line in process.stderr:
        found = re.search(pattern, line)
        if found:
            return found
    raise SystemExit("it did not start")


def rate(count, began):
    return count / (time.perf_counter() - began)


def one_at_a_time(client, count):
    began = time.perf_counter()
    for _ in range(count):
        client.run("noop", PAYLOAD)
    return rate(count, began)


def batched(client, count):
    works = [ganger.Submission("noop", PAYLOAD) for _ in range(count)]
    began = time.perf_counter()
    ended = list(client.run_many(works, timeout=60))
    assert all(one.error is None for one in ended) and len(ended) == count
    return rate(count, began)


async def asyncio_figures(endpoint, count):
    async with ganger.aio.Client(endpoint) as client:
        await client.run("noop")
        began = time.perf_counter()
        for _ in range(count // 10):
            await client.run("noop", PAYLOAD)
        single = rate(count // 10, began)
        works = [ganger.Submission("noop", PAYLOAD) for _ in range(count)]
        began = time.perf_counter()
        async for one in client.run_many(works, timeout=60):
            assert one.error is None
        many = rate(count, began)
        delays_ms = [await loop_delay(client, works[:BATCH]) for _ in range(20)]
        return single, many, max(delays_ms), await loop_delay(client, works)


async def loop_delay(client, works):
    """Longest CPU time, in ms, of a round of the loop while the jobs run, without and
    with what Python's collector of garbage takes, which grows with all that the program
    holds. (The scheduler's delays are not the client's.)"""
    own, whole, collected, began_at = 0.0, 0.0, 0.0, 0.0

    def on_collection(phase, about):
        nonlocal collected, began_at
        if phase == "start":
            began_at = time.thread_time()
        else:
            collected += time.thread_time() - began_at

    async def look():
        nonlocal own, whole, collected
        while True:
            began, collected = time.thread_time(), 0.0
            await asyncio.sleep(0)
            took = time.thread_time() - began
            own, whole = max(own, took - collected), max(whole, took)

    gc.callbacks.append(on_collection)
    looker = asyncio.create_task(look())
    async for one in client.run_many(works, timeout=60):
        assert one.error is None
    looker.cancel()
    gc.callbacks.remove(on_collection)
    return own * 1000, whole * 1000


def redis_figures(count):
    """A list as a queue: push and pop, one process; no result comes back."""
    try:
        import redis
    except ImportError:
        return None
    if shutil.which("redis-server") is None:
        return None
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        server = subprocess.Popen(
            ["redis-server", "--port", str(port), "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL)
        try:
            return redis_rates(redis, port, count)
        finally:
            server.kill()
            server.wait()


def redis_rates(redis, port, count):
    store = redis.Redis(port=port)
    while True:
        try:
            store.ping()
            break
        except redis.exceptions.ConnectionError:
            pass
    began = time.perf_counter()
    for _ in range(count // 10):
        store.lpush("q", PAYLOAD)
        store.rpop("q")
    single = rate(count // 10, began)
    began = time.perf_counter()
    for _ in range(count // BATCH):
        with store.pipeline(transaction=False) as pipe:
            for _ in range(BATCH):
                pipe.lpush("q", PAYLOAD)
            for _ in range(BATCH):
                pipe.rpop("q")
            pipe.execute()
    return single, rate(count // BATCH * BATCH, began)


def main(count):
    folder = pathlib.Path(os.environ.get("GG_BIN_DIR", "build/release/bin"))
    broker = subprocess.Popen(
        [folder / "gangerd", "--volatile", "--listen", "tcp://127.0.0.1:0"],
        stderr=subprocess.PIPE, text=True)
    endpoint = wait_for(broker, r"event=ready .*client=(\S+)")[1]
    worker = subprocess.Popen(
        [folder / "ganger-worker", "--broker", endpoint, "--queue", "noop", "--slots",
         "1000", "--builtin", "noop"], stderr=subprocess.PIPE, text=True)
    wait_for(worker, "event=connected")
    try:
        with ganger.Client(endpoint) as client:
            client.run("noop")
            single, many = one_at_a_time(client, count // 10), batched(client, count)
        print(f"threads   {single:8.0f} one at a time  {many:8.0f} batched  "
              f"{many / single:5.1f} x")
        single, many, delay_ms, all_ms = asyncio.run(asyncio_figures(endpoint, count))
        print(f"asyncio   {single:8.0f} one at a time  {many:8.0f} batched  "
              f"{many / single:5.1f} x")
        for jobs, (own_ms, whole_ms) in ((BATCH, delay_ms), (count, all_ms)):
            print(f"          longest round of the loop with {jobs} in flight: "
                  f"{own_ms:.1f} ms of CPU, {whole_ms:.1f} with the collector")
    finally:
        for process in (worker, broker):
            process.kill()
            process.communicate()
    figures = redis_figures(count)
    if figures is None:
        print("redis-py is not installed here")
    else:
        print(f"redis-py  {figures[0]:8.0f} one at a time  {figures[1]:8.0f} batched  "
              f"{figures[1] / figures[0]:5.1f} x (push and pop, no result)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20000)
