"""Hands work to the workers from a web request."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from celery import Task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from aiko.errors import Problem

log = logging.getLogger(__name__)
# Short: somebody is waiting for the answer to a request.
RETRY = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 0.5}


def send(task: Task, task_id: UUID, *args: Any) -> None:
    """Queue `task` under a known id. Raises Problem 503 when the broker does not take it."""
    try:
        task.apply_async(args=args, task_id=str(task_id), retry=True, retry_policy=RETRY)
    except (OperationalError, RedisError, OSError) as error:
        log.error("the broker took no task: %s", error)
        raise Problem(503, "the queue does not answer; try again in a moment", {"Retry-After": "5"}) from None
