"""What all tasks share."""

from celery import Task
from sqlalchemy.exc import InterfaceError, OperationalError


class AikoTask(Task):
    """A task that waits for a database that is away, and is counted in the worker's main process.

    Trying again is safe, because every task is idempotent.
    """

    Request = "aiko.metrics.worker:MeasuredRequest"
    autoretry_for = (OperationalError, InterfaceError)
    max_retries = 10
    retry_backoff = True
    retry_backoff_max = 60
