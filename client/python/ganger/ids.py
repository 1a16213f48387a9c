"""Job ids: 16 bytes, the first six the milliseconds since 1970, the rest random. People
write them as 26 letters and digits (Crockford's base 32)."""
from __future__ import annotations

import os

ID_BYTES, TEXT_LENGTH = 16, 26
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {letter: value for value, letter in enumerate(_ALPHABET)}


def new(now_ms: int) -> bytes:
    """A fresh id; `now_ms` is the broker's wall clock in ms since 1970."""
    return (now_ms & 0xFFFFFFFFFFFF).to_bytes(6, "big") + os.urandom(10)


def time_ms(job_id: bytes) -> int:
    """When it was made, in ms since 1970."""
    return int.from_bytes(job_id[:6], "big")


def to_text(job_id: bytes) -> str:
    """The 26 characters of an id."""
    number = int.from_bytes(job_id, "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def from_text(text: str) -> bytes:
    """The bytes of an id as people write it. ValueError: it is none."""
    number = 0
    for letter in text.upper():
        if letter not in _VALUE:
            raise ValueError(f"{text!r} is not a job id")
        number = number << 5 | _VALUE[letter]
    if len(text) != TEXT_LENGTH or number >> 128:
        raise ValueError(f"{text!r} is not a job id")
    return number.to_bytes(ID_BYTES, "big")
