"""Probes. /health and /health/live depend on nothing; the other two say what is missing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Blueprint, Response, jsonify

from aiko import __version__, health
from aiko.openapi import Model, route

blueprint = Blueprint("health", __name__)


class HealthOut(Model):
    """`status` is ok or unavailable."""

    status: str
    version: str


class CheckOut(Model):
    """One dependency: `status` is ok or unavailable, `problem` says why."""

    status: str
    problem: str | None = None


class ChecksOut(HealthOut):
    """The dependencies by name."""

    checks: dict[str, CheckOut]


def _alive() -> dict[str, str]:
    return {"status": "ok", "version": __version__}


def _ask(names: tuple[str, ...]) -> Response:
    # Side by side, so that several dead servers cost one timeout and not the sum.
    with ThreadPoolExecutor(len(names)) as pool:
        problems = dict(zip(names, pool.map(health.check, names), strict=True))
    bad = any(problems.values())
    checks: dict[str, Any] = {
        name: {"status": "unavailable", "problem": why} if why else {"status": "ok", "problem": None}
        for name, why in problems.items()
    }
    answer = jsonify({"status": "unavailable" if bad else "ok", "version": __version__, "checks": checks})
    answer.status_code = 503 if bad else 200
    return answer


@route(blueprint, "GET", "/health", "The process answers", out=HealthOut, auth=False)
def root() -> Any:
    return _alive()


@route(blueprint, "GET", "/health/live", "The process answers", out=HealthOut, auth=False)
def live() -> Any:
    return _alive()


@route(blueprint, "GET", "/health/ready", "Requests can be served", out=ChecksOut, errors=(503,), auth=False)
def ready() -> Response:
    return _ask(health.READY)


@route(blueprint, "GET", "/health/detailed", "Each dependency", out=ChecksOut, errors=(503,), auth=False)
def detailed() -> Response:
    return _ask(tuple(health.DETAILED))
