"""The state of background work."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from flask import Blueprint, g
from sqlalchemy import select

from aiko import db
from aiko.celery_app import celery
from aiko.errors import Problem
from aiko.models import Attempt, Quiz
from aiko.openapi import Model, route
from aiko.quiz import QuizError

blueprint = Blueprint("tasks", __name__)
log = logging.getLogger(__name__)
FINAL = {"ready": "SUCCESS", "corrected": "SUCCESS", "failed": "FAILURE"}


class TaskOut(Model):
    """A task; `state` is Celery's (PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED), `progress` goes from 0 to 1."""

    id: UUID
    state: str
    progress: float
    result: dict[str, Any] | None = None
    error: str | None = None


@route(blueprint, "GET", "/api/tasks/<uuid:task_id>", "State of a task", out=TaskOut, errors=(404,))
def task(task_id: UUID) -> Any:
    with db.session() as session:
        quiz = session.scalar(select(Quiz).where(Quiz.task_id == task_id, Quiz.user_id == g.user_id))
        attempt = session.scalar(select(Attempt).where(Attempt.task_id == task_id, Attempt.user_id == g.user_id))
    owner = quiz or attempt
    if owner is None:
        raise Problem(404, "there is no such task of yours")
    # The database has the last word: results expire, and the result Redis may be away.
    if owner.status in FINAL:
        state = FINAL[owner.status]
        key = "quiz_id" if quiz else "attempt_id"
        if state == "FAILURE":
            return {
                "id": task_id,
                "state": state,
                "progress": 1.0,
                "error": getattr(owner, "message", None) or "the task failed",
            }
        return {
            "id": task_id,
            "state": state,
            "progress": 1.0,
            "result": {key: str(owner.id), "message": getattr(owner, "message", None)},
        }
    try:
        meta = celery.backend.get_task_meta(str(task_id))
    except Exception as error:  # whatever the result store raises, the database still knows that it is not done
        log.warning("the result store does not answer: %s", error)
        meta = {"status": "PENDING", "result": None}
    state, result = meta["status"], meta.get("result")
    if state == "FAILURE":
        told = str(result) if isinstance(result, QuizError) else "the task failed; the log has the details"
        return {"id": task_id, "state": state, "progress": 1.0, "error": told}
    progress = result.get("progress", 0.0) if isinstance(result, dict) else 0.0
    # SUCCESS in the store, pending in the database: the commit is a moment away or the row was read just before it.
    return {"id": task_id, "state": "STARTED" if state == "SUCCESS" else state, "progress": min(progress, 0.99)}
