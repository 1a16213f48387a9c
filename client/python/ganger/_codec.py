"""Messages as bytes and back; pure. Bounds and kinds come from the tables.

A record is a dict from field numbers to values, as on the wire, once `check` has passed
it. What nobody has checked is never handed on.
"""
from __future__ import annotations

import re
import struct
from typing import Any, Callable, Iterator, NamedTuple, Optional

import msgpack

from ._tables import COMMANDS, RECORDS, Field

HEADER = struct.Struct(">HBBHHQQQ")
MAGIC, VERSION = 0x4747, 1
HELLO, WELCOME, RESET, BATCH = 1, 2, 3, 4  # Types of messages.
DEPTH_MAX, VALUES_MAX, COMMANDS_MAX = 8, 1 << 20, 4096
MUST_UNDERSTAND_FLAGS, MUST_UNDERSTAND_FIELD = 0xFF00, 64
NO_ID = bytes(16)
U64_MAX = (1 << 64) - 1

CODE = {name: code for name, (code, _) in COMMANDS.items()}
NAME = {code: name for name, (code, _) in COMMANDS.items()}
RECORD_OF = {code: record for code, record in COMMANDS.values()}
NUMBER = {
    record: {field.name: number for number, field in fields.items()}
    for record, fields in RECORDS.items()
}

Record = dict[int, Any]


class Header(NamedTuple):
    version: int
    kind: int
    flags: int
    session: int
    sequence: int
    acked: int


class Command(NamedTuple):
    code: int
    request: int
    record: Record


class Fault(NamedTuple):
    """Why a command, or with request 0 the whole message, is refused."""

    error: str
    request: int
    field: Optional[str] = None


class Invalid(Exception):
    """A field that cannot be: which error, which field."""

    def __init__(self, error: str, field: Optional[str] = None) -> None:
        super().__init__(error, field)
        self.error, self.field = error, field


# ---- checking ----

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_GLOB = re.compile(r"[A-Za-z0-9._*?-]+\Z")
_Checker = Callable[[Any], Optional[str]]  # The error, or None.


def _number(field: Field) -> _Checker:
    least, most = field.least, U64_MAX if field.most is None else field.most

    def check(value: Any) -> Optional[str]:
        if type(value) is not int or value < 0:
            return "bad_message"
        return None if least <= value <= most else "bad_field"

    return check


def _text(field: Field, pattern: Optional[re.Pattern[str]]) -> _Checker:
    most = U64_MAX if field.most is None else field.most

    def check(value: Any) -> Optional[str]:
        if type(value) is not str:
            return "bad_message"
        if pattern is not None and value != "" and not pattern.match(value):
            return "bad_name"
        size = len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
        return None if size <= most else "bad_name" if pattern else "bad_field"

    return check


def _bytes(field: Field) -> _Checker:
    most = U64_MAX if field.most is None else field.most
    exact = 16 if field.kind == "ID" else None

    def check(value: Any) -> Optional[str]:
        if type(value) is not bytes:
            return "bad_message"
        if exact is not None:
            return None if len(value) == exact else "bad_message"
        return None if len(value) <= most else "bad_field"

    return check


def _array(field: Field) -> _Checker:
    most = U64_MAX if field.most is None else field.most
    of = field.kind.removeprefix("array of ")
    kind = {"NUMS": int, "TEXTS": str}.get(field.kind, dict)

    def check(value: Any) -> Optional[str]:
        if type(value) is not list:
            return "bad_message"
        if not field.least <= len(value) <= most:
            return "bad_field"
        for entry in value:
            if type(entry) is not kind:
                return "bad_message"
            if isinstance(entry, dict):
                check_record(of, entry)
        return None

    return check


def _checker(field: Field) -> _Checker:
    if field.kind == "U":
        return _number(field)
    if field.kind == "BOOL":
        return lambda value: None if type(value) is bool else "bad_message"
    if field.kind in ("TEXT", "NAME", "GLOB"):
        return _text(field, {"NAME": _NAME, "GLOB": _GLOB}.get(field.kind))
    if field.kind in ("ID", "BYTES", "BLOB"):
        return _bytes(field)
    return _array(field)


def _quick(field: Field) -> tuple[str, type, Optional[_Checker]]:
    """Its name, its type, and what else is to be checked: for many fields, nothing."""
    if field.kind == "BOOL":
        return field.name, bool, None
    if field.kind == "BLOB":
        return field.name, bytes, None
    if field.kind == "U" and field.least == 0 and field.most is None:
        return field.name, int, None
    return field.name, object, _checker(field)


_CHECKERS = {
    name: {number: _quick(field) for number, field in fields.items()}
    for name, fields in RECORDS.items()
}
_BLOBS = {
    name: [number for number, field in fields.items() if field.kind == "BLOB"]
    for name, fields in RECORDS.items()
}
_ABSENT = (None, "", NO_ID)
_REQUIRED = {
    name: [(number, field) for number, field in fields.items() if field.required]
    for name, fields in RECORDS.items()
}


def check_record(name: str, record: Record) -> None:
    """Raises Invalid for a record that the table does not allow; fields that version 1
    does not know are taken out."""
    checkers = _CHECKERS[name]
    unknown: list[Any] = []
    for number, value in record.items():
        known = checkers.get(number)
        if known is None:
            if type(number) is not int or number < 0:
                raise Invalid("bad_message")
            if number >= MUST_UNDERSTAND_FIELD:
                raise Invalid("not_understood")
            unknown.append(number)
            continue
        field_name, kind, check = known
        if check is not None:
            error = check(value)
            if error is not None:
                raise Invalid(error, field_name)
        else:
            wrong = type(value) is not kind
            if wrong or (kind is int and value < 0):
                raise Invalid("bad_message", field_name)
    for number in unknown:
        del record[number]
    for number, field in _REQUIRED[name]:
        if record.get(number) in _ABSENT:
            raise Invalid("bad_message", field.name)


# ---- bytes to messages ----


def _pairs(pairs: list[tuple[Any, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise Invalid("bad_message")
    return record


def _too_deep(body: Any) -> bool:
    level, depth = [body], 0
    count = 1
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            return True
        below: list[Any] = []
        for box in level:
            entries = box.values() if type(box) is dict else box
            count += len(box)
            below += [one for one in entries if type(one) in (list, dict)]
        level = below
    return count > VALUES_MAX


def read_header(frame: bytes) -> Optional[Header]:
    """None: this is no message of Ganger's."""
    if len(frame) < HEADER.size:
        return None
    magic, version, kind, flags, _, session, sequence, acked = HEADER.unpack_from(frame)
    if magic != MAGIC or session == 0:
        return None
    return Header(version, kind, flags, session, sequence, acked)


def _unpack(frame: bytes) -> Any:
    try:
        body = msgpack.unpackb(
            memoryview(frame)[HEADER.size :], raw=False, strict_map_key=False,
            unicode_errors="strict", object_pairs_hook=_pairs,
        )
    except (ValueError, Invalid, msgpack.exceptions.UnpackException, TypeError,
            RecursionError, MemoryError) as error:
        raise Invalid("bad_message") from error
    if type(body) is not list or len(body) > COMMANDS_MAX or _too_deep(body):
        raise Invalid("bad_message")
    return body


def _fill_blob(code: int, record: Record, second: bytes) -> None:
    """Put the second frame where a BLOB says `true`; without one that stays, and is no
    BLOB."""
    for number in _BLOBS[RECORD_OF[code]]:
        if record.get(number) is True:
            record[number] = second


def _command(entry: Any, second: Optional[bytes]) -> Command | Fault:
    if type(entry) is not list or len(entry) != 3 or type(entry[2]) is not dict:
        return Fault("bad_message", 0)
    code, request, record = entry
    if type(code) is not int or type(request) is not int or request < 0:
        return Fault("bad_message", 0)
    name = RECORD_OF.get(code)
    if name is None:
        return Fault("unknown_command", request)
    try:
        if second is not None:
            _fill_blob(code, record, second)
        check_record(name, record)
    except Invalid as fault:
        return Fault(fault.error, request, fault.field)
    return Command(code, request, record)


def read(frame: bytes, second: Optional[bytes] = None) -> Iterator[Command | Fault]:
    """The commands of a message whose header is sound, one by one. A fault with request
    0 that comes first and alone refuses the whole message."""
    header = read_header(frame)
    if header is None:
        yield Fault("bad_message", 0)
        return
    if header.version != VERSION:
        yield Fault("version", 0)
        return
    if header.flags & MUST_UNDERSTAND_FLAGS:
        yield Fault("not_understood", 0)
        return
    try:
        body = _unpack(frame)
    except Invalid as fault:
        yield Fault(fault.error, 0)
        return
    for entry in body:
        yield _command(entry, second)


# ---- messages to bytes ----


def array_head(count: int) -> bytes:
    if count < 16:
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2, "big")


_packer = msgpack.Packer(use_bin_type=True)


def pack_command(code: int, request: int, record: Record) -> bytes:
    packed: bytes = _packer.pack((code, request, record))
    return packed


def write(kind: int, session: int, sequence: int, acked: int,
          commands: list[bytes]) -> bytes:
    """A first frame from commands that are packed."""
    header = HEADER.pack(MAGIC, VERSION, kind, 0, 0, session, sequence, acked)
    return b"".join((header, array_head(len(commands)), *commands))


# ---- names ----


def named(record: str, fields: Record) -> dict[str, Any]:
    """{2: "q"} as {"queue": "q"}, records in arrays too; unknown numbers left out."""
    out: dict[str, Any] = {}
    for number, field in RECORDS[record].items():
        if number in fields:
            value = fields[number]
            if field.kind.startswith("array of "):
                of = field.kind.removeprefix("array of ")
                value = [named(of, one) for one in value]
            out[field.name] = value
    return out
