"""The workers' signs of life, as a step of their consumer."""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps
from celery.worker import state
from redis.exceptions import RedisError

from aiko import pulse
from aiko.metrics import worker

log = logging.getLogger(__name__)


class Heartbeat(bootsteps.StartStopStep):
    """Leaves a sign every few seconds from the loop that takes tasks: when that loop hangs, the signs stop.

    That is more than a process that is there, and more than one whose /metrics answers, which a thread does.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    _timer: Any = None

    def start(self, consumer: Any) -> None:
        """Begin, once the consumer takes tasks; also after each reconnection."""
        self._beat(consumer)
        self._timer = consumer.timer.call_repeatedly(pulse.EVERY, self._beat, (consumer,))

    def stop(self, consumer: Any) -> None:
        """End; a worker that stops in good order takes its sign with it, one that lost its connection does not."""
        if self._timer:
            consumer.timer.cancel(self._timer)
            self._timer = None
        if consumer.blueprint.state != bootsteps.RUN:
            # It may finish its tasks for minutes yet, and no sign of it would be taken for one that hangs.
            worker.beaten(consumer.hostname, set(), 0)
            try:
                pulse.worker_left(consumer.hostname)
            except RedisError as error:
                log.warning("the sign of life stays behind: %s", type(error).__name__)

    def _beat(self, consumer: Any) -> None:
        try:
            when = pulse.worker_lives(consumer.hostname, len(state.active_requests))
        except RedisError as error:
            # Never further up: the loop would take it for a broken connection of its own.
            log.warning("no sign of life could be left: %s", type(error).__name__)
            return
        worker.beaten(consumer.hostname, {queue.name for queue in consumer.task_consumer.queues}, when)
