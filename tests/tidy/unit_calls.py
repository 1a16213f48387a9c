#!/usr/bin/python3
"""Does a systemd unit allow every system call that its program makes?

    unit_calls.py UNIT EVENT PROGRAM ARGUMENT...

Runs the program under strace, not as root, in an empty folder, until it says EVENT on
standard error; then ends it. A call that the unit's SystemCallFilter does not allow is
answered with EPERM there, and libzmq ends the process on some of those.

Exit status 0: all are allowed. 1: one is not. 77: strace or systemd-analyze is missing.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

NOBODY = 65534
LIMIT_S = 30


def expand(name: str) -> set[str]:
    """The calls of a group of systemd's, groups inside it and all."""
    if not name.startswith("@"):
        return {name}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True,
                            capture_output=True, text=True).stdout
    lines = (line.strip() for line in listed.splitlines()[1:])
    return set().union(*(expand(line) for line in lines if line and line[0] != "#"))


def allowed(unit: pathlib.Path) -> set[str]:
    """What is left of the lines of SystemCallFilter, read in their order."""
    calls = expand("@default")
    for minus, names in re.findall(r"(?m)^SystemCallFilter=(~?)(.*)$",
                                   unit.read_text(encoding="utf-8")):
        for name in names.split():
            calls = calls - expand(name) if minus else calls | expand(name)
    return calls


def made(event: str, command: list[str], folder: str) -> set[str]:
    """The calls that the program makes until it has said `event`, and at its end."""
    trace = pathlib.Path(folder, "trace")
    program_there = shutil.copy(command[0], folder)  # Where that user may read it.
    not_root = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    with subprocess.Popen(
            ["strace", "-f", "-o", str(trace), program_there, *command[1:]], cwd=folder,
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            **(not_root if os.geteuid() == 0 else {})) as program:
        signal.alarm(LIMIT_S)
        said = []
        for line in program.stderr:
            said.append(line)
            if f"event={event}" in line:
                break
        else:
            raise SystemExit(f"it never said {event}:\n{''.join(said)}")
        traced = trace.read_text(encoding="utf-8", errors="replace")
        os.kill(int(traced.split(None, 1)[0]), signal.SIGTERM)
        program.communicate()
    traced = trace.read_text(encoding="utf-8", errors="replace")
    return set(re.findall(r"(?m)^\d+ +(\w+)\(", traced))


def main() -> int:
    unit, event, *command = sys.argv[1:]
    for tool in ("strace", "systemd-analyze"):
        if shutil.which(tool) is None:
            print(f"skipped: {tool} is missing")
            return 77
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755 if os.geteuid() else 0o777)
        calls = made(event, command, folder)
    refused = sorted(calls - allowed(pathlib.Path(unit)))
    print(f"{os.path.basename(unit)}: {len(calls)} system calls, not allowed: "
          f"{', '.join(refused) or 'none'}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
