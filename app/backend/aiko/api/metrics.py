"""Metrics for Prometheus. The deployer keeps this path away from the outside."""

from __future__ import annotations

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from aiko.metrics.web import render
from aiko.openapi import route

blueprint = Blueprint("metrics", __name__)


@route(blueprint, "GET", "/metrics", "Prometheus metrics", auth=False, produces="text/plain")
def metrics() -> Response:
    return Response(render(), content_type=CONTENT_TYPE_LATEST)
