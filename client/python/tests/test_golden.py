"""The golden vectors: their bytes read as their text, their text written as their bytes
(tests/golden/README.md)."""
import json
import re
import struct

import pytest
from conftest import ROOT

from ganger import _codec
from ganger._codec import CODE, NAME, RECORD_OF
from ganger._tables import RECORDS

FILES = sorted((ROOT / "tests/golden/v1").glob("*.txt"))
BYTES = ("ID", "BYTES", "BLOB")
DEFAULTS = {"BOOL": False, "TEXT": "", "NAME": "", "GLOB": "", "BYTES": b"", "BLOB": b"",
            "ID": bytes(16)}
NOT_ZERO = {("submit", "priority"): 128, ("job", "priority"): 128,
            ("list_jobs", "limit"): 100, ("scope", "limit"): 100}
NOT_SAID = {"keep_ms", "keep_failed_ms", "exit_status"}


def hex_bytes(text):
    out = b""
    for byte, count in re.findall(r"([0-9a-f]{2})(?:\*(\d+))?", text):
        out += bytes.fromhex(byte) * int(count or 1)
    return out


class Vector:
    """A file, taken apart."""

    def __init__(self, path):
        self.frame, self.second, self.expected = b"", None, []
        self.encodes = True
        part = None
        for line in path.read_text(encoding="utf-8").splitlines():
            word, _, rest = line.partition(":")
            if line.startswith("decode only"):
                self.encodes = False
            elif line.startswith("  "):
                data = hex_bytes(line.partition(";")[0])
                if part == "frame":
                    self.frame += data
                else:
                    self.second += data
            elif word == "frame":
                part = word
            elif word == "second frame":
                part, self.second = word, b""
            elif word == "header":
                self.header = json.loads(rest)
            elif word in ("command", "fault"):
                self.expected.append(json.loads(rest))


def value_of(field, value):
    """A value of a file as it is on the wire."""
    if field.kind in BYTES:
        return hex_bytes(value)
    if field.kind.startswith("array of "):
        return [wire(field.kind.removeprefix("array of "), one) for one in value]
    return value


def wire(record, fields):
    """{"id": …} as {1: …}. A vector with a field of a newer page is not ours."""
    by_name = {field.name: (n, field) for n, field in RECORDS[record].items()}
    for name in fields:
        if name not in by_name:
            pytest.skip(f"{record}.{name} is newer than these tables")
    numbered = {by_name[name][0]: value_of(by_name[name][1], value)
                for name, value in fields.items()}
    return {n: numbered[n] for n in sorted(numbered)}


def without_defaults(record, fields):
    out = {}
    for number, value in fields.items():
        field = RECORDS[record][number]
        plain = NOT_ZERO.get((record, field.name), DEFAULTS.get(field.kind, 0))
        if field.kind.startswith("array of "):
            of = field.kind.removeprefix("array of ")
            value = [without_defaults(of, one) for one in value]
        if value != plain and value != [] or field.name in NOT_SAID:
            out[number] = value
    return out


def expected_of(one):
    if "error" in one:
        return _codec.Fault(one["error"], one["request"], one.get("field"))
    if one["command"] not in CODE:
        pytest.skip(f"{one['command']} is newer than these tables")
    record = RECORD_OF[CODE[one["command"]]]
    return _codec.Command(CODE[one["command"]], one["request"],
                          without_defaults(record, wire(record, one["record"])))


def got_of(one):
    if isinstance(one, _codec.Fault):
        return one
    record = RECORD_OF[one.code]
    return one._replace(record=without_defaults(record, one.record))


def test_there_are_vectors():
    assert len(FILES) >= 41


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_bytes_read_as_their_text(path):
    vector = Vector(path)

    header = _codec.read_header(vector.frame)
    got = [got_of(one) for one in _codec.read(vector.frame, vector.second)]

    assert header == (vector.header["version"], vector.header["type"],
                      vector.header["flags"], int(vector.header["session"], 16),
                      vector.header["sequence"], vector.header["acked"])
    assert got == [expected_of(one) for one in vector.expected]


@pytest.mark.parametrize(
    "path", [path for path in FILES if Vector(path).encodes], ids=lambda path: path.stem)
def test_text_is_written_as_its_bytes(path):
    """But for the head of the array of commands, which may be of any width."""
    vector = Vector(path)
    commands = []
    for one in vector.expected:
        if one["command"] not in CODE:
            pytest.skip(f"{one['command']} is newer than these tables")
        record = RECORD_OF[CODE[one["command"]]]
        fields = wire(record, one["record"])
        if vector.second is not None:
            fields = {n: True if value == vector.second else value
                      for n, value in fields.items()}
        commands.append(_codec.pack_command(CODE[one["command"]], one["request"], fields))

    header = vector.header
    frame = _codec.write(header["type"], int(header["session"], 16), header["sequence"],
                         header["acked"], commands)

    head = _codec.HEADER.size
    assert frame[:head] == vector.frame[:head]
    count = len(vector.expected)
    assert vector.frame[head:head + 5] == b"\xdd" + struct.pack(">I", count)
    assert frame[head + 1:] == vector.frame[head + 5:]
