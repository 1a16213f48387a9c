#!/usr/bin/python3
"""Hold the instructions that the broker needs for a job to a bound.

    instructions.py CORE_COST BOUNDS

Runs each scenario of core_cost under callgrind with few and with many jobs and divides
the difference, so that what happens once does not count. The figures are the same on a
busy machine and on a quiet one; another compiler or other flags change them a little.
BOUNDS has a line for each scenario: its name and the most instructions a job may take.
After a change that makes one smaller, lower its bound; one that has to be raised wants a
reason in the commit.

Exit status 0: all within their bounds. 1: one is not. 77: there is no valgrind.
"""
import re
import shutil
import subprocess
import sys
import tempfile

FEW, MANY = 2560, 12800  # Whole batches of core_cost.


def collected(program: str, scenario: str, jobs: int) -> int:
    """Instructions inside broker_reads()."""
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
             "--toggle-collect=broker_reads*", program, scenario, str(jobs)],
            capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if found is None or int(found[1]) == 0:
        raise SystemExit(f"{scenario}: callgrind counted nothing:\n{run.stderr}")
    return int(found[1])


def main() -> int:
    program, bounds = sys.argv[1:]
    if shutil.which("valgrind") is None:
        print("skipped: there is no valgrind here (package valgrind)")
        return 77
    worst = 0
    with open(bounds, encoding="utf-8") as lines:
        rows = [line.split() for line in lines if line.strip() and line[0] != "#"]
    for scenario, bound in rows:
        cost = (collected(program, scenario, MANY) - collected(program, scenario, FEW)
                ) / (MANY - FEW)
        verdict = "ok" if cost <= int(bound) else "above its bound"
        worst |= cost > int(bound)
        print(f"{scenario:10} {cost:8.0f} instructions a job, bound {bound}: {verdict}")
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
