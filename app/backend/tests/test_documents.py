"""Uploads: what is taken, what is refused, who sees it, how it is found."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests import hostile

SENTENCE = "The quick brown fox jumps over the lazy dog near the river."


def stored(settings: dict[str, str]) -> list[Path]:
    """Return all files under UPLOAD_DIR."""
    return sorted(p for p in Path(settings["UPLOAD_DIR"]).rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        (SENTENCE.encode(), "text", "brown fox"),
        ("\ufeffUn été à la mer.".encode(), "text", "été"),
        ("L'été est fini, déjà.".encode("cp1252"), "text", "déjà"),
        ("L'été en seize bits.".encode("utf-16"), "text", "seize"),
        (b"# Title\n\n- one\n- two\n", "markdown", "Title"),
        (hostile.pdf("Hello from a page"), "pdf", "Hello from a page"),
        (hostile.docx("Premier paragraphe.", "Second."), "docx", "Premier paragraphe."),
    ],
)
def test_kind_goes_by_content(person: Any, data: bytes, kind: str, expected: str) -> None:
    """The name says .txt for all of them; only the bytes count."""
    teacher = person()
    made = teacher.upload(data, "misnamed.txt")
    assert made.status_code == 201, made.text
    assert made.json["kind"] == kind
    found = teacher.get(f"/api/documents/{made.json['id']}").json
    assert expected in found["excerpt"] and not found["excerpt"].startswith("\ufeff")
    back = teacher.get(f"/api/documents/{made.json['id']}/file")
    assert back.data == data and back.headers["X-Content-Type-Options"] == "nosniff"
    assert back.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("name", "make", "status"),
    [
        ("empty", lambda: b"", 422),
        ("binary as text", lambda: bytes(range(256)) * 20, 415),
        ("nul in text", lambda: b"hello \x00 world, this is text", 415),
        ("picture", lambda: b"\x89PNG\r\n\x1a\n" + bytes(500), 415),
        ("elf", lambda: b"\x7fELF" + bytes(500), 415),
        ("archive", hostile.other_zip, 415),
        ("half a docx", lambda: hostile.docx("x")[:2000], 422),
        ("docx bomb", hostile.docx_bomb, 422),
        ("docx entities", hostile.docx_with_entities, 422),
        ("protected pdf", lambda: hostile.pdf("secret", "password"), 422),
        ("pdf without text", lambda: hostile.pdf(None), 422),
        ("half a pdf", lambda: hostile.pdf("Hello")[:200], 422),
        ("deep pdf", hostile.deep_pdf, 422),
        ("pages within themselves", hostile.endless_pages, 422),
        ("pdf with too much text", lambda: hostile.pdf("x" * 1000, repeat=4000), 422),
    ],
)
def test_hostile_files_are_refused_in_bounded_time(
    person: Any, settings: dict[str, str], name: str, make: Any, status: int
) -> None:
    """A bad file costs its owner a clear answer, and the server neither time, memory nor a file."""
    before = stored(settings)
    data = make()
    started = time.monotonic()
    answer = person().upload(data, f"{name}.txt")
    assert time.monotonic() - started < 25
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json" and len(answer.json["detail"]) > 15
    assert stored(settings) == before
    # The memory limit would also stop a bomb; it must not come to that.
    assert name != "docx bomb" or "unpacks to more than 64 MiB" in answer.json["detail"]


def test_size_limit(person: Any, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte over is refused with the limit in the message; exactly the limit is taken."""
    from aiko import config
    from aiko.app import create_app
    from tests.conftest import Person

    monkeypatch.setenv("MAX_UPLOAD_MB", "1")
    config.current.cache_clear()
    try:
        teacher = Person(create_app())
        line = b"word " * 13
        fits = (line * 20_000)[: 2**20]
        assert teacher.upload(fits).status_code == 201
        # Lines are what the parser looks for boundaries at: a file of them takes another way through it.
        lines = b"A sentence on a line of its own is what most lessons are made of.\n" * 15_000
        assert teacher.upload(lines).status_code == 201
        for size in (1, 500_000):
            answer = teacher.upload(fits + b"x" * size)
            assert answer.status_code == 413 and "1 MiB" in answer.json["detail"], answer.text
    finally:
        monkeypatch.undo()
        config.current.cache_clear()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\..\\boot.ini", "a\tb\x7fc", '"><script>.html', "", "." * 300]
)
def test_names_cannot_escape(person: Any, settings: dict[str, str], name: str) -> None:
    """The file lies under its id; the shown name is harmless in a header and on a disk."""
    teacher = person()
    made = teacher.upload(SENTENCE.encode(), name or "x")
    assert made.status_code == 201, made.text
    shown = made.json["filename"]
    assert not set(shown) & set('/\\\r\n"<>:') and shown.endswith(".txt") and 4 < len(shown) <= 125
    assert Path(settings["UPLOAD_DIR"], made.json["id"][:2], made.json["id"]).is_file()


def test_documents_are_private(person: Any) -> None:
    """Another user gets 404, as if it did not exist, for every verb."""
    owner, other = person(), person()
    made = owner.upload(SENTENCE.encode()).json
    where = f"/api/documents/{made['id']}"
    assert [other.get(where).status_code, other.get(where + "/file").status_code, other.delete(where).status_code] == [
        404
    ] * 3
    assert other.get("/api/documents").json["total"] == 0
    assert other.post("/api/quizzes", json={"document_id": made["id"]}).status_code == 404
    assert owner.client.get(where).status_code == 401
    assert owner.get(where).status_code == 200


def test_delete_takes_row_and_file(person: Any, settings: dict[str, str]) -> None:
    """Nothing is left of a deleted document."""
    teacher = person()
    made = teacher.upload(SENTENCE.encode()).json
    path = Path(settings["UPLOAD_DIR"], made["id"][:2], made["id"])
    assert path.is_file()
    assert teacher.delete(f"/api/documents/{made['id']}").status_code == 204
    assert not path.exists() and teacher.get(f"/api/documents/{made['id']}").status_code == 404
    assert teacher.get("/api/documents").json["total"] == 0


@pytest.mark.ledger("PG3")
def test_search_finds_with_and_without_accents(person: Any) -> None:
    """A pupil who types `ecole` means `école`, and the other way round."""
    teacher = person()
    teacher.upload("Les élèves vont à l'École près de la forêt.".encode(), title="Première leçon")
    teacher.upload(b"Another text without any of it, 100% sure.", title="Other_one")
    for query, count in (
        ("école", 1),
        ("ecole", 1),
        ("ÉCOLE", 1),
        ("foret", 1),
        ("lecon", 1),
        ("élèves vont", 1),
        ("text", 1),
        ("nothing", 0),
        ("100%", 1),
        ("%", 1),
        ("_", 1),
        ("\\", 0),
        ("", 2),
        ("Œuvre", 0),
    ):
        assert teacher.get("/api/documents", query_string={"q": query}).json["total"] == count, query
    assert teacher.get("/api/documents", query_string={"q": "a\x00"}).status_code == 422


def test_pages(person: Any) -> None:
    """Each document appears on exactly one page, newest first."""
    teacher = person()
    made = [teacher.upload(f"{SENTENCE} Number {n}.".encode()).json["id"] for n in range(5)]
    pages = [teacher.get("/api/documents", query_string={"page": n, "per_page": 2}).json for n in (1, 2, 3, 4)]
    assert [item["id"] for page in pages for item in page["items"]] == made[::-1]
    assert {page["total"] for page in pages} == {5}
    for bad in ({"page": 0}, {"per_page": 1000}, {"page": "x"}, {"what": 1}):
        assert teacher.get("/api/documents", query_string=bad).status_code == 422


@pytest.mark.ledger("PG7")
def test_search_uses_the_index(app: Any, person: Any) -> None:
    """The query is written as the index is, so PostgreSQL can use it; a plan shows it."""
    from aiko import db

    with db.session() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(
            session.scalars(
                text(
                    "EXPLAIN SELECT id FROM documents WHERE aiko_fold(documents.title || ' ' || documents.body) LIKE "
                    "'%' || regexp_replace(aiko_fold('école'), '([\\\\%_])', '\\\\\\1', 'g') || '%'"
                )
            )
        )
    assert "ix_documents_search" in plan, plan


@pytest.mark.ledger("RD5")
def test_lists_are_cached_and_never_stale_for_their_owner(person: Any, settings: dict[str, str]) -> None:
    """The second list comes from the cache Redis; a change is seen at once."""
    import redis

    cache = redis.Redis.from_url(settings["REDIS_URL"])
    cache.flushdb()
    teacher = person()
    teacher.upload(SENTENCE.encode())
    assert teacher.get("/api/documents").json["total"] == 1
    keys = cache.keys("*")
    assert keys and all(key.startswith(b"cache:") for key in keys)
    assert all(0 < cache.ttl(key) <= 86_400 for key in keys)
    hits = cache.info("stats")["keyspace_hits"]
    assert teacher.get("/api/documents").json["total"] == 1
    assert cache.info("stats")["keyspace_hits"] >= hits + 2
    teacher.upload(SENTENCE.encode())
    assert teacher.get("/api/documents").json["total"] == 2


def test_missing_file_field(person: Any) -> None:
    """The message names the field."""
    answer = person().post("/api/documents", data={"other": "x"}, content_type="multipart/form-data")
    assert answer.status_code == 400 and "'file'" in answer.json["detail"]


@pytest.mark.ledger("BE5")
def test_sweep_removes_files_without_a_row_only(person: Any, app: Any, settings: dict[str, str]) -> None:
    """A crash between file and row leaves a file; the sweep takes it and nothing else."""
    import os
    import uuid

    from aiko import uploads
    from aiko.tasks.maintenance import _known

    teacher = person()
    kept = uploads.path_of(uuid.UUID(teacher.upload(SENTENCE.encode()).json["id"]))
    orphan = uploads.path_of(uuid.uuid4())
    young = uploads.path_of(uuid.uuid4())
    for path in (orphan, young):
        path.parent.mkdir(exist_ok=True)
        path.write_text("left")
    for path in (kept, orphan):
        os.utime(path, (1, 1))
    assert uploads.sweep(_known, 3600) == 1
    assert kept.exists() and young.exists() and not orphan.exists()
    young.unlink()


def test_failed_commit_leaves_no_file(person: Any, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """When the row cannot be written, the file goes too."""
    from aiko import db

    teacher = person()
    before = stored(settings)
    with db.session() as session:
        session.execute(text("ALTER TABLE documents ADD CONSTRAINT no_more CHECK (title <> 'refuse me')"))
    try:
        assert teacher.upload(SENTENCE.encode(), title="refuse me").status_code == 500
    finally:
        with db.session() as session:
            session.execute(text("ALTER TABLE documents DROP CONSTRAINT no_more"))
    assert stored(settings) == before
