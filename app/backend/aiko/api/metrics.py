"""Metrics for Prometheus. The deployer keeps this path away from the outside."""

from __future__ import annotations

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from aiko.config import current
from aiko.errors import Problem
from aiko.metrics.web import render
from aiko.openapi import route

blueprint = Blueprint("metrics", __name__)


@route(blueprint, "GET", "/metrics", "Prometheus metrics", auth=False, produces="text/plain", errors=(404,))
def metrics() -> Response:
    if not current().METRICS_ENABLED:
        raise Problem(404, "metrics are switched off here (METRICS_ENABLED)")
    return Response(render(), content_type=CONTENT_TYPE_LATEST)
