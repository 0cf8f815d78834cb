"""Fixtures: servers for the session, a fresh database for each module, and the application on top."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support import processes, servers  # noqa: E402

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def place() -> Iterator[SimpleNamespace]:
    """Where PostgreSQL and Redis are: `database(name)` and `redis(number)` give URLs."""
    given = os.environ.get("AIKO_TEST_DATABASE_URL"), os.environ.get("AIKO_TEST_REDIS_URL")
    started: list[servers.Server] = []
    with servers.folder() as folder:
        try:
            if given[0]:
                database = lambda name: urlunsplit(urlsplit(given[0])._replace(path=f"/{name}"))  # noqa: E731
                admin = given[0]
            else:
                started.append(postgres := servers.Postgres(folder / "postgres"))
                database, admin = postgres.url, postgres.url()
            if given[1]:
                numbered = lambda number: urlunsplit(urlsplit(given[1])._replace(path=f"/{number}"))  # noqa: E731
            else:
                started.append(private := servers.Redis(folder / "redis"))
                numbered = private.url
            yield SimpleNamespace(database=database, admin=admin, redis=numbered)
        finally:
            for server in started:
                server.stop()


def base_settings(database: str, redis_url: Callable[[int], str], uploads: Path) -> dict[str, str]:
    """Return a configuration for tests."""
    return {
        "FLASK_ENV": "testing",
        "DATABASE_URL": database,
        "CELERY_BROKER_URL": redis_url(0),
        "CELERY_RESULT_BACKEND": redis_url(0),
        "REDIS_URL": redis_url(1),
        "SESSION_REDIS_URL": redis_url(2),
        "RATELIMIT_STORAGE_URI": redis_url(3),
        "REDBEAT_REDIS_URL": redis_url(4),
        "UPLOAD_DIR": str(uploads),
        "LOGIN_RATE_LIMIT": "1000/minute",
        "TRUSTED_PROXY_HOPS": "0",
        "SECRET_KEY": "k" * 40,
        "JWT_SECRET_KEY": "j" * 40,
    }


@pytest.fixture(scope="module")
def make_database(place: SimpleNamespace) -> Iterator[Callable[[], str]]:
    """Return a function that makes an empty database and returns its URL; all go at the end of the module."""
    made: list[str] = []
    connection = psycopg2.connect(place.admin)
    connection.autocommit = True

    def make() -> str:
        name = f"aiko_test_{uuid.uuid4().hex[:12]}"
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        made.append(name)
        return place.database(name)

    yield make
    with connection.cursor() as cursor:
        for name in made:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    connection.close()


@pytest.fixture(scope="module")
def settings(
    place: SimpleNamespace, make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """A configuration with a migrated database and empty Redis databases."""
    for number in range(5):
        redis.Redis.from_url(place.redis(number)).flushdb()
    found = base_settings(make_database(), place.redis, tmp_path_factory.mktemp("uploads"))
    migrate(found)
    return found


def migrate(settings: dict[str, str]) -> subprocess.CompletedProcess:
    """Run the migrations, and fail with their output."""
    done = processes.run(["alembic", "upgrade", "head"], settings)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def app(settings: dict[str, str]) -> Iterator[Any]:
    """The application inside the test process."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    from aiko import config, db

    config.current.cache_clear()
    from aiko.app import create_app
    from aiko.celery_app import celery
    from aiko.celery_app import settings as celery_settings

    celery.conf.update(celery_settings(config.current()))
    celery.__dict__.pop("backend", None)
    yield create_app()
    db.engine().dispose()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
    config.current.cache_clear()


@pytest.fixture(scope="module")
def celery_worker_process(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[processes.Process]:
    """A real worker for all queues."""
    with processes.worker(settings, tmp_path_factory.mktemp("worker") / "log") as process:
        yield process


class Person:
    """A user of the API with a token."""

    def __init__(self, app: Any, role: str = "teacher"):
        self.client = app.test_client()
        self.email = f"{uuid.uuid4().hex[:12]}@example.com"
        made = self.client.post(
            "/api/auth/register", json={"email": self.email, "password": PASSWORD, "name": "Anne", "role": role}
        )
        assert made.status_code == 201, made.text
        answer = self.client.post("/api/auth/login", json={"email": self.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json['access_token']}"}

    def get(self, path: str, **more: Any) -> Any:
        """GET with the token."""
        return self.client.get(path, headers=self.headers, **more)

    def post(self, path: str, **more: Any) -> Any:
        """POST with the token."""
        return self.client.post(path, headers=self.headers, **more)

    def delete(self, path: str) -> Any:
        """DELETE with the token."""
        return self.client.delete(path, headers=self.headers)

    def upload(self, data: bytes, name: str = "lesson.txt", **form: str) -> Any:
        """Upload a file."""
        import io

        return self.post("/api/documents", data={"file": (io.BytesIO(data), name), **form})


@pytest.fixture
def person(app: Any) -> Callable[..., Person]:
    """Return a function that makes a logged-in person."""
    return lambda role="teacher": Person(app, role)
