"""Metrics over several gunicorn workers: counts are exact, and nothing goes backwards when a worker dies."""

from __future__ import annotations

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import processes, servers

pytestmark = pytest.mark.ledger("BE3")


def value(page: str, name: str, **labels: str) -> float:
    """Return the sum of a metric over all series with these labels."""
    total = 0.0
    for line in page.splitlines():
        match = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
        if match and all(f'{key}="{want}"' in (match.group(1) or "") for key, want in labels.items()):
            total += float(match.group(2))
    return total


def test_counts_are_exact_over_workers_and_deaths(settings: dict[str, str], tmp_path: Path) -> None:
    """Sixty requests are sixty, whichever worker is asked, also after one was killed and replaced."""
    base = tmp_path / "not" / "there" / "yet"
    with processes.web({**settings, "PROMETHEUS_MULTIPROC_DIR": str(base)}, tmp_path / "log", workers=3) as web:
        servers.wait_for(lambda: len(web.children()) == 3, 10, "three workers")
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: web.get("/health/live")[0], range(60))) == {200}
            assert set(pool.map(lambda n: web.get(f"/nothing/{n}")[0], range(20))) == {404}
        seen: set[float] = set()
        for _ in range(6):
            page = web.get("/metrics")[1]
            seen.add(value(page, "http_request_total", route="/health/live", status="200"))
            assert value(page, "http_request_duration_seconds_count", route="/health/live", method="GET") == 60
            assert value(page, "http_request_total", route="(unknown)", status="404") == 20
        assert seen == {60} and "/nothing/" not in page
        assert web.get("/api/documents/00000000-0000-0000-0000-000000000000")[0] == 401
        assert (
            value(web.get("/metrics")[1], "http_request_total", route="/api/documents/<uuid:document_id>", status="401")
            == 1
        )

        cpu = value(page, "process_cpu_seconds_total")
        memory = value(page, "process_resident_memory_bytes")
        assert cpu > 0.5 and memory > 100e6, "three workers and a master are more than one process"
        for victim in web.children()[:2]:
            os.kill(victim, signal.SIGKILL)
            for _ in range(20):
                status, page = web.get("/metrics")
                now = value(page, "process_cpu_seconds_total")
                assert now >= cpu, "CPU time went backwards"
                cpu = now
                time.sleep(0.02)
            servers.wait_for(lambda v=victim: v not in web.children() and len(web.children()) == 3, 10, "a new worker")
        page = web.get("/metrics")[1]
        assert value(page, "http_request_total", route="/health/live", status="200") == 60
        assert len(list(base.glob("run-*"))) == 1
        (base / "counter_99999.db").write_bytes(b"stale")

        # A second one beside the first, as in a deploy: each counts for itself and leaves the other's files alone.
        with processes.web({**settings, "PROMETHEUS_MULTIPROC_DIR": str(base)}, tmp_path / "log2", workers=2) as second:
            assert value(second.get("/metrics")[1], "http_request_total", route="/health/live") == 0
            assert value(web.get("/metrics")[1], "http_request_total", route="/health/live") == 60
            assert len(list(base.glob("run-*"))) == 2 and not list(base.glob("*.db"))
    with processes.web({**settings, "PROMETHEUS_MULTIPROC_DIR": str(base)}, tmp_path / "log3", workers=2) as third:
        assert value(third.get("/metrics")[1], "http_request_total", route="/health/live") == 0
        assert len(list(base.glob("run-*"))) == 1, "the dead runs were not removed"


def test_single_process(settings: dict[str, str], tmp_path: Path) -> None:
    """Without a directory the same names are there, for the one process."""
    with processes.web(settings, tmp_path / "log") as web:
        web.get("/health/live")
        page = web.get("/metrics")[1]
        assert value(page, "http_request_total", route="/health/live", status="200", method="GET") == 1
        assert value(page, "process_cpu_seconds_total") > 0 and value(page, "process_resident_memory_bytes") > 1e6


def test_unexpected_exceptions_are_counted(app: object, caplog: pytest.LogCaptureFixture) -> None:
    """A 500 that nobody expected counts as an exception; a refusal does not."""
    from sqlalchemy import text

    from aiko import db
    from aiko.metrics.web import render

    client = app.test_client()
    body = {"email": "exc@example.com", "password": "long enough", "name": "refuse me"}

    def count() -> float:
        return value(render().decode(), "http_request_exceptions_total", route="/api/auth/register", status="500")

    before = count()
    with db.session() as session:
        session.execute(text("ALTER TABLE users RENAME COLUMN name TO name_"))
    try:
        answer = client.post("/api/auth/register", json=body)
        assert answer.status_code == 500 and "column" not in answer.text
        assert "exc@example.com" not in caplog.text, "the log shows parameters of the statement"
    finally:
        with db.session() as session:
            session.execute(text("ALTER TABLE users RENAME COLUMN name_ TO name"))
    assert client.post("/api/auth/register", json={**body, "email": "no"}).status_code == 422
    assert count() == before + 1
