"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

import json
import logging
from typing import Any

from flask import Flask, Response, request
from redis.exceptions import RedisError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES

from aiko.config import current

MEDIA_TYPE = "application/problem+json"
# Set in the WSGI environment of a request that ended in an exception; the metrics look at it.
FAILED = "aiko.failed"
log = logging.getLogger(__name__)


class Problem(Exception):
    """An answer that is not success. `detail` is written for the person who made the request."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None, **members: Any):
        super().__init__(detail)
        self.status, self.detail, self.headers, self.members = status, detail, headers or {}, members


def respond(status: int, detail: str, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """Return a problem document as a response."""
    body = {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES.get(status, "Error"),
        "status": status,
        "detail": detail,
        **members,
    }
    return Response(json.dumps(body, default=str), status, headers, content_type=MEDIA_TYPE)


def register(app: Flask) -> None:
    """Make every error of `app` a problem document; the unexpected ones are logged and tell the outside nothing."""

    @app.errorhandler(Problem)
    def problem(error: Problem) -> Response:
        return respond(error.status, error.detail, error.headers, **error.members)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Any:
        if error.code is None or error.code < 400:
            return error
        headers = {k: v for k, v in error.get_headers() if k not in ("Content-Type", "Content-Length")}
        detail = error.description or ""
        if isinstance(error, RequestEntityTooLarge):
            detail = f"the upload is larger than {current().MAX_UPLOAD_MB} MiB"
        return respond(error.code, detail, headers)

    @app.errorhandler(RedisError)
    @app.errorhandler(OperationalError)
    @app.errorhandler(InterfaceError)
    @app.errorhandler(PoolTimeout)
    def away(error: Exception) -> Response:
        request.environ[FAILED] = True
        log.error("a needed server does not answer", exc_info=error)
        return respond(
            503, "a server that this request needs does not answer; try again in a moment", {"Retry-After": "5"}
        )

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        request.environ[FAILED] = True
        log.error("unexpected error", exc_info=error)
        return respond(500, "unexpected error; the log has the details under this request's id")
