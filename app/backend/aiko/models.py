"""Tables of the application. The migrations create them; a test compares the two."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, Float, ForeignKey, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import HSTORE, JSONB, UUID
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

ROLES = ("teacher", "student", "operator")


class Base(DeclarativeBase):
    """Common base; ids come from PostgreSQL's uuid-ossp."""


def _id() -> Mapped[uuid.UUID]:
    return mapped_column(UUID(as_uuid=True), primary_key=True, server_default=text("uuid_generate_v4()"))


def _owner(target: str, *, index: bool = True) -> Mapped[uuid.UUID]:
    return mapped_column(UUID(as_uuid=True), ForeignKey(target, ondelete="CASCADE"), index=index)


def _now() -> Mapped[datetime]:
    return mapped_column(DateTime(timezone=True), server_default=func.now())


class User(Base):
    """A person who can log in; `email` is stored in lower case."""

    __tablename__ = "users"
    id: Mapped[uuid.UUID] = _id()
    email: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text, server_default="teacher")
    password_hash: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = _now()


class Document(Base):
    """An uploaded file and the text found in it; the bytes lie under UPLOAD_DIR by id."""

    __tablename__ = "documents"
    id: Mapped[uuid.UUID] = _id()
    user_id: Mapped[uuid.UUID] = _owner("users.id")
    title: Mapped[str] = mapped_column(Text)
    filename: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text, deferred=True)
    meta: Mapped[dict[str, str | None]] = mapped_column(MutableDict.as_mutable(HSTORE()), server_default="")
    created_at: Mapped[datetime] = _now()


class Quiz(Base):
    """A quiz made from a document; `status` is pending, ready or failed."""

    __tablename__ = "quizzes"
    id: Mapped[uuid.UUID] = _id()
    user_id: Mapped[uuid.UUID] = _owner("users.id")
    document_id: Mapped[uuid.UUID] = _owner("documents.id")
    task_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True), unique=True)
    title: Mapped[str] = mapped_column(Text)
    wanted: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(Text, server_default="pending")
    message: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    share_code: Mapped[str | None] = mapped_column(Text, unique=True)
    created_at: Mapped[datetime] = _now()
    questions: Mapped[list[Question]] = relationship(order_by="Question.position", viewonly=True)


class Question(Base):
    """One multiple-choice question of a quiz."""

    __tablename__ = "questions"
    id: Mapped[uuid.UUID] = _id()
    quiz_id: Mapped[uuid.UUID] = _owner("quizzes.id", index=False)
    position: Mapped[int] = mapped_column(Integer)
    prompt: Mapped[str] = mapped_column(Text)
    options: Mapped[list[str]] = mapped_column(JSONB)
    answer: Mapped[str] = mapped_column(Text)
    explanation: Mapped[str] = mapped_column(Text)


class Attempt(Base):
    """One person's answers to a quiz; `status` is pending, corrected or failed."""

    __tablename__ = "attempts"
    id: Mapped[uuid.UUID] = _id()
    quiz_id: Mapped[uuid.UUID] = _owner("quizzes.id")
    user_id: Mapped[uuid.UUID] = _owner("users.id")
    task_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True), unique=True)
    answers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str] = mapped_column(Text, server_default="pending")
    score: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[datetime] = _now()


class AttemptResult(Base):
    """The correction of one answer; partitioned by month of the attempt, so old months can be dropped whole."""

    __tablename__ = "attempt_results"
    attempt_id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True), ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True
    )
    question_id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True), ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True
    )
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    given: Mapped[str | None] = mapped_column(Text)
    correct: Mapped[bool] = mapped_column(Boolean)


class ProbeEffect(Base):
    """The visible effect of a diagnostic task: one row for each key, however often the task ran."""

    __tablename__ = "probe_effects"
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    created_at: Mapped[datetime] = _now()
