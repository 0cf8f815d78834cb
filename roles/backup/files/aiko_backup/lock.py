"""One run at a time: a backup, a drill and a pruning would take files from under each other."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator

from .command import Failed, say

PATH = "/run/aiko-backup.lock"


@contextlib.contextmanager
def held(wait: bool = True, path: str = PATH) -> Iterator[None]:
    """Hold the lock. The kernel gives it back when this process ends, however it ends.

    Args:
        wait: for another run to end; otherwise Failed is raised at once.
    """
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if not wait:
                raise Failed("another run of aiko-backup is going on. Remedy: wait for it; aiko-logs backup --follow shows it") from error
            say("another run is going on: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
