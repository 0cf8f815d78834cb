"""Builds the WSGI application."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from aiko import errors, openapi, requestid
from aiko.config import current

log = logging.getLogger("aiko.access")
# Room for the multipart framing around a file of exactly the largest size.
FRAMING = 64 * 1024
# Form fields other than files. The parser holds a chunk of a file (64 KiB) and a rest of the last one against it, too.
FORM_MEMORY = 2 * 64 * 1024


def _add_cors(response: Response, allowed: tuple[str, ...]) -> None:
    # Always: a shared cache must not hand one origin's answer to another.
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin not in allowed:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = f"{requestid.HEADER}, Retry-After, Location"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE"
        response.headers["Access-Control-Allow-Headers"] = f"Authorization, Content-Type, {requestid.HEADER}"
        response.headers["Access-Control-Max-Age"] = "600"


def create_app() -> Flask:
    """Return the application. Raises ConfigError when the configuration is not usable; connects to nothing."""
    config = current()
    app = Flask("aiko", static_folder=None)
    app.config.update(
        SECRET_KEY=config.SECRET_KEY,
        MAX_CONTENT_LENGTH=config.MAX_UPLOAD_MB * 1024 * 1024 + FRAMING,
        MAX_FORM_MEMORY_SIZE=FORM_MEMORY,
        MAX_FORM_PARTS=10,
    )
    app.json.sort_keys = False
    hops = config.TRUSTED_PROXY_HOPS
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        g.request_id = requestid.accept(request.headers.get(requestid.HEADER))
        requestid.current_id.set(g.request_id)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers[requestid.HEADER] = g.get("request_id", "-")
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
            _add_cors(response, config.CORS_ORIGINS)
        if not request.path.startswith(("/health", "/metrics")):
            log.info(
                "%s %s %s",
                request.method,
                request.path,
                response.status_code,
                extra={
                    "fields": {
                        "method": request.method,
                        "path": request.path,
                        "status": response.status_code,
                        "seconds": round(time.perf_counter() - g.get("started", time.perf_counter()), 4),
                        "remote": request.remote_addr,
                        "user": str(g.get("user_id", "-")),
                    }
                },
            )
        return response

    from aiko.api import attempts, auth, documents, health, metrics, overview, quizzes, status, tasks
    from aiko.metrics import web

    errors.register(app)
    for module in (auth, documents, quizzes, attempts, overview, tasks, status, health, metrics):
        app.register_blueprint(module.blueprint)
    openapi.mount(app)
    if config.METRICS_ENABLED:
        web.instrument(app)
    return app
