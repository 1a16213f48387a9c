#!/usr/bin/python3
"""An answer is lost and its question sent again: the connection is dropped before the
answer is read, at each point of the job's life, also with nothing kept (keep 0). The job
runs once, by its own ledger, and every resend is told of the same job.
"""
from fleet import *

QUEUE = "reports"
CALLERS = 8
KEEPS_MS = (0, None, KEEP_MS)


class Observer(Client):
    """Sees what happens to jobs, by the broker's own events."""

    def __init__(self, endpoint):
        super().__init__(endpoint)
        self.seen = set()
        self.events = self.begin(C_SUBSCRIBE, {2: QUEUE})

    def wait(self, job, kind):
        while (job, kind) not in self.seen:
            moments = self.answer(self.events, C_EVENT)[1]
            self.seen.update((moment.get(14), moment[2]) for moment in moments)


def send(endpoint, fields, times=1):
    """Ask in a session of its own; the answer is not read, nor acknowledged."""
    caller = Client(endpoint)
    caller.socket.linger = 10000
    for _ in range(times):
        caller.begin(C_SUBMIT, fields)
    return caller


def look(observer, job):
    """A stranger asks for the result: that acknowledges nothing for the submitter."""
    try:
        expect(observer.get(job)[6] in (SUCCEEDED, EVICTED), "it had ended")
    except Refused as refused:
        expect(refused.error == E_NOT_FOUND, refused)


def wait_for_point(observer, ledger, job, number, kept):
    """When in the job's life the connection is dropped."""
    point = number % 5
    if point == 1:
        observer.wait(job, M_ACCEPTED)
    elif point == 2:
        ledger.started(job)
    elif point == 3:
        observer.wait(job, M_ENDED)
    elif point == 4:
        observer.wait(job, M_ENDED if kept else M_EVICTED)
        look(observer, job)
    return point


def resend(endpoint, fields, point):
    """Ask again until an answer has been read."""
    caller = Client(endpoint)
    answer = caller.answer(caller.begin(C_SUBMIT, fields), C_JOB)
    expect(answer[1] == fields[1], "told of another job", answer)
    expect(point < 3 or answer[6] in (SUCCEEDED, EVICTED), "it had ended", answer)
    caller.close()


def one_round(fleet, observer, number):
    endpoint = fleet.broker.client
    job = struct.pack(">Q", int(time.time() * 1000))[2:] + secrets.token_bytes(10)
    keep_ms = KEEPS_MS[number % len(KEEPS_MS)]
    fields = {1: job, 2: QUEUE, 3: b"echo done"}
    fields.update({} if keep_ms is None else {16: keep_ms})
    fields.update({5: b"key-%d" % number} if number % 2 else {})
    fields.update({20: True} if number % 4 >= 2 else {})
    dropped = send(endpoint, fields, times=1 + number % 3)
    kept = keep_ms != 0 or 20 in fields  # An end that is waited for is kept until read.
    point = wait_for_point(observer, fleet.ledger, job, number, kept)
    dropped.close()
    for _ in range(number % 3):
        send(endpoint, fields).close()
    resend(endpoint, fields, point)
    return job


def main():
    count = rounds(500)
    with Fleet() as fleet:
        fleet.start_agent("agent", QUEUE, slots=4)
        observer = Observer(fleet.broker.client)
        fleet.clients.append(observer)
        jobs = [one_round(fleet, observer, number) for number in range(count)]
        for job in jobs:
            observer.wait(job, M_ENDED)
        runs = collections.Counter(r.job for r in fleet.ledger.rows() if r.what == "start")
        for number, job in enumerate(jobs):
            expect(runs[id_text(job)] == 1, "round", number, "ran", runs[id_text(job)])
        expect(stat(observer, "jobs_accepted_total") == count, "jobs", count)
        resent = stat(observer, "submits_resent_total")
    print(f"{count} answers lost, {resent} resends of a known id: {len(runs)} runs")


if __name__ == "__main__":
    main()
