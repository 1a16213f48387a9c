"""Handle jobs in Python.

    from ganger.worker import Worker
    worker = Worker(slots=4)

    @worker.handler("upper")
    def upper(task):
        return task.text.upper()

    if __name__ == "__main__":
        worker.main()

Each slot is a process of its own that stays warm between jobs: a handler that crashes,
leaks or blocks harms no other job, and keeps no heartbeat from being sent. The same file
runs under the agent in C: ganger-worker --queue upper --coprocess -- python3 FILE
--coprocess.
"""
from __future__ import annotations

import signal
import sys
import threading
from typing import Callable, Optional, Sequence

from .handlers import Handler, Registry, Reject, Snooze, Stopped, Task
from .loop import Loop

__all__ = ["Handler", "Registry", "Reject", "Snooze", "Stopped", "Task", "Worker"]


class Worker(Registry):
    """Handlers, and the agent that runs them.

    slots       jobs at once, each in a process of its own
    name        of the agent, one of a kind in its realm; "": host and process id
    realm       of the queues
    key_file, server_key   as for Client
    grace       seconds that running jobs have when it is told to end
    on_ready    called once, when the broker has welcomed it

    A handler gives back bytes, str or None: the job has succeeded with that. It raises
    Reject (never again), Snooze (later), or any other exception (failed: tried again by
    the job's policy). Make clients inside handlers or after the fork, not before run().
    """

    def __init__(self, *, slots: int = 1, name: str = "", realm: str = "",
                 key_file: Optional[str] = None, server_key: Optional[str] = None,
                 grace: float = 25.0, on_ready: Optional[Callable[[], None]] = None) -> None:
        super().__init__()
        self.slots, self.name, self.realm, self.grace = slots, name, realm, grace
        self.key_file, self.server_key = key_file, server_key
        self.on_ready = on_ready
        self._loop: Optional[Loop] = None

    def run(self, endpoint: Optional[str] = None) -> int:
        """Take jobs until TERM or INT (in the main thread) or stop(); then what runs has
        `grace` seconds, and the rest is given back. 0: an orderly end. BadCall: an
        endpoint or key that cannot be."""
        if not self.queues:
            raise ValueError("a worker without handlers")
        self._loop = Loop(
            self, slots=self.slots, endpoint=endpoint, name=self.name, realm=self.realm,
            key_file=self.key_file, server_key=self.server_key, grace_s=self.grace,
            on_ready=self.on_ready,
        )
        if threading.current_thread() is threading.main_thread():
            for one in (signal.SIGTERM, signal.SIGINT):
                signal.signal(one, self._loop.stop)
        return self._loop.run()

    def stop(self) -> None:
        """Have run() drain and come back, from another thread."""
        if self._loop is not None:
            self._loop.stop()

    def main(self, argv: Optional[Sequence[str]] = None) -> None:
        """run(), with options from the command line (--help); exits."""
        from .main import run

        sys.exit(run(self, argv))
