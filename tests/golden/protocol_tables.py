#!/usr/bin/env python3
"""Are the tables of common/PROTOCOL.md those of the programs? Run by ctest.

    protocol_tables.py PROGRAM ROOT [--write]

PROGRAM is the built protocol_tables. Without --write: exit 1 and say where the page
differs. With --write: bring the page up to date.
"""
import difflib
import pathlib
import re
import subprocess
import sys

MARKER = (
    "<!-- tables: made from common/*.h by tests/golden/protocol_tables.py; "
    "do not edit below -->"
)

KINDS = """\
| kind | in MessagePack | least and most count |
|---|---|---|
| U | unsigned integer, in any format that holds it | its value |
| BOOL | true or false | |
| ID | bin of 16 bytes; where required, not all zeros | |
| TEXT | str, UTF-8 | bytes |
| NAME | str: `A-Z a-z 0-9 . _ -`, the first a letter or a digit | bytes |
| GLOB | str: as NAME, and `*` (any run), `?` (any one); any first character | bytes |
| BYTES | bin | bytes |
| BLOB | bin, or `true`: the second frame; bounds are in `welcome` | |
| NUMS | array of unsigned integers | entries |
| TEXTS | array of str | entries |
| array of … | array of records | entries |

*required*: the record is refused without the field. Otherwise an absent field has its
default; *not said* is a state of its own, which no value stands for. A NAME, TEXT, GLOB,
BYTES or ID that is empty counts as absent. No *most*: whatever 64 bits hold. Names that end
in `_ms` are milliseconds, in `_at` milliseconds since 1970 UTC (0: none), in `_ppm`
millionths, in `_bytes` bytes.
"""

# Title, enum of common/record.h, what stands before its values there, and a sentence.
ENUMS = [
    ("States of a job", "gg_job_state", "GG_JOB_", "Field `state`; 5 to 8 are terminal."),
    ("Outcomes", "gg_outcome", "GG_OUTCOME_", "Field `kind` of outcome."),
    ("Stop reasons", "gg_stop", "GG_STOP_", "Field `reason` of stop."),
    ("Verdicts", "gg_verdict", "GG_VERDICT_", "Field `verdict` of cancelled."),
    ("Moments", "gg_moment", "GG_MOMENT_", "Field `kind` of moment; newer brokers may "
     "send others: show their number."),
    ("Reasons", "gg_why", "GG_WHY_", "Field `code` of reason, why a job does not run; "
     "newer brokers may send others: show their `text`."),
]


def enum_rows(source, name, prefix):
    """(number, name, meaning) of each value of an enum, as it stands in the header."""
    body = re.search(r"enum %s \{(.*?)\};" % name, source, re.DOTALL)[1]
    value = -1
    for item in re.finditer(r"(GG_\w+)(?: = (\d+))?,?[ \t]*(?:/\*(.*?)\*/)?", body):
        value = int(item[2]) if item[2] else value + 1
        short = item[1].removeprefix(prefix).lower()
        meaning = re.sub(r"\s+", " ", item[3] or "").strip().rstrip(".").replace("\\'", "'")
        if value > 0 and not item[1].endswith("_COUNT"):
            yield value, short, meaning


def enum_table(source, title, name, prefix, sentence):
    lines = [f"### {title}", "", sentence, "", "| no | name | meaning |", "|---:|---|---|"]
    for number, short, meaning in enum_rows(source, name, prefix):
        lines.append(f"| {number} | {short} | {meaning} |")
    return "\n".join(lines) + "\n"


def tables(program, root):
    def printed(what):
        return subprocess.run(
            [program, what], check=True, capture_output=True, text=True
        ).stdout

    source = (root / "common/record.h").read_text(encoding="utf-8")
    parts = ["## Commands\n", printed("commands")]
    parts += ["## Kinds of fields\n", KINDS]
    parts += ["## Records", printed("records")]
    parts += ["## Numbers with names\n"]
    parts += [enum_table(source, *enum) for enum in ENUMS]
    parts += ["## Errors\n", printed("errors")]
    return "\n".join(parts)


def main(argv):
    if len(argv) not in (3, 4) or argv[3:] not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 64
    program, root = argv[1], pathlib.Path(argv[2])
    page = root / "common/PROTOCOL.md"
    old = page.read_text(encoding="utf-8")
    if old.count(MARKER) != 1:
        print(f"{page}: the marker line is not there once:\n{MARKER}")
        return 1
    new = old.split(MARKER)[0] + MARKER + "\n\n" + tables(program, root)
    if argv[3:]:
        page.write_text(new, encoding="utf-8")
        python = root / "client/python"  # Its tables are made from the page.
        made = [sys.executable, python / "tables.py", page, python / "ganger/_tables.py"]
        subprocess.run(made, check=True)
        print(f"{page} and {made[-1]}: up to date")
        return 0
    if new == old:
        return 0
    diff = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "PROTOCOL.md", "as it should be", lineterm=""
    )
    print("\n".join(diff))
    print("Bring it up to date: protocol_tables.py PROGRAM ROOT --write")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
