#!/usr/bin/env python3
"""A source that stays: what comes over a socket becomes a job, then it is acknowledged.

    listen.py HOST PORT

It ends when the connection does; the agent starts it again, and polls meanwhile.
"""
import os
import socket
import subprocess
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as link:
    link.settimeout(None)
    os.write(3, b"ready\n")
    for line in link.makefile("r", encoding="utf-8"):
        number, _, text = line.partition(" ")
        # The key: an item that comes twice, by whatever way, is one job.
        subprocess.run(["ganger", "submit", os.environ["GANGER_QUEUE"], "-", "--key",
                        "item-" + number, "--keep", "1d"], input=text.encode(),
                       stdout=subprocess.DEVNULL, check=True)
        link.sendall(number.encode() + b"\n")
sys.exit("the outside system has closed the connection")
