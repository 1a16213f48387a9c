#!/usr/bin/env python3
"""Counts the words of its payload. A co-process: it stays, and takes job after job.

    ganger-worker --queue words --coprocess -- worker/examples/coprocess.py
"""
import os
import sys
from urllib.parse import unquote_to_bytes

out = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # What a library prints goes to the log, not between our lines.


def say(line, data=None):
    out.write(line + b"\n" + (b"" if data is None else data + b"\n"))
    out.flush()


def jobs(stream):
    """Each job as its fields and its payload, until the agent closes the input."""
    for first in stream:
        size = int(first.split()[1])
        fields = {}
        for line in iter(stream.readline, b"\n"):
            name, _, value = line.rstrip(b"\n").partition(b"=")
            fields[name.decode()] = unquote_to_bytes(value)
        payload = stream.read(size)
        stream.read(1)
        yield fields, payload


say(b"ready 1")
for fields, payload in jobs(sys.stdin.buffer):
    say(b"progress 0.5 counting")
    try:
        count = len(payload.decode().split())
    except UnicodeDecodeError as error:
        say(b"reject not UTF-8: %s" % str(error).encode())
        continue
    say(b"ok %d" % len(str(count)), str(count).encode())
