"""Small diagnostic tasks for operators and tests."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from aiko import db
from aiko.celery_app import celery
from aiko.models import ProbeEffect


@celery.task(name="aiko.tasks.probe.echo")
def echo(value: Any = None) -> Any:
    """Return `value`."""
    return value


@celery.task(name="aiko.tasks.probe.sleep")
def sleep(seconds: float) -> float:
    """Wait for `seconds` and return them."""
    time.sleep(seconds)
    return seconds


@celery.task(name="aiko.tasks.probe.record")
def record(key: str, seconds: float = 0) -> str:
    """Wait for `seconds`, then leave one row under `key`, however often this runs; return the key."""
    time.sleep(seconds)
    with db.session() as session:
        session.execute(insert(ProbeEffect).values(key=key).on_conflict_do_nothing())
    return key
