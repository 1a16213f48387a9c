#!/usr/bin/env python3
"""A hundred jobs at once, a deadline for all of them, and what was there by then.

    fan_out.py [SECONDS]        GANGER_BROKER names the broker
"""
import sys

import ganger

COUNT = 100


def main(limit_s):
    items = [ganger.Submission("text.upper", f"item {n}") for n in range(COUNT)]
    results, open_jobs, errors = {}, [], []
    with ganger.Client() as client:
        for one in client.run_many(items, timeout=limit_s):
            if isinstance(one.error, ganger.TimedOut):
                open_jobs.append(one.job)  # It goes on: wait for it later, or cancel it.
            elif one.error is not None or not one.job.succeeded:
                errors.append(one.error or one.job.error_text)
            else:
                results[one.index] = one.result
        for job in open_jobs:
            if job is not None:  # None: not even accepted in time.
                client.cancel(job)
    print(f"{len(results)} of {COUNT} in {limit_s:g} s, {len(open_jobs)} cancelled, "
          f"{len(errors)} failed")
    return results


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
