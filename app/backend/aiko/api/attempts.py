"""Answering quizzes, and seeing what was right."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from flask import Blueprint, g
from pydantic import Field
from sqlalchemy import func, select

from aiko import db
from aiko.api.documents import PageQuery
from aiko.api.quizzes import Queued, visible
from aiko.errors import Problem
from aiko.models import Attempt, AttemptResult, Question
from aiko.openapi import Model, route
from aiko.tasks.attempts import correct
from aiko.tasks.send import send

blueprint = Blueprint("attempts", __name__)
Answer = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]


class AttemptIn(Model):
    """Answers by question id; a question left out counts as wrong."""

    answers: dict[UUID, Answer] = Field(max_length=100)


class ResultOut(Model):
    """One corrected answer."""

    question_id: UUID
    given: str | None
    correct: bool
    answer: str
    explanation: str


class AttemptOut(Model):
    """An attempt; `score` is the share of right answers from 0 to 1, and comes with `results` once corrected."""

    id: UUID
    quiz_id: UUID
    task_id: UUID
    status: str
    score: float | None
    created_at: datetime
    results: list[ResultOut] = []


class AttemptPage(Model):
    """One page of one's attempts, without results."""

    items: list[AttemptOut]
    total: int
    page: int
    per_page: int


def _show(attempt: Attempt) -> dict[str, Any]:
    return {name: getattr(attempt, name) for name in AttemptOut.model_fields if name != "results"}


@route(
    blueprint,
    "POST",
    "/api/quizzes/<uuid:quiz_id>/attempts",
    "Hand in answers",
    body=AttemptIn,
    out=Queued,
    status=202,
    errors=(404, 409),
)
def answer(quiz_id: UUID, body: AttemptIn) -> Any:
    with db.session() as session:
        quiz = visible(session, quiz_id)
        if quiz.status != "ready":
            raise Problem(409, f"this quiz cannot be answered: it is {quiz.status}")
        known = set(session.scalars(select(Question.id).where(Question.quiz_id == quiz_id)))
        if foreign := [str(key) for key in body.answers if key not in known]:
            raise Problem(422, f"these are not questions of this quiz: {', '.join(foreign[:3])}")
        attempt = Attempt(
            quiz_id=quiz_id, user_id=g.user_id, task_id=uuid4(), answers={str(k): v for k, v in body.answers.items()}
        )
        session.add(attempt)
        session.flush()
        made = {"id": attempt.id, "task_id": attempt.task_id}
    try:
        send(correct, made["task_id"], str(made["id"]))
    except Problem:
        with db.session() as session:
            session.execute(Attempt.__table__.delete().where(Attempt.id == made["id"]))
        raise
    return made


@route(
    blueprint,
    "GET",
    "/api/quizzes/<uuid:quiz_id>/attempts",
    "List one's attempts at a quiz",
    query=PageQuery,
    out=AttemptPage,
    errors=(404,),
)
def attempts(quiz_id: UUID, query: PageQuery) -> Any:
    with db.session() as session:
        visible(session, quiz_id)
        mine = (Attempt.quiz_id == quiz_id) & (Attempt.user_id == g.user_id)
        total = session.scalar(select(func.count()).select_from(Attempt).where(mine))
        rows = session.scalars(
            select(Attempt)
            .where(mine)
            .order_by(Attempt.created_at.desc(), Attempt.id)
            .limit(query.per_page)
            .offset((query.page - 1) * query.per_page)
        ).all()
        return {
            "items": [_show(row) for row in rows],
            "total": total or 0,
            "page": query.page,
            "per_page": query.per_page,
        }


@route(
    blueprint,
    "GET",
    "/api/quizzes/<uuid:quiz_id>/attempts/<uuid:attempt_id>",
    "One attempt and its correction",
    out=AttemptOut,
    errors=(404,),
)
def attempt(quiz_id: UUID, attempt_id: UUID) -> Any:
    with db.session() as session:
        found = session.get(Attempt, attempt_id)
        if found is None or found.quiz_id != quiz_id or found.user_id != g.user_id:
            raise Problem(404, "there is no such attempt of yours")
        # created_at is the partition key: naming it lets PostgreSQL look into one month only.
        rows = session.execute(
            select(AttemptResult, Question)
            .join(Question, Question.id == AttemptResult.question_id)
            .where(AttemptResult.attempt_id == attempt_id, AttemptResult.created_at == found.created_at)
            .order_by(Question.position)
        ).all()
        results = [
            ResultOut(question_id=q.id, given=r.given, correct=r.correct, answer=q.answer, explanation=q.explanation)
            for r, q in rows
        ]
        return {**_show(found), "results": results if found.status == "corrected" else []}
