"""What a teacher sees at a glance, and that it is the teacher's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from tests.samples import ENGLISH

pytestmark = pytest.mark.ledger("BE4")
START = datetime(2030, 1, 1, tzinfo=UTC)
NOTHING = {
    "documents": 0,
    "quizzes": {"pending": 0, "ready": 0, "failed": 0},
    "attempts": 0,
    "students": 0,
    "average_score": None,
    "recent": [],
    "by_quiz": [],
}


def quizzes(person: Any, *titles: str, **more: Any) -> list[UUID]:
    """Give a person a document, and ready quizzes of it that are a day apart; return their ids."""
    from aiko import db
    from aiko.models import Quiz

    document = UUID(person.upload(ENGLISH.encode()).json["id"])
    me = UUID(person.get("/api/auth/me").json["id"])
    rows = [
        Quiz(user_id=me, document_id=document, task_id=uuid4(), title=title, wanted=3, created_at=START + timedelta(n))
        for n, title in enumerate(titles)
    ]
    for row in rows:
        row.status = more.get("status", "ready")
    with db.session() as session:
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows]


def answer(person: Any, quiz: UUID, score: float | None, day: int) -> None:
    """Leave an attempt of a person, corrected when it has a score."""
    from aiko import db
    from aiko.models import Attempt

    with db.session() as session:
        session.add(
            Attempt(
                quiz_id=quiz,
                user_id=UUID(person.get("/api/auth/me").json["id"]),
                task_id=uuid4(),
                answers={},
                score=score,
                status="pending" if score is None else "corrected",
                created_at=START + timedelta(days=day),
            )
        )


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements with their parameters that the application sends meanwhile."""
    from aiko import db

    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(db.engine(), "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine(), "before_cursor_execute", note)


def test_a_new_account_sees_zeros(person: Any) -> None:
    """The first page after the registration must not fail for want of rows."""
    assert person().get("/api/overview").json == NOTHING


def test_figures(app: Any, person: Any) -> None:
    """Own attempts count as attempts and not as students; what is not corrected has no part in the average."""
    teacher, first, second = person(), person("student"), person("student")
    old, new = quizzes(teacher, "Old", "New")
    quizzes(teacher, "Broken", status="failed")
    code = teacher.post(f"/api/quizzes/{old}/share").json["share_code"]
    answer(teacher, old, 1.0, 1)
    answer(first, old, 0.5, 2)
    answer(first, old, 0.0, 3)
    answer(second, old, None, 4)
    found = teacher.get("/api/overview").json
    assert found["documents"] == 2 and found["quizzes"] == {"pending": 0, "ready": 2, "failed": 1}
    assert (found["attempts"], found["students"], found["average_score"]) == (4, 2, 0.5)
    assert found["by_quiz"][0] == {
        "quiz_id": str(new),
        "title": "New",
        "share_code": None,
        "attempts": 0,
        "students": 0,
        "average_score": None,
        "last_attempt_at": None,
    }
    # "Broken" and "Old" are of the same second; the rest is told apart by its id.
    row = next(row for row in found["by_quiz"] if row["quiz_id"] == str(old))
    assert row["share_code"] == code and (row["attempts"], row["students"], row["average_score"]) == (4, 2, 0.5)
    assert datetime.fromisoformat(row["last_attempt_at"]) == START + timedelta(days=4)
    assert [(r["score"], r["status"]) for r in found["recent"]] == [
        (None, "pending"),
        (0.0, "corrected"),
        (0.5, "corrected"),
        (1.0, "corrected"),
    ]
    assert {r["student"] for r in found["recent"]} == {"Anne"} and found["recent"][0]["quiz_title"] == "Old"


def test_lists_are_bounded_and_newest_first(person: Any) -> None:
    """A teacher with years of quizzes gets a page, not a flood."""
    teacher = person()
    made = quizzes(teacher, *(f"Quiz {n}" for n in range(60)))
    for day in range(15):
        answer(teacher, made[day], day / 20, day)
    found = teacher.get("/api/overview").json
    assert [row["title"] for row in found["by_quiz"]] == [f"Quiz {n}" for n in range(59, 9, -1)]
    assert [row["quiz_title"] for row in found["recent"]] == [f"Quiz {n}" for n in range(14, 4, -1)]
    assert found["attempts"] == 15, "quizzes beyond the list count in the totals"


def test_nobody_sees_others(app: Any, person: Any) -> None:
    """Whoever answered a shared quiz sees nothing of it in the overview: it is for the quiz's owner."""
    teacher, student = person(), person("student")
    (quiz,) = quizzes(teacher, "Private")
    teacher.post(f"/api/quizzes/{quiz}/share")
    answer(student, quiz, 0.25, 1)
    assert student.get("/api/overview").json == NOTHING
    assert app.test_client().get("/api/overview").status_code == 401


def test_few_statements_and_all_by_index(app: Any, person: Any) -> None:
    """Ten thousand attempts at other people's quizzes cost this teacher nothing: no table of them is read through."""
    from aiko import db

    teacher, other = person(), person()
    made = quizzes(teacher, "One", "Two")
    answer(teacher, made[0], 1.0, 1)
    many = quizzes(other, *(f"Other {n}" for n in range(400)))
    with db.session() as session:
        session.execute(
            text(
                "INSERT INTO attempts (quiz_id, user_id, task_id, answers, status, score) "
                "SELECT q.id, q.user_id, uuid_generate_v4(), '{}', 'corrected', 0.5 "
                "FROM quizzes q, generate_series(1, 25) WHERE q.id = ANY(:many)"
            ),
            {"many": many},
        )
        for table in ("attempts", "quizzes", "users", "documents"):
            session.execute(text(f"ANALYZE {table}"))
    with statements() as seen:
        assert teacher.get("/api/overview").json["attempts"] == 1
    asked = [one for one in seen if one[0].startswith("SELECT") and "FROM" in one[0]]
    assert len(asked) == 4
    with db.engine().connect() as connection:
        for statement, parameters in asked:
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
            assert "Seq Scan on attempts" not in plan and "Seq Scan on quizzes" not in plan, plan
