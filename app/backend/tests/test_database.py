"""Migrations and partitions."""

from __future__ import annotations

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from tests.conftest import migrate
from tests.support.processes import run


@pytest.fixture
def db(app: Any) -> Any:
    """The application's database module."""
    from aiko import db

    return db


def test_a_silent_server_is_noticed(db: Any) -> None:
    """A request that waits for a host without power must fail, and not hold its thread for two hours."""
    connection = db.engine().raw_connection()
    with socket.socket(fileno=os.dup(connection.dbapi_connection.fileno())) as one:
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert [one.getsockopt(socket.IPPROTO_TCP, name) for name in names] == [10, 5, 3]
    connection.close()


def test_models_and_migrations_agree(db: Any) -> None:
    """A column in only one of the two fails at run time, in some rare request."""
    from aiko.models import Base

    with db.engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, Base.metadata)
    flat = [diff for entry in found for diff in (entry if isinstance(entry, list) else [entry])]
    kinds = {"add_table", "add_column", "remove_column", "modify_nullable", "modify_type"}
    assert [diff for diff in flat if diff[0] in kinds] == []


@pytest.mark.ledger("PG3")
def test_extensions(db: Any) -> None:
    """The ones the tables need are there."""
    with db.session() as session:
        found = set(session.scalars(text("SELECT extname FROM pg_extension")))
    assert {"uuid-ossp", "unaccent", "pg_trgm", "hstore"} <= found


def test_two_hosts_may_migrate_at_once(make_database: Any, settings: dict[str, str]) -> None:
    """A rolling deploy runs it on each host; both must end well, and again must be quick and change nothing."""
    fresh = {**settings, "DATABASE_URL": make_database()}
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: run(["alembic", "upgrade", "head"], fresh), range(3)))
    assert [d.returncode for d in done] == [0, 0, 0], [d.stderr for d in done]
    started = time.monotonic()
    again = migrate(fresh)
    assert time.monotonic() - started < 10 and "Running upgrade" not in again.stderr


def test_failed_migration_leaves_nothing(make_database: Any, settings: dict[str, str]) -> None:
    """One transaction: a migration that fails near its end leaves no table behind, and works once the cause is gone."""
    url = make_database()
    connection = psycopg2.connect(url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE probe_effects (in_the_way int)")
    assert run(["alembic", "upgrade", "head"], {**settings, "DATABASE_URL": url}).returncode != 0
    cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert cursor.fetchone() == (1,)
    cursor.execute("DROP TABLE probe_effects")
    connection.close()
    migrate({**settings, "DATABASE_URL": url})


def test_down_and_up(make_database: Any, settings: dict[str, str]) -> None:
    """The way back exists."""
    fresh = {**settings, "DATABASE_URL": make_database()}
    migrate(fresh)
    assert run(["alembic", "downgrade", "base"], fresh).returncode == 0
    migrate(fresh)


def partitions(session: Any) -> set[str]:
    """Return the names of the partitions."""
    return set(
        session.scalars(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'attempt_results'::regclass")
        )
    )


@pytest.mark.ledger("PG7")
def test_partitions_are_made_ahead(db: Any) -> None:
    """This month and the next three exist from the start; the task adds what is missing and may be repeated."""
    from aiko.tasks.maintenance import MONTHS_AHEAD, create_partitions

    now = datetime.now(UTC)
    names = {
        f"attempt_results_y{now.year + (now.month - 1 + n) // 12}m{(now.month - 1 + n) % 12 + 1:02d}"
        for n in range(MONTHS_AHEAD + 1)
    }
    with db.session() as session:
        assert partitions(session) == names | {"attempt_results_default"}
        session.execute(text(f"DROP TABLE {max(names)}"))
    assert create_partitions() == {"created": 1}
    assert create_partitions() == {"created": 0}
    with db.session() as session:
        assert names <= partitions(session)


@pytest.mark.ledger("PG7")
def test_rows_of_the_default_partition_stay_reachable(db: Any, person: Any) -> None:
    """Rows of a month without a partition wait in the default one, then move into their month without getting lost."""
    teacher = person()
    document = teacher.upload(b"Plants turn the light of the sun into chemical energy every day.").json
    with db.session() as session:
        me = teacher.get("/api/auth/me").json["id"]
        values = {"u": me, "d": document["id"]}
        quiz = session.scalar(
            text(
                "INSERT INTO quizzes (user_id, document_id, task_id, title, wanted) "
                "VALUES (:u, :d, uuid_generate_v4(), 't', 1) RETURNING id"
            ),
            values,
        )
        question = session.scalar(
            text(
                "INSERT INTO questions (quiz_id, position, prompt, options, answer, explanation) "
                "VALUES (:q, 1, 'p', '[]', 'a', 'e') RETURNING id"
            ),
            {"q": quiz},
        )
        attempt = session.scalar(
            text(
                "INSERT INTO attempts (quiz_id, user_id, task_id, answers) "
                "VALUES (:q, :u, uuid_generate_v4(), '{}') RETURNING id"
            ),
            {"q": quiz, "u": me},
        )
        for when in ("2031-05-31 23:59:59+00", "2031-06-01 00:00:00+00"):
            session.execute(
                text("INSERT INTO attempt_results VALUES (:a, :q, :w, 'x', false)"),
                {"a": attempt, "q": question, "w": when},
            )
    with db.session() as session:
        assert session.scalar(text("SELECT count(*) FROM attempt_results_default")) == 2
        assert session.scalar(text("SELECT aiko_create_partitions(3)")) == 2
    with db.session() as session:
        where = (
            session.execute(
                text("SELECT tableoid::regclass::text FROM attempt_results WHERE attempt_id = :a ORDER BY created_at"),
                {"a": attempt},
            )
            .scalars()
            .all()
        )
        assert where == ["attempt_results_y2031m05", "attempt_results_y2031m06"]
        # Foreign keys hold in the new partitions too: deleting the document takes the results along.
        session.execute(text("DELETE FROM documents WHERE id = :d"), {"d": document["id"]})
        assert session.scalar(text("SELECT count(*) FROM attempt_results WHERE attempt_id = :a"), {"a": attempt}) == 0
