#!/usr/bin/env python3
"""A worker in Python: counts the primes below its payload, with progress.

    ganger-worker --queue primes --slots 2 -- ./primes.py

Stopped half way (drain, lost host), the next attempt goes on from the checkpoint.
"""
import os
import sys

limit = int(sys.stdin.read())
start, count = map(int, (os.environ.get("GANGER_CHECKPOINT") or "2 0").split())
say = os.fdopen(3, "w", buffering=1)

for n in range(start, limit):
    if all(n % d for d in range(2, int(n**0.5) + 1)):
        count += 1
    if n % 10000 == 0:
        say.write(f"progress {n / limit} {count} so far\n")
        say.write(f"checkpoint {n + 1} {count}\n")

print(count)
