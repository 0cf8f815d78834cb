"""Counts and times requests, and renders /metrics."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    multiprocess,
)

from aiko.errors import FAILED
from aiko.metrics.background import BackgroundCollector
from aiko.metrics.process import ProcessesCollector
from aiko.metrics.release import ReleaseCollector
from aiko.metrics.shared import VARIABLE

LABELS = ("method", "route", "status")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN_ROUTE = "(unknown)"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
REGISTRY = CollectorRegistry()
DURATION = Histogram(
    "http_request_duration_seconds", "Time to answer a request, in seconds.", LABELS, buckets=BUCKETS, registry=REGISTRY
)
TOTAL = Counter("http_request", "Requests answered.", LABELS, registry=REGISTRY)
EXCEPTIONS = Counter(
    "http_request_exceptions",
    "Requests that ended in an exception: a fault, or a server away.",
    LABELS,
    registry=REGISTRY,
)
BACKGROUND = BackgroundCollector(REGISTRY)
ROUTE_KEY = "aiko.route"
# Set by gunicorn's post_fork hook; absent when the application is not run by gunicorn.
MASTER = "AIKO_WEB_MASTER"


class Measured:
    """WSGI middleware around everything, so that also what fails outside the views is counted, exactly once."""

    def __init__(self, app: Callable):
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        """Serve and count one request."""
        started, seen = time.perf_counter(), {"status": "500"}

        def start(status: str, headers: list, exc_info: Any = None) -> Any:
            seen["status"] = status[:3]
            return start_response(status, headers, exc_info)

        try:
            return self.app(environ, start)
        except BaseException:
            environ[FAILED] = True
            raise
        finally:
            method = environ.get("REQUEST_METHOD", "")
            labels = (method if method in METHODS else "OTHER", environ.get(ROUTE_KEY, UNKNOWN_ROUTE), seen["status"])
            DURATION.labels(*labels).observe(time.perf_counter() - started)
            TOTAL.labels(*labels).inc()
            if environ.get(FAILED):
                EXCEPTIONS.labels(*labels).inc()


def instrument(app: Flask) -> None:
    """Make `app` count its requests by route template."""

    def note_route() -> None:
        if request.url_rule is not None:
            request.environ[ROUTE_KEY] = request.url_rule.rule

    # First of all, so that a hook that fails later is still counted under its route.
    app.before_request_funcs.setdefault(None, []).insert(0, note_route)

    app.wsgi_app = Measured(app.wsgi_app)


def render() -> bytes:
    """Return all metrics in the text format: of this process, or of all workers when they share a directory."""
    registry = CollectorRegistry()
    registry.register(BACKGROUND)
    registry.register(ReleaseCollector("backend"))
    PlatformCollector(registry=registry)
    if os.environ.get(VARIABLE):
        multiprocess.MultiProcessCollector(registry)
        registry.register(ProcessesCollector(int(os.environ.get(MASTER, os.getpid()))))
    else:
        registry.register(REGISTRY)
        ProcessCollector(registry=registry)
    return generate_latest(registry)
