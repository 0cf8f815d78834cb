"""Corrects attempts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from aiko import db
from aiko.celery_app import celery
from aiko.models import Attempt, AttemptResult, Question


@celery.task(name="aiko.tasks.attempts.correct")
def correct(attempt_id: str) -> dict[str, Any]:
    """Correct the attempt `attempt_id`; a second delivery changes nothing. The score goes from 0 to 1."""
    with db.session() as session:
        attempt = session.get(Attempt, UUID(attempt_id), with_for_update=True)
        if attempt is None:
            return {"attempt_id": attempt_id, "progress": 1.0, "note": "the attempt was deleted meanwhile"}
        if attempt.status == "pending":
            questions = session.scalars(select(Question).where(Question.quiz_id == attempt.quiz_id)).all()
            rows = [
                {
                    "attempt_id": attempt.id,
                    "question_id": q.id,
                    "created_at": attempt.created_at,
                    "given": attempt.answers.get(str(q.id)),
                    "correct": attempt.answers.get(str(q.id)) == q.answer,
                }
                for q in questions
            ]
            if rows:
                session.execute(insert(AttemptResult).on_conflict_do_nothing(), rows)
            attempt.score = sum(r["correct"] for r in rows) / len(rows) if rows else 0.0
            attempt.status = "corrected"
        return {"attempt_id": attempt_id, "progress": 1.0, "score": attempt.score}
