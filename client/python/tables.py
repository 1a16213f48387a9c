#!/usr/bin/python3
"""Makes ganger/_tables.py from the tables of common/PROTOCOL.md.

    tables.py PROTOCOL.md            print it
    tables.py PROTOCOL.md FILE       write it; a test fails while the two differ
"""
import pathlib
import re
import sys

HEAD = '''"""The tables of the protocol. Made from common/PROTOCOL.md by tables.py; not edited."""
from __future__ import annotations

from typing import Final, NamedTuple, Optional


class Field(NamedTuple):
    """A field of a record: kind as in the table of kinds, bounds where there are any."""

    name: str
    kind: str
    required: bool
    least: int
    most: Optional[int]

'''


def section(text, title, mark="##"):
    return re.split(rf"\n{mark} ", text.split(f"\n{mark} {title}\n", 1)[1], maxsplit=1)[0]


def rows(text):
    for line in text.splitlines():
        if re.match(r"\| *\d+ \|", line):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def bound(text):
    return None if text == "–" else int(text)


def field(row):
    _, name, kind, default, least, most, _ = row
    return (name, kind, default == "required", bound(least) or 0, bound(most))


def records(page):
    found = re.findall(
        r"\*\*(\w+)\*\*\n\n(.*?)(?=\n\*\*|\Z)", section(page, "Records"), re.DOTALL
    )
    return {name: {int(r[0]): field(r) for r in rows(body)} for name, body in found}


def names(page, title):
    part = section(section(page, "Numbers with names"), title, "###")
    return {int(row[0]): row[1] for row in rows(part)}


def table(name, kind, value):
    yield f"{name}: Final[{kind}] = {{"
    for key, one in value.items():
        if isinstance(one, dict):
            yield f"    {key!r}: {{"
            yield from (f"        {n}: Field{one[n]!r}," for n in one)
            yield "    },"
        else:
            yield f"    {key!r}: {one!r},"
    yield "}"


def make(page):
    commands = {row[1]: (int(row[0]), row[4]) for row in rows(section(page, "Commands"))}
    errors = {
        int(row[0]): (row[1], row[2], int(row[3])) for row in rows(section(page, "Errors"))
    }
    lines = ["# Name: code, and the record it carries."]
    lines += table("COMMANDS", "dict[str, tuple[int, str]]", commands)
    lines += ["", "# Number: name, sentence, exit code of the command line."]
    lines += table("ERRORS", "dict[int, tuple[str, str, int]]", errors)
    for name, title in (
        ("STATES", "States of a job"), ("OUTCOMES", "Outcomes"),
        ("STOP_REASONS", "Stop reasons"), ("VERDICTS", "Verdicts"),
        ("MOMENTS", "Moments"), ("REASONS", "Reasons"),
    ):
        lines += ["", *table(name, "dict[int, str]", names(page, title))]
    lines += ["", *table("RECORDS", "dict[str, dict[int, Field]]", records(page))]
    return HEAD + "\n".join(lines) + "\n"


def main(argv):
    text = make(pathlib.Path(argv[1]).read_text(encoding="utf-8"))
    if len(argv) > 2:
        pathlib.Path(argv[2]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv)
