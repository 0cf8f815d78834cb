"""The id that ties a request, its log lines and its tasks together."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Request-ID"
# Narrow on purpose: the id goes into logs, headers and messages, so nothing that could forge a line gets in.
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{7,127}")
current_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def accept(given: str | None) -> str:
    """Return `given` when it is well-formed (8 to 128 letters, digits, `_.-`), else a new id."""
    return given if given and _WELL_FORMED.fullmatch(given) else uuid.uuid4().hex


@contextmanager
def under(request_id: str | None) -> Iterator[None]:
    """Log under `request_id` until the block ends."""
    token = current_id.set(request_id)
    try:
        yield
    finally:
        current_id.reset(token)
