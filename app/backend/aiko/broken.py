"""The end of a worker that cannot go on, as a step of the worker."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from celery import bootsteps

log = logging.getLogger(__name__)
# For tasks that are nearly done; what still runs then is handed out again, as that of a killed worker is.
SECONDS = 10.0


class EndWhenBroken(bootsteps.StartStopStep):
    """Ends a broken worker's process when its shutdown hangs, so that systemd or Podman starts another.

    After an error that it cannot handle, such as half a result of a task whose process a limit killed, Celery shuts the
    worker down, and for that reads the results that it still expects. Where half of one is left in the pipe, it waits
    for the rest without an end: a worker that is there, takes no task, and answers on /metrics, which a thread does.
    One that stops in good order takes the time that its tasks need.
    """

    def close(self, worker: Any) -> None:
        """Begin to count when a shutdown begins whose exit code is not 0."""
        if worker.exitcode:
            clock = threading.Timer(SECONDS, self._end, (worker.exitcode,))
            clock.daemon = True
            clock.start()

    def _end(self, code: int) -> None:
        log.critical("the broken worker has not ended by itself within %.0f seconds", SECONDS)
        os._exit(code)
