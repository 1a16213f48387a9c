"""The tables of common/PROTOCOL.md, as that page says them, and messages by them.

Shares no line with any client: what it says of bytes on the wire is a second opinion.
"""
import os
import pathlib
import re
import struct

import msgpack

ROOT = pathlib.Path(os.environ.get("GG_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
HEADER = struct.Struct(">HBBHHQQQ")
MAGIC = 0x4747
HELLO, WELCOME, RESET, COMMANDS = 1, 2, 3, 4
BLOB_FIELDS = {"payload", "result"}


def _rows(text):
    for line in text.splitlines():
        if re.match(r"\| *\d+ \|", line):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def _section(text, title):
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


class Tables:
    """Commands, records and errors by name and by number."""

    def __init__(self, page):
        rows = list(_rows(_section(page, "Commands")))
        self.code = {row[1]: int(row[0]) for row in rows}
        self.command = {int(row[0]): row[1] for row in rows}
        self.record_of = {row[1]: row[4] for row in rows}
        self.records = {}
        for name, body in re.findall(
            r"\*\*(\w+)\*\*\n\n(.*?)(?=\n\*\*|\Z)", _section(page, "Records"), re.DOTALL
        ):
            fields = {int(row[0]): (row[1], row[2]) for row in _rows(body)}
            self.records[name] = fields
        self.error = {row[1]: int(row[0]) for row in _rows(_section(page, "Errors"))}
        numbers = _section(page, "Numbers with names")
        states = numbers.split("### States of a job\n", 1)[1].split("\n### ", 1)[0]
        self.state = {row[1]: int(row[0]) for row in _rows(states)}

    def named(self, record, fields):
        """{1: …} as {"id": …}; numbers that are not in the table stay."""
        table = self.records.get(record, {})
        out = {}
        for number, value in fields.items():
            name, kind = table.get(number, (number, ""))
            if kind.startswith("array of "):
                value = [self.named(kind.removeprefix("array of "), one) for one in value]
            out[name] = value
        return out

    def numbered(self, record, fields):
        """{"id": …} as {1: …}; keys that are numbers stay."""
        numbers = {name: number for number, (name, _) in self.records[record].items()}
        return {
            int(name) if str(name).isdigit() else numbers[name]: value
            for name, value in fields.items()
        }


def tables():
    return Tables((ROOT / "common/PROTOCOL.md").read_text(encoding="utf-8"))


class Message:
    """A message taken apart; bytes() puts it together again."""

    def __init__(self, frames):
        self.frame, *rest = frames
        self.second = rest[0] if rest else None
        (self.magic, self.version, self.kind, self.flags, _, self.session, self.sequence,
         self.acked) = HEADER.unpack_from(self.frame)
        self.commands = msgpack.unpackb(
            self.frame[HEADER.size :], strict_map_key=False, raw=False
        )

    def frames(self):
        header = HEADER.pack(self.magic, self.version, self.kind, self.flags, 0,
                             self.session, self.sequence, self.acked)
        frame = header + msgpack.packb(self.commands, use_bin_type=True)
        return [frame] if self.second is None else [frame, self.second]
