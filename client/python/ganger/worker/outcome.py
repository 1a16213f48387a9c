"""How an attempt ended."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .._codec import Record
from .._tables import OUTCOMES

_NUMBER = {name: number for number, name in OUTCOMES.items()}
SUCCEEDED, FAILED, REJECTED = _NUMBER["succeeded"], _NUMBER["failed"], _NUMBER["rejected"]
SNOOZED, CRASHED, TIMED_OUT = _NUMBER["snoozed"], _NUMBER["crashed"], _NUMBER["timed_out"]
CANCELLED, HANDED_BACK = _NUMBER["cancelled"], _NUMBER["handed_back"]
LOST, NOT_STARTED = _NUMBER["lost"], _NUMBER["not_started"]
TEXT_BYTES_MAX, OUTPUT_BYTES_MAX = 4096, 8192


def clip(text: str, most: int = TEXT_BYTES_MAX) -> str:
    """As much of `text` as fits `most` bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    return data[:most].decode("utf-8", "ignore")


@dataclass
class Outcome:
    """`kind` is a number of the table of outcomes."""

    kind: int
    result: bytes = b""
    text: str = ""
    exit_status: Optional[int] = None
    signal: int = 0
    output: bytes = b""
    snooze_ms: int = 0
    never_started: bool = False
    run_ms: int = 0

    def record(self, job_id: bytes, fence: int) -> Record:
        record: Record = {1: job_id, 2: fence, 3: self.kind}
        if self.kind == SUCCEEDED and self.result:
            record[4] = self.result
        for number, value in (
            (6, self.signal), (7, clip(self.text)), (8, self.output[-OUTPUT_BYTES_MAX:]),
            (9, self.snooze_ms), (10, self.never_started), (11, self.run_ms),
        ):
            if value:
                record[number] = value
        if self.exit_status is not None:
            record[5] = self.exit_status
        return record
