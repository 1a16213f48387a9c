#!/usr/bin/python3
"""A co-process that gives its payload back, one job after another: for the benchmarks."""
import sys

take, put = sys.stdin.buffer, sys.stdout.buffer
put.write(b"ready 1\n")
put.flush()
for line in take:
    size = int(line[4:])
    while take.readline() != b"\n":
        pass
    payload = take.read(size + 1)
    put.write(b"ok %d\n%b" % (size, payload))
    put.flush()
