"""Housekeeping, run by the schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from aiko import db, uploads
from aiko.celery_app import celery
from aiko.config import current
from aiko.models import Attempt, Document, ProbeEffect, Quiz
from aiko.tasks.attempts import correct
from aiko.tasks.quiz import generate

MONTHS_AHEAD = 3
ORPHAN_SECONDS = 86_400
PROBE_DAYS = 7


def _known(ids: list[UUID]) -> list[UUID]:
    with db.session() as session:
        return list(session.scalars(select(Document.id).where(Document.id.in_(ids))))


@celery.task(name="aiko.tasks.maintenance.cleanup")
def cleanup() -> dict[str, int]:
    """Send lost work again, drop old diagnostic rows, and remove files without a row (where UPLOAD_DIR is at hand).

    Work is lost when a web process dies between committing a row and queueing its task; tasks are idempotent, so
    sending one too often does no harm.
    """
    before = datetime.now(UTC) - timedelta(seconds=current().CELERY_VISIBILITY_TIMEOUT)
    with db.session() as session:
        lost = [
            (task, row.task_id, row.id)
            for model, task in ((Quiz, generate), (Attempt, correct))
            for row in session.scalars(select(model).where(model.status == "pending", model.created_at < before))
        ]
        old = datetime.now(UTC) - timedelta(days=PROBE_DAYS)
        dropped: Any = session.execute(ProbeEffect.__table__.delete().where(ProbeEffect.created_at < old))
    for task, task_id, key in lost:
        task.apply_async(args=(str(key),), task_id=str(task_id))
    return {"sent_again": len(lost), "probe_rows": dropped.rowcount, "files": uploads.sweep(_known, ORPHAN_SECONDS)}


@celery.task(name="aiko.tasks.maintenance.create_partitions")
def create_partitions() -> dict[str, int]:
    """Create the partitions of the coming months, so that no row has to go into the default partition."""
    with db.session() as session:
        return {"created": session.scalar(select(func.aiko_create_partitions(MONTHS_AHEAD))) or 0}


@celery.task(name="aiko.tasks.maintenance.heartbeat", ignore_result=True)
def heartbeat() -> None:
    """Do nothing: that it was sent shows that beat lives, and that it ran shows that what beat sends is done."""
