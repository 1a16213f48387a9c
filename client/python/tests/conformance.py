#!/usr/bin/python3
"""The Python client and worker under the conformance suite (tests/conformance/README.md).

    conformance.py client                          ganger.Client
    conformance.py aio client                      ganger.aio.Client
    conformance.py worker ENDPOINT NAME PREFIX     ganger.worker
"""
import asyncio
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import ganger
import ganger.aio

EXACT_MAX = (1 << 53) - 1
CALL_S = 20.0
BACKOFFS = ("", "fixed", "exponential", "list")
UNTIL = ("evicted", "started", "finished")
DURABILITIES = ("", "none", "fsync")


# ---- values ----


def number(value):
    return int(value)


def out(value):
    return str(value) if value > EXACT_MAX else value


def submission(request):
    words = {"backoff": BACKOFFS, "unique_until": UNTIL, "durability": DURABILITIES}
    fields = {}
    for name in ganger.Submission.__dataclass_fields__:
        if name not in request:
            continue
        value = request[name]
        if name in ("payload", "key", "id"):
            value = bytes.fromhex(value)
        elif name in words:
            value = words[name][value]
        elif name not in ("queue", "realm", "tags", "backoff_list"):
            value = number(value)
        fields[name] = value
    return ganger.Submission(**fields)


def target(request):
    return ganger.Target(
        id=bytes.fromhex(request["id"]) if "id" in request else None,
        queue=request.get("queue", ""), key=bytes.fromhex(request.get("key", "")),
        realm=request.get("realm", ""), epoch=number(request.get("epoch", 0)),
    )


def job_of(job):
    answer = {
        name: getattr(job, name)
        for name in ("realm", "queue", "existing", "cancelling", "state", "attempt",
                     "attempts_max", "priority", "error", "error_text", "result_gone",
                     "tags")
    }
    answer.update({name: out(getattr(job, name)) for name in
                   ("result_bytes", "run_at", "fence", "epoch")})
    answer.update(id=job.id_bytes.hex(), key=job.key.hex(),
                  durability=DURABILITIES.index(job.durability))
    if job.has_result:
        answer["result"] = job.result.hex()
    return answer


def moment_of(moment):
    return {"kind": moment.kind, "id": moment.id_bytes.hex(), "queue": moment.queue,
            "attempt": moment.attempt, "error": moment.error, "text": moment.text,
            "seq": out(moment.seq)}


def error_of(error):
    return {"error": error.code, "number": error.number, "text": error.text,
            "retry_ms": error.retry_ms}


def job_or_raise(error):
    """A job that ended badly is no error here."""
    if error.job is not None and error.job.ended:
        return {"job": job_of(error.job)}
    raise error


def ended_of(all_ended, count):
    jobs = [None] * count
    for one in all_ended:
        jobs[one.index] = job_of(one.job) if one.error is None else error_of(one.error)
    return {"jobs": jobs, "order": [one.index for one in all_ended]}


def watched(items):
    progress = [{"progress_ppm": one.ppm, "progress_text": one.text}
                for one in items if isinstance(one, ganger.Progress) and one.ppm]
    partial = b"".join(one.data for one in items if isinstance(one, ganger.Partial))
    return {"job": job_of(items[-1]), "progress": progress, "partial": partial.hex()}


def options(request):
    return {name: request[name] for name in ("key_file", "server_key", "name")
            if name in request}


def conditions(request):
    told = {name: request[name] for name in ("realm", "queue", "states", "tag", "error_has")
            if name in request}
    return {**told, "key": bytes.fromhex(request.get("key", ""))}


# ---- the client with threads ----


class Driver:
    client = None
    moments = None

    def open(self, request, limit):
        self.close(request, limit)
        self.client = ganger.Client(request["endpoint"], **options(request))
        return {}

    def close(self, request, limit):
        if self.client is not None:
            self.client.close()
        self.client = None
        return {}

    def submit(self, request, limit):
        return {"job": job_of(self.client.submit(submission(request), timeout=limit))}

    def submit_many(self, request, limit):
        works = [submission(one) for one in request["jobs"]]
        return {"jobs": [job_of(one) for one in self.client.submit_many(works, limit)]}

    def run(self, request, limit):
        try:
            return {"job": job_of(self.client.run(submission(request), timeout=limit))}
        except ganger.JobEnded as error:
            return job_or_raise(error)

    def get(self, request, limit):
        told = request.get("want_result", False)
        return {"job": job_of(self.client.status(target(request), with_result=told,
                                                 timeout=limit))}

    def wait(self, request, limit):
        return {"job": job_of(self.client.wait(target(request), limit))}

    def wait_many(self, request, limit):
        whiches = [target(one) for one in request["targets"]]
        return ended_of(list(self.client.as_completed(whiches, limit)), len(whiches))

    def watch(self, request, limit):
        return watched(list(self.client.watch(target(request), timeout=limit)))

    def cancel(self, request, limit):
        reason = request.get("reason", "")
        return {"verdict": self.client.cancel(target(request), reason, limit)}

    def retry(self, request, limit):
        reason = request.get("reason", "")
        return {"job": job_of(self.client.retry(target(request), reason, limit))}

    def list(self, request, limit):
        found = self.client.list(timeout=limit, **conditions(request))
        return {"jobs": [job_of(job) for job in found]}

    def history(self, request, limit):
        moments = self.client.history(target(request), timeout=limit)
        return {"moments": [moment_of(one) for one in moments]}

    def events(self, request, limit):
        self.moments = self.client.events(request.get("queue", ""),
                                          realm=request.get("realm", ""))
        return {}

    def next_event(self, request, limit):
        return {"moment": moment_of(self.moments.next(limit))}


def client():
    driver = Driver()
    for line in sys.stdin:
        request = json.loads(line)
        limit = request.get("timeout_ms", CALL_S * 1000) / 1000
        try:
            answer = getattr(driver, request["op"])(request, limit)
        except ganger.GangerError as error:
            answer = error_of(error)
        print(json.dumps(answer), flush=True)
    driver.close(None, None)


# ---- the client of asyncio ----


class AsyncDriver:
    client = None
    moments = None

    async def open(self, request, limit):
        await self.close(request, limit)
        self.client = ganger.aio.Client(request["endpoint"], **options(request))
        return {}

    async def close(self, request, limit):
        if self.client is not None:
            await self.client.close()
        self.client = None
        return {}

    async def submit(self, request, limit):
        return {"job": job_of(await self.client.submit(submission(request), timeout=limit))}

    async def submit_many(self, request, limit):
        works = [submission(one) for one in request["jobs"]]
        return {"jobs": [job_of(one) for one in await self.client.submit_many(works, limit)]}

    async def run(self, request, limit):
        try:
            return {"job": job_of(await self.client.run(submission(request), timeout=limit))}
        except ganger.JobEnded as error:
            return job_or_raise(error)

    async def get(self, request, limit):
        told = request.get("want_result", False)
        return {"job": job_of(await self.client.status(target(request), with_result=told,
                                                       timeout=limit))}

    async def wait(self, request, limit):
        return {"job": job_of(await self.client.wait(target(request), limit))}

    async def wait_many(self, request, limit):
        whiches = [target(one) for one in request["targets"]]
        all_ended = [one async for one in self.client.as_completed(whiches, limit)]
        return ended_of(all_ended, len(whiches))

    async def watch(self, request, limit):
        return watched([one async for one in self.client.watch(target(request),
                                                               timeout=limit)])

    async def cancel(self, request, limit):
        reason = request.get("reason", "")
        return {"verdict": await self.client.cancel(target(request), reason, limit)}

    async def retry(self, request, limit):
        reason = request.get("reason", "")
        return {"job": job_of(await self.client.retry(target(request), reason, limit))}

    async def list(self, request, limit):
        found = self.client.list(timeout=limit, **conditions(request))
        return {"jobs": [job_of(job) async for job in found]}

    async def history(self, request, limit):
        moments = await self.client.history(target(request), timeout=limit)
        return {"moments": [moment_of(one) for one in moments]}

    async def events(self, request, limit):
        self.moments = self.client.events(request.get("queue", ""),
                                          realm=request.get("realm", ""))
        return {}

    async def next_event(self, request, limit):
        return {"moment": moment_of(await asyncio.wait_for(anext(self.moments), limit))}


async def client_aio():
    driver = AsyncDriver()
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            break
        request = json.loads(line)
        limit = request.get("timeout_ms", CALL_S * 1000) / 1000
        try:
            answer = await getattr(driver, request["op"])(request, limit)
        except ganger.GangerError as error:
            answer = error_of(error)
        print(json.dumps(answer), flush=True)
    await driver.close(None, None)


def main(argv):
    if argv[1:] == ["client"]:
        client()
    elif argv[1:] == ["aio", "client"]:
        asyncio.run(client_aio())
    elif "worker" in argv[1:3]:
        import deeds

        return deeds.serve(*argv[-3:])
    else:
        print(__doc__, file=sys.stderr)
        return 64
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
