"""Counts tasks in the worker's main process.

There, and not in the children: a child that is killed by its hard time limit, or by kill -9, can count nothing any
more, and children that are replaced every few tasks would leave a metrics file each.
"""

from __future__ import annotations

import functools
import logging
import os
import time
from typing import Any

# The worker is one process as far as metrics go; the shared directory is for the web.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

from billiard.exceptions import TimeLimitExceeded, WorkerLostError  # noqa: E402
from celery.exceptions import Ignore, Reject, Retry  # noqa: E402
from celery.utils.serialization import get_pickled_exception  # noqa: E402
from celery.worker import state as worker_state  # noqa: E402
from celery.worker.request import Request  # noqa: E402
from prometheus_client import (  # noqa: E402
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    start_http_server,
)

from aiko.config import current  # noqa: E402
from aiko.metrics.process import ProcessesCollector  # noqa: E402
from aiko.metrics.release import ReleaseCollector  # noqa: E402
from aiko.requestid import under  # noqa: E402

log = logging.getLogger(__name__)
LABELS = ("task", "state", "queue")
BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
REGISTRY = CollectorRegistry()
# The library's own collector needs /proc/stat, which hardened services do not see, and leaves the children out.
REGISTRY.register(ProcessesCollector(os.getpid()))
PlatformCollector(registry=REGISTRY)
REGISTRY.register(ReleaseCollector("worker"))
DURATION = Histogram(
    "celery_task_duration_seconds", "Run time of tasks, in seconds.", LABELS, buckets=BUCKETS, registry=REGISTRY
)
TOTAL = Counter(
    "celery_task",
    "Task runs by how they ended; LOST ones went back to the queue.",
    LABELS,
    registry=REGISTRY,
)
HEARTBEAT = Gauge(
    "celery_worker_heartbeat_timestamp_seconds",
    "When the loop that takes tasks last gave a sign of life, as Unix time; a series for each of the worker's queues.",
    ("worker", "queue"),
    registry=REGISTRY,
)
ACTIVE = Gauge("celery_worker_tasks_active", "Tasks running in this worker.", ("worker",), registry=REGISTRY)
_beating: set[tuple[str, str]] = set()


def beaten(worker: str, queues: set[str], when: float) -> None:
    """Note that a worker of these queues gave a sign of life at `when`."""
    now = {(worker, queue) for queue in queues}
    for labels in now:
        HEARTBEAT.labels(*labels).set(when)
    # A queue that an operator took from the worker.
    for labels in _beating - now:
        HEARTBEAT.remove(*labels)
    _beating.clear()
    _beating.update(now)
    ACTIVE.labels(worker).set_function(lambda: len(worker_state.active_requests))


def _state(error: Any) -> str:
    error = get_pickled_exception(error)
    error = getattr(error, "exc", error) if type(error).__name__ == "ExceptionWithTraceback" else error
    for kind, state in (
        (Retry, "RETRY"),
        (Reject, "REJECTED"),
        (Ignore, "IGNORED"),
        (TimeLimitExceeded, "TIMEOUT"),
        (WorkerLostError, "LOST"),
        (SystemExit, "LOST"),
    ):
        if isinstance(error, kind):
            return state
    return "FAILURE"


class MeasuredRequest(Request):
    """A request that counts how its task ended; one count for each time it ran.

    What the main process has to say of it is logged under the id of the request that sent the task.
    """

    _ran: float | None = None
    _counted = False

    def __init_subclass__(cls, **options: Any) -> None:
        # The worker derives a class for each task and gives it an `on_success` of its own, without calling ours; so
        # that one is wrapped as it comes into being.
        super().__init_subclass__(**options)
        inner = cls.__dict__.get("on_success")
        if inner is None:
            return

        @functools.wraps(inner)
        def on_success(self: MeasuredRequest, failed__retval__runtime: tuple, **extra: Any) -> Any:
            failed, _, runtime = failed__retval__runtime
            self._ran = runtime
            if not failed:
                self._count("SUCCESS")
            return inner(self, failed__retval__runtime, **extra)

        cls.on_success = on_success

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """Count, then do what the worker does."""
        self._count(_state(exc_info.exception))
        with under(self.request_dict.get("request_id")):
            return super().on_failure(exc_info, send_failed_event, return_ok)

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        """Do what the worker does: there is no child any more that could log it."""
        with under(self.request_dict.get("request_id")):
            return super().on_timeout(soft, timeout)

    def _count(self, state: str) -> None:
        if self._counted or not current().METRICS_ENABLED:
            return
        self._counted = True
        ran = self._ran
        if ran is None:
            ran = max(0.0, time.time() - self.time_start) if self.time_start else 0.0
        queue = (self.delivery_info or {}).get("routing_key") or "(unknown)"
        labels = (self.task.name, state, queue)
        TOTAL.labels(*labels).inc()
        DURATION.labels(*labels).observe(ran)


def serve(address: tuple[str, int] | None) -> None:
    """Serve the metrics over HTTP on `address`; nowhere when it is None, or with metrics switched off.

    Raises OSError when the port is taken.
    """
    if address is not None and current().METRICS_ENABLED:
        start_http_server(address[1], address[0], REGISTRY)
        log.info("metrics on %s:%d", *address)
