"""What a teacher wants to see at a glance: own documents and quizzes, and who answered them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, g
from sqlalchemy import Float, func, select

from aiko import db
from aiko.models import Attempt, Document, Quiz, User
from aiko.openapi import Model, route

blueprint = Blueprint("overview", __name__)
RECENT, NEWEST = 10, 50
STATES = ("pending", "ready", "failed")


class QuizCounts(Model):
    """One's quizzes by status."""

    pending: int
    ready: int
    failed: int


class RecentAttempt(Model):
    """An attempt by anybody at one of one's quizzes; `student` is a name."""

    quiz_id: UUID
    quiz_title: str
    student: str
    score: float | None
    status: str
    created_at: datetime


class QuizFigures(Model):
    """One of one's quizzes and how it was answered."""

    quiz_id: UUID
    title: str
    share_code: str | None
    attempts: int
    students: int
    average_score: float | None
    last_attempt_at: datetime | None


class OverviewOut(Model):
    """Figures of one's own quizzes: `students` are people other than oneself, scores are of corrected attempts only."""

    documents: int
    quizzes: QuizCounts
    attempts: int
    students: int
    average_score: float | None
    recent: list[RecentAttempt]
    by_quiz: list[QuizFigures]


def _figures(owner: Any) -> tuple[Any, ...]:
    """Return the columns that sum up attempts at quizzes of `owner`."""
    return (
        func.count(Attempt.id).label("attempts"),
        func.count(Attempt.user_id.distinct()).filter(Attempt.user_id != owner).label("students"),
        # Of those that are corrected: only they have a score.
        func.avg(Attempt.score, type_=Float).label("average_score"),
    )


def _by_quiz() -> Any:
    """Return the statement for the newest quizzes; those that nobody answered are among them."""
    newest = (
        select(Quiz.id, Quiz.title, Quiz.share_code, Quiz.created_at)
        .where(Quiz.user_id == g.user_id)
        .order_by(Quiz.created_at.desc(), Quiz.id)
        .limit(NEWEST)
        .subquery()
    )
    # Lateral: each quiz's attempts are looked up by its index, and never those of anybody else's quizzes.
    answered = (
        select(*_figures(g.user_id), func.max(Attempt.created_at).label("last_attempt_at"))
        .where(Attempt.quiz_id == newest.c.id)
        .lateral()
    )
    return (
        select(newest.c.id.label("quiz_id"), newest.c.title, newest.c.share_code, answered)
        .join(answered, answered.c.attempts >= 0)
        .order_by(newest.c.created_at.desc(), newest.c.id)
    )


@route(blueprint, "GET", "/api/overview", "One's quizzes and their attempts at a glance", out=OverviewOut)
def overview() -> Any:
    mine = Quiz.user_id == g.user_id
    states = (func.count().filter(Quiz.status == state).label(state) for state in STATES)
    documents = select(func.count()).select_from(Document).where(Document.user_id == g.user_id).scalar_subquery()
    attempts = select(Attempt).join(Quiz, Quiz.id == Attempt.quiz_id).where(mine)
    recent = (
        attempts.join(User, User.id == Attempt.user_id)
        .with_only_columns(
            Attempt.quiz_id,
            Quiz.title.label("quiz_title"),
            User.name.label("student"),
            Attempt.score,
            Attempt.status,
            Attempt.created_at,
        )
        .order_by(Attempt.created_at.desc(), Attempt.id)
        .limit(RECENT)
    )
    with db.session() as session:
        counts = session.execute(select(documents.label("documents"), *states).where(mine)).one()
        figures = session.execute(attempts.with_only_columns(*_figures(g.user_id))).one()
        return {
            "documents": counts.documents,
            "quizzes": {state: getattr(counts, state) for state in STATES},
            **figures._mapping,
            "recent": session.execute(recent).all(),
            "by_quiz": session.execute(_by_quiz()).all(),
        }
