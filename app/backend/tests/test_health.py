"""Probes and requests while servers are away. Private servers, because the tests stop them."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import PASSWORD, base_settings, migrate
from tests.support import processes, servers


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A gunicorn with a PostgreSQL, a main Redis and a cache Redis of its own."""
    started: list[Any] = []
    with servers.folder() as folder:
        try:
            started += [postgres := servers.Postgres(folder / "p")]
            started += [main := servers.Redis(folder / "m")]
            started += [cache := servers.Redis(folder / "c")]
            uploads = tmp_path_factory.mktemp("uploads")
            settings = base_settings(postgres.url(), main.url, uploads) | {"REDIS_URL": cache.url(0)}
            web = processes.Web(settings, uploads.parent / "health.log", threads=8)
            started.append(web)
            before = web.get("/health/ready")
            migrate(settings)
            yield SimpleNamespace(postgres=postgres, main=main, cache=cache, web=web, settings=settings, before=before)
        finally:
            for server in reversed(started):
                server.stop()


def ready(stage: SimpleNamespace) -> bool:
    """Say whether all is well again; probes keep their answers for a second."""
    return stage.web.get("/health/detailed")[0] == 200


def codes(stage: SimpleNamespace) -> dict[str, int]:
    """Return the status of each probe, and fail when one was slow."""
    time.sleep(1.1)
    found = {}
    for path in ("/health", "/health/live", "/health/ready", "/health/detailed"):
        started = time.monotonic()
        found[path.rsplit("/", 1)[-1]] = stage.web.get(path)[0]
        assert time.monotonic() - started < 5, path
    return found


def person(stage: SimpleNamespace) -> dict[str, str]:
    """Register and log in over HTTP; return the header."""
    import urllib.request

    def post(path: str, body: dict) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{stage.web.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        return json.load(urllib.request.urlopen(request, timeout=20))

    email = f"h{time.monotonic_ns()}@example.com"
    post("/api/auth/register", {"email": email, "password": PASSWORD, "name": "H"})
    return {
        "Authorization": "Bearer " + post("/api/auth/login", {"email": email, "password": PASSWORD})["access_token"]
    }


@pytest.mark.ledger("BE2")
def test_not_ready_before_migrations(stage: SimpleNamespace) -> None:
    """An application without its tables must get no traffic."""
    status, body = stage.before
    assert status == 503 and "migrations have not run" in body
    servers.wait_for(lambda: ready(stage), 10, "ready after the migrations")


@pytest.mark.ledger("BE2")
def test_cache_away(stage: SimpleNamespace) -> None:
    """Only the detailed probe minds; requests go on, and not slowly."""
    headers = person(stage)
    stage.cache.stop()
    try:
        assert codes(stage) == {"health": 200, "live": 200, "ready": 200, "detailed": 503}
        checks = json.loads(stage.web.get("/health/detailed")[1])["checks"]
        assert [name for name, check in checks.items() if check["status"] != "ok"] == ["redis_cache"]
        started = time.monotonic()
        for _ in range(5):
            assert stage.web.get("/api/documents", **headers)[0] == 200
        assert time.monotonic() - started < 3
    finally:
        stage.cache.start()
    servers.wait_for(lambda: ready(stage), 10, "ready again")


@pytest.mark.ledger("BE2")
def test_sessions_away(stage: SimpleNamespace) -> None:
    """Nobody can be recognised, so the application is not ready, and says 503 and not 401 or 500."""
    headers = person(stage)
    stage.main.stop()
    try:
        assert codes(stage) == {"health": 200, "live": 200, "ready": 503, "detailed": 503}
        status, body = stage.web.get("/api/auth/me", **headers)
        assert status == 503 and json.loads(body)["status"] == 503
    finally:
        stage.main.start()
    servers.wait_for(lambda: ready(stage), 10, "ready again")
    assert stage.web.get("/api/auth/me", **headers)[0] == 200


@pytest.mark.ledger("BE2")
def test_database_away_and_back(stage: SimpleNamespace) -> None:
    """A restart of PostgreSQL is survived: 503 meanwhile, and the first request afterwards works."""
    headers = person(stage)
    stage.postgres.stop()
    try:
        assert codes(stage) == {"health": 200, "live": 200, "ready": 503, "detailed": 503}
        status, body = stage.web.get("/api/auth/me", **headers)
        assert status == 503 and "127.0.0.1" not in body
    finally:
        stage.postgres.start()
    assert stage.web.get("/api/auth/me", **headers)[0] == 200
    servers.wait_for(lambda: ready(stage), 10, "ready again")


@pytest.mark.ledger("BE2")
def test_hanging_database(stage: SimpleNamespace) -> None:
    """A server that accepts and never answers must not hang the probes; a closed port is the easy case."""
    pid = stage.main.process.pid
    import os

    os.kill(pid, signal.SIGSTOP)
    try:
        assert codes(stage) == {"health": 200, "live": 200, "ready": 503, "detailed": 503}
    finally:
        os.kill(pid, signal.SIGCONT)
    servers.wait_for(lambda: ready(stage), 10, "ready again")


def test_newer_schema_counts_as_ready(stage: SimpleNamespace) -> None:
    """During a deploy the old release serves on the new schema; an older or empty one is refused."""
    import psycopg2

    connection = psycopg2.connect(stage.settings["DATABASE_URL"])
    connection.autocommit = True
    cursor = connection.cursor()
    try:
        for revision, status in (("9999_from_the_future", 200), ("0001", 200)):
            cursor.execute("UPDATE alembic_version SET version_num = %s", (revision,))
            time.sleep(1.1)
            assert stage.web.get("/health/ready")[0] == status
        cursor.execute("DELETE FROM alembic_version")
        time.sleep(1.1)
        assert stage.web.get("/health/ready")[0] == 503
    finally:
        cursor.execute("DELETE FROM alembic_version")
        cursor.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.close()


@pytest.mark.ledger("BE1")
def test_health_answers_while_requests_are_slow(stage: SimpleNamespace) -> None:
    """Requests that wait for a lock in the database take threads, but /health still answers at once."""
    import psycopg2

    headers = person(stage)
    connection = psycopg2.connect(stage.settings["DATABASE_URL"])
    connection.cursor().execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
    slow = [threading.Thread(target=stage.web.get, args=("/api/auth/me",), kwargs=headers) for _ in range(4)]
    try:
        for thread in slow:
            thread.start()
        time.sleep(0.5)
        started = time.monotonic()
        assert stage.web.get("/health")[0] == 200
        assert time.monotonic() - started < 1
        assert all(thread.is_alive() for thread in slow)
    finally:
        connection.rollback()
        connection.close()
        for thread in slow:
            thread.join()


@pytest.mark.ledger("RD5")
def test_each_use_is_in_its_own_instance(stage: SimpleNamespace, tmp_path: Path) -> None:
    """After real use: cache entries in the cache, sessions and counters in the main Redis, nothing crosswise."""
    import redis

    headers = person(stage)
    stage.web.get("/api/documents", **headers)
    cache = redis.Redis(port=stage.cache.port)
    keys = cache.keys("*")
    assert keys and all(key.startswith(b"cache:") for key in keys)
    assert redis.Redis(port=stage.main.port, db=2).keys("session:*")
    assert redis.Redis(port=stage.main.port, db=3).keys("LIMITS:*login*")
    assert not [key for n in range(5) for key in redis.Redis(port=stage.main.port, db=n).keys("cache:*")]
