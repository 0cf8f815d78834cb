"""Makes the questions of a quiz."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from aiko import db
from aiko.celery_app import celery
from aiko.models import Document, Question, Quiz
from aiko.quiz import QuizError, provider


def _fail(quiz_id: UUID, message: str) -> None:
    with db.session() as session:
        quiz = session.get(Quiz, quiz_id, with_for_update=True)
        if quiz is not None and quiz.status == "pending":
            quiz.status, quiz.message = "failed", message


@celery.task(name="aiko.tasks.quiz.generate", bind=True)
def generate(self: Any, quiz_id: str) -> dict[str, Any]:
    """Fill the quiz `quiz_id` with questions; a second delivery finds it done and changes nothing.

    Progress goes from 0 to 1 in the task's metadata. Raises QuizError (also kept in the quiz) when no quiz can be made.
    """
    key = UUID(quiz_id)

    def progress(part: float) -> None:
        self.update_state(state="STARTED", meta={"progress": round(part, 2)})

    with db.session() as session:
        quiz = session.get(Quiz, key)
        if quiz is None:
            return {"quiz_id": quiz_id, "progress": 1.0, "note": "the quiz was deleted meanwhile"}
        if quiz.status == "failed":
            raise QuizError(quiz.message or "no quiz could be made")
        if quiz.status != "pending":
            return {"quiz_id": quiz_id, "progress": 1.0, "status": quiz.status, "message": quiz.message}
        text = session.scalar(select(Document.body).where(Document.id == quiz.document_id))
    progress(0.1)
    try:
        made = provider().generate(
            text or "", quiz.wanted, f"{quiz.document_id}:{quiz.wanted}", lambda p: progress(0.1 + 0.8 * p)
        )
    except Exception as error:
        _fail(key, str(error) if isinstance(error, QuizError) else "the generator failed; the log has the details")
        raise
    with db.session() as session:
        # The lock makes two deliveries that run at the same time take turns; the loser sees `ready`.
        locked = session.get(Quiz, key, with_for_update=True)
        if locked is not None and locked.status == "pending":
            session.add_all(
                Question(
                    quiz_id=key,
                    position=n,
                    prompt=q.prompt,
                    options=q.options,
                    answer=q.answer,
                    explanation=q.explanation,
                )
                for n, q in enumerate(made.questions, 1)
            )
            locked.status, locked.message, locked.language = "ready", made.message, made.language
    return {"quiz_id": quiz_id, "progress": 1.0, "questions": len(made.questions), "message": made.message}
