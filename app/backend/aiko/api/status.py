"""What an operator wants to see: whether each part works, what waits, who works on it."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint
from sqlalchemy import func, select, text

from aiko import db, deadline, health, pulse
from aiko.config import current
from aiko.models import Attempt, Document, Quiz, User
from aiko.openapi import Model, route
from aiko.release import release

blueprint = Blueprint("status", __name__)
# No part is waited for any longer.
SECONDS = 3.0
COUNTED = {"users": User, "documents": Document, "quizzes": Quiz, "attempts": Attempt}


class PartOut(Model):
    """One part: `detail` says what is wrong, `ms` how long it took to answer."""

    ok: bool
    ms: float | None
    detail: str | None


class UploadsOut(Model):
    """The directory of the uploads."""

    ok: bool
    free_bytes: int | None
    total_bytes: int | None
    detail: str | None


class PartsOut(Model):
    """The parts by name."""

    database: PartOut
    migrations: PartOut
    cache: PartOut
    broker: PartOut
    sessions: PartOut
    uploads: UploadsOut


class WorkerOut(Model):
    """A worker, and how many tasks it was running at its last sign of life."""

    name: str
    alive: bool
    seconds_since_heartbeat: float
    active: int


class BeatOut(Model):
    """The scheduler; null when it never sent a task or its Redis does not answer."""

    last_run_seconds_ago: float | None


class CountsOut(Model):
    """Rows; null when the database does not answer."""

    users: int | None
    documents: int | None
    quizzes: int | None
    attempts: int | None


class StatusOut(Model):
    """The state of the platform; `queues` and `workers` are empty when the broker does not answer."""

    release: str | None
    time: datetime
    checks: PartsOut
    queues: dict[str, int]
    workers: list[WorkerOut]
    beat: BeatOut
    counts: CountsOut


CHECKS = {
    "database": "database",
    "migrations": "postgresql",
    "cache": "redis_cache",
    "broker": "redis_broker",
    "sessions": "redis_sessions",
}


def _uploads() -> dict[str, Any]:
    where = current().UPLOAD_DIR
    space = shutil.disk_usage(where)
    detail = None
    if not os.access(where, os.W_OK | os.X_OK):
        detail = "the application may not write there"
    elif space.free < current().MAX_UPLOAD_MB * 1024 * 1024:
        detail = "less room than for one upload of the largest size"
    return {"ok": detail is None, "free_bytes": space.free, "total_bytes": space.total, "detail": detail}


def _counts() -> dict[str, int]:
    with db.probe_engine().connect() as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = {db.PROBE_SECONDS * 1000}"))
        columns = (
            select(func.count()).select_from(model).scalar_subquery().label(name) for name, model in COUNTED.items()
        )
        return dict(connection.execute(select(*columns)).one()._mapping)


def _why(error: Any) -> str:
    # The type only: messages of drivers name hosts and accounts.
    return str(error) if isinstance(error, deadline.NoAnswer) else f"no answer ({type(error).__name__})"


def _part(answer: Any) -> dict[str, Any]:
    if isinstance(answer, Exception):
        return {"ok": False, "ms": None, "detail": _why(answer)}
    problem, seconds = answer
    return {"ok": problem is None, "ms": round(seconds * 1000, 1), "detail": problem}


def _or(answer: Any, instead: Any) -> Any:
    return instead if isinstance(answer, Exception) else answer


@route(blueprint, "GET", "/api/status", "State of the platform, for operators", out=StatusOut, role="operator")
def status() -> Any:
    parts = {name: (lambda check=check: health.measure(check)) for name, check in CHECKS.items()}
    others = {"uploads": _uploads, "queues": pulse.queues, "workers": pulse.workers, "beat": pulse.beat}
    found = deadline.gather({**parts, **others, "counts": _counts}, SECONDS)
    no_uploads = {"ok": False, "free_bytes": None, "total_bytes": None, "detail": _why(found["uploads"])}
    queues, beat = _or(found["queues"], pulse.Queues({}, 0)), _or(found["beat"], pulse.Beat(None, None))
    now = datetime.now(UTC)
    return {
        "release": release(),
        "time": now,
        "checks": {
            **{name: _part(found[name]) for name in parts},
            "uploads": _or(found["uploads"], no_uploads),
        },
        "queues": queues.waiting,
        "workers": [
            {"name": w.name, "alive": w.alive, "seconds_since_heartbeat": round(w.age, 1), "active": w.active}
            for w in _or(found["workers"], [])
        ],
        "beat": {"last_run_seconds_ago": beat.sent and round(max(0.0, now.timestamp() - beat.sent), 1)},
        "counts": _or(found["counts"], dict.fromkeys(COUNTED)),
    }
