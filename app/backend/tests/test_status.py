"""The operators' page: true when all is well, of use when it is not. Private servers, because the tests stop them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from tests.conftest import PASSWORD, base_settings, migrate
from tests.support import processes, servers

pytestmark = [pytest.mark.ledger("BE4"), pytest.mark.timeout(120)]
TICK = """
from datetime import timedelta
from celery.schedules import schedule
from redbeat import RedBeatSchedulerEntry
from aiko.celery_app import celery
every = schedule(timedelta(seconds=1))
RedBeatSchedulerEntry("tick", "aiko.tasks.probe.echo", every, options={"queue": "default"}, app=celery).save()
"""
COUNTED = {"users", "documents", "quizzes", "attempts"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A gunicorn with each server of its own, and an operator who is logged in."""
    started: list[Any] = []
    with servers.folder() as folder:
        try:
            started += [postgres := servers.Postgres(folder / "p")]
            started += [sessions := servers.Redis(folder / "s")]
            started += [broker := servers.Redis(folder / "b")]
            started += [cache := servers.Redis(folder / "c")]
            uploads = tmp_path_factory.mktemp("uploads")
            settings = base_settings(postgres.url(), sessions.url, uploads) | {
                "REDIS_URL": cache.url(0),
                "CELERY_BROKER_URL": broker.url(0),
                "CELERY_RESULT_BACKEND": broker.url(0),
                "REDBEAT_REDIS_URL": broker.url(1),
                "AIKO_RELEASE": "r1",
            }
            migrate(settings)
            web = processes.Web(settings, uploads.parent / "status.log", threads=8)
            started.append(web)
            stage = SimpleNamespace(
                postgres=postgres, sessions=sessions, broker=broker, cache=cache, web=web, settings=settings
            )
            stage.operator, email = login(web)
            done = processes.run(["aiko.users", "set-role", email, "operator"], settings)
            assert done.returncode == 0, done.stderr
            yield stage
        finally:
            for server in reversed(started):
                server.stop()


def login(web: processes.Web) -> tuple[dict[str, str], str]:
    """Register and log in over HTTP; return the header and the email."""

    def post(path: str, body: dict) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{web.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        return json.load(urllib.request.urlopen(request, timeout=20))

    email = f"s{time.monotonic_ns()}@example.com"
    post("/api/auth/register", {"email": email, "password": PASSWORD, "name": "S"})
    token = post("/api/auth/login", {"email": email, "password": PASSWORD})["access_token"]
    return {"Authorization": f"Bearer {token}"}, email


def status(stage: SimpleNamespace) -> dict[str, Any]:
    """Return what the operator sees, and fail when it took long or tells where the servers are."""
    started = time.monotonic()
    code, body = stage.web.get("/api/status", **stage.operator)
    assert time.monotonic() - started < 8, body
    assert code == 200, body
    assert "127.0.0.1" not in body and str(stage.postgres.port) not in body and "unused" not in body
    return json.loads(body)


def bad(found: dict[str, Any]) -> set[str]:
    """Return the names of the parts that are not well; each must say why."""
    names = {name for name, part in found["checks"].items() if not part["ok"]}
    assert all(found["checks"][name]["detail"] for name in names)
    return names


def well(stage: SimpleNamespace) -> bool:
    """Say whether all is well; the checks keep their answers for a second."""
    return not bad(status(stage))


def test_only_for_operators(stage: SimpleNamespace) -> None:
    """Others learn nothing of the platform's inside."""
    headers, _ = login(stage.web)
    code, body = stage.web.get("/api/status", **headers)
    assert code == 403 and json.loads(body)["status"] == 403 and "operator" in json.loads(body)["detail"]
    assert stage.web.get("/api/status")[0] == 401


@pytest.mark.ledger("CE4")
def test_all_is_well(stage: SimpleNamespace, tmp_path: Path) -> None:
    """Every part answers; queues are counted, and a worker and a beat are seen to live and to go."""
    found = status(stage)
    assert set(found) == {"release", "time", "checks", "queues", "workers", "beat", "counts"}
    assert set(found["checks"]) == {"database", "migrations", "cache", "broker", "sessions", "uploads"}
    assert bad(found) == set() and found["release"] == "r1"
    assert all(0 < part["ms"] < 3000 for name, part in found["checks"].items() if name != "uploads")
    uploads = found["checks"]["uploads"]
    assert 0 < uploads["free_bytes"] < uploads["total_bytes"]
    assert found["queues"] == {"default": 0, "ai_tasks": 0, "priority": 0}
    assert found["workers"] == [] and found["beat"] == {"last_run_seconds_ago": None}
    login(stage.web)
    assert status(stage)["counts"] == found["counts"] | {"users": found["counts"]["users"] + 1}
    assert set(found["counts"]) == COUNTED

    beat = ["celery", "-A", "aiko.celery_app:celery", "beat", "--max-interval", "1"]
    # What the schedule has is due in a minute at the earliest.
    subprocess.run(
        [sys.executable, "-c", TICK], cwd=processes.BACKEND, env=processes.environment(stage.settings), check=True
    )
    with processes.running(beat, stage.settings, tmp_path / "beat"):
        servers.wait_for(lambda: status(stage)["beat"]["last_run_seconds_ago"] is not None, 20, "beat's first task")
        assert status(stage)["queues"]["default"] >= 1
    processes.run(["celery", "-A", "aiko.celery_app:celery", "purge", "-f"], stage.settings)
    with processes.worker(stage.settings, tmp_path / "worker", "-n", "some@host") as worker:
        servers.wait_for(lambda: status(stage)["workers"], 10, "the worker's sign of life")
        (seen,) = status(stage)["workers"]
        assert (seen["name"], seen["alive"], seen["active"]) == ("some@host", True, 0)
        assert seen["seconds_since_heartbeat"] < 10
        call = ["celery", "-A", "aiko.celery_app:celery", "call", "aiko.tasks.probe.sleep", "--args=[9]"]
        processes.run([*call, "--queue=default"], stage.settings)
        servers.wait_for(lambda: status(stage)["workers"][0]["active"] == 1, 12, "the task being seen")
        worker.stop(seconds=30)
    servers.wait_for(lambda: not status(stage)["workers"], 10, "the worker being gone")


@pytest.mark.ledger("CE4")
def test_a_worker_that_hangs_is_not_alive(stage: SimpleNamespace, tmp_path: Path) -> None:
    """A stopped process is there and holds its connections; only its silence tells."""
    with processes.worker(stage.settings, tmp_path / "worker", "-n", "stuck@host") as worker:
        servers.wait_for(lambda: status(stage)["workers"], 10, "the worker's sign of life")
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            stored = redis.Redis(port=stage.broker.port)
            sign = json.loads(stored.hget("aiko:workers", "stuck@host"))
            time.sleep(6)
            assert json.loads(stored.hget("aiko:workers", "stuck@host")) == sign, "it went on giving signs"
            # As if half a minute had passed.
            stored.hset("aiko:workers", "stuck@host", json.dumps(sign | {"time": sign["time"] - 30}))
            (seen,) = status(stage)["workers"]
            assert seen["alive"] is False and seen["seconds_since_heartbeat"] > 30
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        servers.wait_for(lambda: status(stage)["workers"][0]["alive"], 10, "it being alive again")


@pytest.mark.parametrize(
    ("server", "lost"), [("cache", {"cache"}), ("broker", {"broker"}), ("postgres", {"database", "migrations"})]
)
def test_a_part_away(stage: SimpleNamespace, server: str, lost: set[str]) -> None:
    """What is gone says so and the rest still answers, even for an operator whose role cannot be looked up just now."""
    assert well(stage)
    getattr(stage, server).stop()
    try:
        servers.wait_for(lambda: bad(status(stage)) == lost, 10, f"the loss of {lost}")
        found = status(stage)
        assert found["queues"] == ({} if server == "broker" else {"default": 0, "ai_tasks": 0, "priority": 0})
        assert set(found["counts"]) == COUNTED
        assert (set(found["counts"].values()) == {None}) is (server == "postgres")
    finally:
        getattr(stage, server).start()
    servers.wait_for(lambda: well(stage), 10, "all being well again")


def test_the_role_is_remembered_for_operators_only(stage: SimpleNamespace) -> None:
    """Without the database nobody becomes an operator, and whoever was never seen as one gets no answer."""
    headers, _ = login(stage.web)
    never, _ = login(stage.web)
    assert stage.web.get("/api/status", **headers)[0] == 403
    stage.postgres.stop()
    try:
        assert stage.web.get("/api/status", **headers)[0] == 403
        assert stage.web.get("/api/status", **never)[0] == 503
    finally:
        stage.postgres.start()
    servers.wait_for(lambda: well(stage), 10, "all being well again")


@pytest.mark.parametrize(
    ("server", "lost"), [("cache", {"cache"}), ("broker", {"broker"}), ("postgres", {"database", "migrations"})]
)
def test_a_part_that_hangs(stage: SimpleNamespace, server: str, lost: set[str]) -> None:
    """A server that accepts and never answers costs the page a few seconds, however often it is asked."""
    pid = getattr(stage, server).process.pid
    assert well(stage)
    os.kill(pid, signal.SIGSTOP)
    try:
        servers.wait_for(lambda: bad(status(stage)) == lost, 10, "the loss")
        for _ in range(2):
            assert bad(status(stage)) == lost
    finally:
        os.kill(pid, signal.SIGCONT)
    servers.wait_for(lambda: well(stage), 10, "all being well again")


def test_uploads_that_cannot_be_written(stage: SimpleNamespace) -> None:
    """Teachers would find out first otherwise."""
    where = Path(stage.settings["UPLOAD_DIR"])
    where.rename(where.with_name("elsewhere"))
    try:
        found = status(stage)
        assert bad(found) == {"uploads"} and str(where) not in found["checks"]["uploads"]["detail"]
    finally:
        where.with_name("elsewhere").rename(where)
