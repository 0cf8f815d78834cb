"""The way of a teacher and a student through the API, with a real worker."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from tests.samples import ENGLISH, FRENCH
from tests.support import servers
from tests.support.servers import wait_for

pytestmark = pytest.mark.usefixtures("celery_worker_process")


def finished(person: Any, task_id: str) -> dict:
    """Follow a task to its end."""

    def ended() -> dict | None:
        answer = person.get(f"/api/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        return answer.json if answer.json["state"] in ("SUCCESS", "FAILURE") else None

    return wait_for(ended, 20, "the task ending")


@pytest.mark.ledger("BE4")
def test_from_upload_to_correction(person: Any) -> None:
    """The product in one test: a document becomes a quiz, the answers are corrected and explained."""
    teacher = person()
    document = teacher.upload(FRENCH.encode(), "photosynthèse.md").json
    assert document["kind"] == "markdown"
    queued = teacher.post("/api/quizzes", json={"document_id": document["id"], "questions": 5})
    assert queued.status_code == 202, queued.text
    assert finished(teacher, queued.json["task_id"])["state"] == "SUCCESS"
    quiz = teacher.get(f"/api/quizzes/{queued.json['id']}").json
    assert quiz["status"] == "ready" and quiz["language"] == "fr" and len(quiz["questions"]) == 5
    assert all(set(q) == {"id", "position", "prompt", "options"} for q in quiz["questions"]), (
        "answers shown before an attempt"
    )

    code = teacher.post(f"/api/quizzes/{quiz['id']}/share").json["share_code"]
    student = person("student")
    found = student.get(f"/api/shared/{code}").json
    assert found["id"] == quiz["id"] and found["mine"] is False
    first = {q["id"]: q["options"][0] for q in found["questions"]}
    handed_in = student.post(f"/api/quizzes/{quiz['id']}/attempts", json={"answers": first})
    assert handed_in.status_code == 202, handed_in.text
    assert finished(student, handed_in.json["task_id"])["state"] == "SUCCESS"
    where = f"/api/quizzes/{quiz['id']}/attempts/{handed_in.json['id']}"
    corrected = student.get(where).json
    right = [r for r in corrected["results"] if r["correct"]]
    assert corrected["status"] == "corrected" and len(corrected["results"]) == 5
    assert corrected["score"] == len(right) / 5
    assert all(r["explanation"] and r["correct"] == (r["given"] == r["answer"]) for r in corrected["results"])
    assert teacher.get(where).status_code == 404, "an attempt belongs to who made it"

    best = {r["question_id"]: r["answer"] for r in corrected["results"]}
    again = student.post(f"/api/quizzes/{quiz['id']}/attempts", json={"answers": best}).json
    finished(student, again["task_id"])
    assert student.get(f"/api/quizzes/{quiz['id']}/attempts/{again['id']}").json["score"] == 1.0
    assert [q["id"] for q in student.get("/api/quizzes").json["items"]] == [quiz["id"]]
    assert student.get(f"/api/quizzes/{quiz['id']}/attempts").json["total"] == 2


def test_too_short_a_text_fails_with_a_reason(app: Any, person: Any) -> None:
    """The reason reaches the person, through the task and through the quiz."""
    teacher = person()
    document = teacher.upload(b"Too short, this.").json["id"]
    made = teacher.post("/api/quizzes", json={"document_id": document, "questions": 4}).json
    servers.wait_for(lambda: teacher.get(f"/api/tasks/{made['task_id']}").json["state"] == "FAILURE", 15, "the failure")
    assert "too short" in teacher.get(f"/api/tasks/{made['task_id']}").json["error"]
    quiz = teacher.get(f"/api/quizzes/{made['id']}").json
    assert quiz["status"] == "failed" and "too short" in quiz["message"]
    assert teacher.post(f"/api/quizzes/{made['id']}/attempts", json={"answers": {}}).status_code == 409
    assert person().get(f"/api/tasks/{made['task_id']}").status_code == 404


@pytest.mark.ledger("CE3")
def test_lost_work_is_sent_again(app: Any, person: Any) -> None:
    """A web process that dies between the commit and the queue leaves a pending row; the cleanup sends its task."""
    from aiko import db
    from aiko.celery_app import celery
    from aiko.tasks.maintenance import cleanup

    teacher = person()
    document = teacher.upload(ENGLISH.encode()).json["id"]
    me = teacher.get("/api/auth/me").json["id"]
    with db.session() as session:
        quiz = session.scalar(
            text(
                "INSERT INTO quizzes (user_id, document_id, task_id, title, wanted, created_at) "
                "VALUES (:u, :d, uuid_generate_v4(), 't', 3, now() - interval '3 days') RETURNING id"
            ),
            {"u": me, "d": document},
        )
    assert celery.tasks[cleanup.name].apply().get()["sent_again"] == 1
    servers.wait_for(lambda: teacher.get(f"/api/quizzes/{quiz}").json["status"] == "ready", 15, "the quiz")
