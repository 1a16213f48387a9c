#!/usr/bin/env python3
"""A source that is run again and again: it asks over HTTP what there is to do.

    poll.py http://HOST:PORT

Exit status 0 says that the outside system has answered, with work or without.
"""
import json
import os
import subprocess
import sys
import urllib.request


def ask(path, method="GET"):
    request = urllib.request.Request(sys.argv[1] + path, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


try:
    for number, text in ask("/items").items():
        subprocess.run(["ganger", "submit", os.environ["GANGER_QUEUE"], "-", "--key",
                        "item-" + number, "--keep", "1d"], input=text.encode() + b"\n",
                       stdout=subprocess.DEVNULL, check=True)
        ask("/items/" + number, "DELETE")
except OSError as error:
    sys.exit(str(error))
