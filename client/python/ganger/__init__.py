"""Ganger: submit jobs to a broker, wait for them, and handle them.

    import ganger
    with ganger.Client() as client:
        print(client.run("upper", "hello").result)

`Client` is for programs with threads, `ganger.aio.Client` for asyncio; `ganger.worker`
handles jobs; `ganger.testing` stands in for a broker in tests.
"""
from ._version import VERSION as __version__
from .client import Client
from .errors import (BadCall, Busy, GangerError, JobEnded, KeyConflict, NoBroker,
                     NotAllowed, NotFound, Refused, TimedOut, TooLarge, Unknown)
from .types import (Ended, Job, Moment, Partial, Progress, Reason, Submission, Target)

__all__ = [
    "BadCall", "Busy", "Client", "Ended", "GangerError", "Job", "JobEnded", "KeyConflict",
    "Moment", "NoBroker", "NotAllowed", "NotFound", "Partial", "Progress", "Reason",
    "Refused", "Submission", "Target", "TimedOut", "TooLarge", "Unknown", "__version__",
]
