"""Queues and beat, asked at a scrape: kept for some seconds, and left out when Redis does not answer in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric

from aiko import deadline, pulse

KEEP_SECONDS = 5.0
# A scrape must not be late because Redis is: better some samples missing than all.
WAIT_SECONDS = 0.5
QUESTIONS = {"queues": pulse.queues, "beat": pulse.beat}


class BackgroundCollector:
    """Collector of the samples that Redis knows. Registered first in a scrape, so that it counts its errors in time."""

    def __init__(self, registry: CollectorRegistry):
        self.errors = Counter(
            "aiko_metrics_errors",
            "Scrapes without the samples of this source, because Redis did not answer in time.",
            ("source",),
            registry=registry,
        )
        self._lock = threading.Lock()
        self._asked = -KEEP_SECONDS
        self._answers: dict[str, Any] = {}

    def _recent(self) -> dict[str, Any]:
        # Failures are kept as well, or a Redis that hangs would cost each of many scrapes its wait.
        with self._lock:
            if time.monotonic() - self._asked >= KEEP_SECONDS:
                self._answers = deadline.gather(QUESTIONS, WAIT_SECONDS)
                self._asked = time.monotonic()
            return self._answers

    def collect(self) -> Iterator[Metric]:
        """Yield what there is, and count what there is not."""
        answers = self._recent()
        for source, answer in answers.items():
            if isinstance(answer, Exception):
                self.errors.labels(source).inc()
            else:
                # A series from the start, or its first rise could not be seen.
                self.errors.labels(source)
        if isinstance(queues := answers["queues"], pulse.Queues):
            length = GaugeMetricFamily("celery_queue_length", "Tasks that wait in a queue.", labels=("queue",))
            for name, waiting in queues.waiting.items():
                length.add_metric((name,), waiting)
            yield length
            yield GaugeMetricFamily(
                "celery_queue_unacked", "Tasks handed out to workers and not acknowledged yet.", value=queues.unacked
            )
        if isinstance(beat := answers["beat"], pulse.Beat):
            for name, text, value in (
                ("last_run_timestamp", "When beat last sent a task, as Unix time.", beat.sent),
                ("schedule_lag", "How long the entry of the schedule that is due next is overdue.", beat.lag),
            ):
                if value is not None:
                    yield GaugeMetricFamily(f"celery_beat_{name}_seconds", text, value=value)
