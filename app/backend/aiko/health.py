"""Asks the servers this application depends on whether they are there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import text

from aiko import db
from aiko.stores import client

ROOT = Path(__file__).resolve().parents[1]
FRESH_SECONDS = 1.0
# For one try; the client makes two, so a probe of Redis takes twice that at most.
PROBE_SECONDS = 1.0
_locks: dict[str, threading.Lock] = {}
_kept: dict[str, tuple[float, str | None, float]] = {}
_guard = threading.Lock()


@lru_cache(maxsize=1)
def _revisions() -> tuple[str, frozenset[str]]:
    config = AlembicConfig()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    return scripts.get_current_head() or "", frozenset(s.revision for s in scripts.walk_revisions())


def database() -> str | None:
    """Return None when PostgreSQL answers and its schema fits, else what is wrong.

    A revision this release does not know was made by a newer one: during a deploy the old release goes on serving on
    the newer schema, so it counts as fitting.
    """
    head, known = _revisions()
    with db.probe_engine().connect() as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = {db.PROBE_SECONDS * 1000}"))
        if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return "migrations have not run"
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return (
        None
        if found == head or (found and found not in known)
        else f"migrations are at {found}, this release needs {head}"
    )


def connected() -> None:
    """Return None when PostgreSQL answers, whatever its schema."""
    with db.probe_engine().connect() as connection:
        connection.scalar(text("SELECT 1"))


def _redis(name: str) -> Callable[[], str | None]:
    def ask() -> str | None:
        client(name, PROBE_SECONDS).ping()
        return None

    return ask


DETAILED: dict[str, Callable[[], str | None]] = {
    "postgresql": database,
    "redis_sessions": _redis("SESSION_REDIS_URL"),
    "redis_cache": _redis("REDIS_URL"),
    "redis_broker": _redis("CELERY_BROKER_URL"),
    "redis_results": _redis("CELERY_RESULT_BACKEND"),
    "redis_ratelimit": _redis("RATELIMIT_STORAGE_URI"),
}
CHECKS = DETAILED | {"database": connected}
READY = ("postgresql", "redis_sessions")


def check(name: str) -> str | None:
    """Return None when the dependency `name` is fine, else a short reason without names of hosts.

    An answer is good for a second and only one thread asks at a time, so many probes cost the server no more than one.
    """
    return measure(name)[0]


def measure(name: str) -> tuple[str | None, float]:
    """Return what `check` does, and how many seconds the answer took."""
    with _guard:
        lock = _locks.setdefault(name, threading.Lock())
    with lock:
        when, answer, seconds = _kept.get(name, (0.0, None, 0.0))
        started = time.monotonic()
        if when and started - when < FRESH_SECONDS:
            return answer, seconds
        try:
            answer = CHECKS[name]()
        except Exception as error:  # a probe must answer, whatever happens inside a driver
            answer = f"no answer ({type(error).__name__})"
        _kept[name] = (time.monotonic(), answer, time.monotonic() - started)
        return answer, _kept[name][2]
