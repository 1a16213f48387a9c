"""ganger-py-worker: run the handlers of a module.

    ganger-py-worker MODULE[:NAME] [options]              its own agent
    ganger-worker --queue Q --coprocess -- ganger-py-worker MODULE --coprocess
"""
from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, Optional, Sequence

if TYPE_CHECKING:
    from . import Worker


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run job handlers written in Python.")
    parser.add_argument("--broker", metavar="ENDPOINT",
                        help="default: $GANGER_BROKER or tcp://127.0.0.1:7440")
    parser.add_argument("--slots", type=int, metavar="N", help="jobs at once")
    parser.add_argument("--name", help="name of the agent (default: host and pid)")
    parser.add_argument("--realm")
    parser.add_argument("--key-file", help="key pair (default: $GANGER_KEY_FILE)")
    parser.add_argument("--server-key", help="the broker's public key, Z85")
    parser.add_argument("--grace", type=float, metavar="S",
                        help="seconds that running jobs have on TERM (default: 25)")
    parser.add_argument("--coprocess", action="store_true",
                        help="take jobs on standard input, under ganger-worker")
    return parser


def run(worker: Worker, argv: Optional[Sequence[str]] = None) -> int:
    """What a script's worker.main() does; returns the exit status."""
    from ..errors import GangerError
    from .coprocess import serve

    told = options().parse_args(argv)
    if told.coprocess:
        return serve(worker)
    for name in ("slots", "name", "realm", "key_file", "server_key", "grace"):
        value = getattr(told, name)
        if value is not None:
            setattr(worker, name, value)
    try:
        return worker.run(told.broker)
    except GangerError as error:
        print(f"ganger-py-worker: {error}", file=sys.stderr)
        return error.exit_code


def main() -> int:
    from . import Worker

    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 0 if "--help" in sys.argv or "-h" in sys.argv else 64
    module_name, _, name = sys.argv[1].partition(":")
    sys.path.insert(0, os.getcwd())
    worker = getattr(importlib.import_module(module_name), name or "worker")
    if not isinstance(worker, Worker):
        print(f"ganger-py-worker: {sys.argv[1]} is no ganger.worker.Worker", file=sys.stderr)
        return 64
    return run(worker, sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
