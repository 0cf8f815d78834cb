"""Asking for quizzes, reading them, sharing them."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, g
from pydantic import Field
from sqlalchemy import func, or_, select

from aiko import db
from aiko.api.documents import PageQuery
from aiko.errors import Problem
from aiko.models import Attempt, Document, Question, Quiz
from aiko.openapi import Model, route
from aiko.tasks.quiz import generate
from aiko.tasks.send import send

blueprint = Blueprint("quizzes", __name__)


class QuizIn(Model):
    """What quiz to make."""

    document_id: UUID
    questions: int = Field(10, ge=1, le=50)


class Queued(Model):
    """Work that goes on in the background: follow it at /api/tasks/{task_id}."""

    id: UUID
    task_id: UUID


class QuestionOut(Model):
    """A question; `answer` and `explanation` are only shown by a corrected attempt."""

    id: UUID
    position: int
    prompt: str
    options: list[str]


class QuizOut(Model):
    """A quiz without its questions; `status` is pending, ready or failed, and `message` says why."""

    id: UUID
    document_id: UUID
    task_id: UUID
    title: str
    wanted: int
    status: str
    message: str | None
    language: str | None
    share_code: str | None
    mine: bool = True
    created_at: datetime


class QuizFull(QuizOut):
    """A quiz with its questions."""

    questions: list[QuestionOut]


class QuizPage(Model):
    """One page of a list; `total` counts all pages."""

    items: list[QuizOut]
    total: int
    page: int
    per_page: int


class ShareOut(Model):
    """The code with which others find a quiz."""

    share_code: str


def visible(session: Any, quiz_id: UUID) -> Quiz:
    """Return a quiz that the user owns or has joined by an attempt or its share code. Raises Problem 404."""
    quiz = session.get(Quiz, quiz_id)
    if quiz is None or not (quiz.user_id == g.user_id or quiz.share_code is not None):
        raise Problem(404, "there is no such quiz of yours")
    return quiz


def _show(quiz: Quiz) -> dict[str, Any]:
    mine = quiz.user_id == g.user_id
    return {**{name: getattr(quiz, name) for name in QuizOut.model_fields if name != "mine"}, "mine": mine}


def _full(session: Any, quiz: Quiz) -> dict[str, Any]:
    questions = session.scalars(select(Question).where(Question.quiz_id == quiz.id).order_by(Question.position)).all()
    return {**_show(quiz), "questions": [QuestionOut.model_validate(q) for q in questions]}


@route(
    blueprint, "POST", "/api/quizzes", "Make a quiz from a document", body=QuizIn, out=Queued, status=202, errors=(404,)
)
def make(body: QuizIn) -> Any:
    with db.session() as session:
        document = session.get(Document, body.document_id)
        if document is None or document.user_id != g.user_id:
            raise Problem(404, "there is no such document of yours")
        quiz = Quiz(
            user_id=g.user_id, document_id=document.id, task_id=uuid4(), title=document.title, wanted=body.questions
        )
        session.add(quiz)
        session.flush()
        made = {"id": quiz.id, "task_id": quiz.task_id}
    # After the commit: a quick worker must find the row.
    try:
        send(generate, made["task_id"], str(made["id"]))
    except Problem:
        with db.session() as session:
            session.execute(Quiz.__table__.delete().where(Quiz.id == made["id"]))
        raise
    return made


@route(blueprint, "GET", "/api/quizzes", "List one's quizzes", query=PageQuery, out=QuizPage)
def quizzes(query: PageQuery) -> Any:
    taken = select(Attempt.quiz_id).where(Attempt.user_id == g.user_id)
    mine = or_(Quiz.user_id == g.user_id, Quiz.share_code.is_not(None) & Quiz.id.in_(taken))
    with db.session() as session:
        total = session.scalar(select(func.count()).select_from(Quiz).where(mine))
        rows = session.scalars(
            select(Quiz)
            .where(mine)
            .order_by(Quiz.created_at.desc(), Quiz.id)
            .limit(query.per_page)
            .offset((query.page - 1) * query.per_page)
        ).all()
        return {
            "items": [_show(row) for row in rows],
            "total": total or 0,
            "page": query.page,
            "per_page": query.per_page,
        }


@route(blueprint, "GET", "/api/quizzes/<uuid:quiz_id>", "One quiz with its questions", out=QuizFull, errors=(404,))
def quiz(quiz_id: UUID) -> Any:
    with db.session() as session:
        return _full(session, visible(session, quiz_id))


@route(blueprint, "DELETE", "/api/quizzes/<uuid:quiz_id>", "Delete a quiz", status=204, errors=(404,))
def delete_quiz(quiz_id: UUID) -> None:
    with db.session() as session:
        found = session.get(Quiz, quiz_id)
        if found is None or found.user_id != g.user_id:
            raise Problem(404, "there is no such quiz of yours")
        session.execute(Quiz.__table__.delete().where(Quiz.id == quiz_id))


@route(blueprint, "POST", "/api/quizzes/<uuid:quiz_id>/share", "Share a quiz by a code", out=ShareOut, errors=(404,))
def share(quiz_id: UUID) -> Any:
    with db.session() as session:
        found = session.get(Quiz, quiz_id, with_for_update=True)
        if found is None or found.user_id != g.user_id:
            raise Problem(404, "there is no such quiz of yours")
        found.share_code = found.share_code or secrets.token_urlsafe(9)
        return {"share_code": found.share_code}


@route(blueprint, "GET", "/api/shared/<code>", "Find a shared quiz by its code", out=QuizFull, errors=(404,))
def shared(code: str) -> Any:
    with db.session() as session:
        found = session.scalar(select(Quiz).where(Quiz.share_code == code[:64].replace("\x00", "")))
        if found is None:
            raise Problem(404, "no quiz is shared under this code")
        return _full(session, found)
