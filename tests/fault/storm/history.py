"""What the storm's history must look like: the promises, held against what jobs wrote
themselves, what clients were told, and what the broker says at the end.

    history.py    holds each check against a history that breaks it
"""
import collections

# A job as the broker shows it at the end, and as its client knows it.
Job = collections.namedtuple("Job", "key id succeeded fence result told")
Row = collections.namedtuple("Row", "what job attempt fence pid more")


def broken(jobs, rows):
    """Sentences about what must not be; none: all is well."""
    starts = collections.defaultdict(list)
    ends = collections.defaultdict(list)
    for row in rows:
        if row.what == "start":
            starts[row.job].append(row.fence)
        elif row.what == "end":
            ends[row.job].append(row.fence)
        elif row.what == "rival":
            yield f"{row.job} ran beside an older process of its own"
    for job in jobs:
        name = f"job {job.key}"
        if not job.succeeded:
            yield f"{name} was accepted and has not succeeded"
            continue
        if job.fence not in ends[job.id]:
            yield f"{name} succeeded under {job.fence}, which never ended"
        if any(fence > job.fence for fence in starts[job.id]):
            yield f"{name} was started again after its success"
        if len(set(starts[job.id])) != len(starts[job.id]):
            yield f"{name} started twice under one fence"
        if job.result != f"fence {job.fence}":
            yield f"{name} has the result of another attempt: {job.result}"
        if any(told != job.result for told in job.told):
            yield f"{name}: clients were told {job.told}, it is {job.result}"
    known = {job.id for job in jobs}
    for stranger in set(starts) - known:
        yield f"{stranger} ran and nobody knows it"
    ids = collections.Counter(job.id for job in jobs)
    for twice, count in ids.items():
        if count > 1:
            yield f"{twice} stands for {count} keys"


def row(what, job="A", fence=1):
    return Row(what, job, 1, fence, 1, "-")


GOOD = Job("k", "A", True, 2, "fence 2", ["fence 2"])
GOOD_ROWS = [row("start"), row("start", fence=2), row("end", fence=2)]
BAD = {
    "has not succeeded": ([GOOD._replace(succeeded=False)], GOOD_ROWS),
    "never ended": ([GOOD], GOOD_ROWS[:2]),
    "again after its success": ([GOOD], [*GOOD_ROWS, row("start", fence=3)]),
    "twice under one fence": ([GOOD], [*GOOD_ROWS, row("start", fence=2)]),
    "result of another attempt": ([GOOD._replace(result="fence 1", told=[])],
                                  GOOD_ROWS),
    "clients were told": ([GOOD._replace(told=["fence 2", "fence 1"])], GOOD_ROWS),
    "beside an older process": ([GOOD], [*GOOD_ROWS, row("rival")]),
    "nobody knows it": ([GOOD], [*GOOD_ROWS, row("start", job="B")]),
    "stands for 2 keys": ([GOOD, GOOD._replace(key="l")], GOOD_ROWS),
}


def main():
    faults = list(broken([GOOD], GOOD_ROWS))
    assert not faults, faults
    for words, (jobs, rows) in BAD.items():
        faults = list(broken(jobs, rows))
        assert any(words in fault for fault in faults), (words, faults)
    print(f"{len(BAD)} bad histories convicted, a good one acquitted")


if __name__ == "__main__":
    main()
