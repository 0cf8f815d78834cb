"""Log records: one JSON object a line in production, plain lines elsewhere."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from aiko.requestid import current_id

PLAIN = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"


class RequestIdFilter(logging.Filter):
    """Adds `request_id` to each record, so that both formats can show it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set `record.request_id`; never drops a record."""
        record.request_id = current_id.get() or "-"
        return True


class JsonFormatter(logging.Formatter):
    """Renders a record as one line of JSON; `extra={"fields": {...}}` adds members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Values JSON does not know are shown by str()."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        request_id = getattr(record, "request_id", "-")
        if request_id != "-":
            line["request_id"] = request_id
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def dict_config(environment: str, level: str | None = None) -> dict[str, Any]:
    """Return a logging configuration for FLASK_ENV `environment`; everything goes to stderr."""
    json_lines = environment == "production"
    level = level or os.environ.get("LOG_LEVEL", "INFO")
    formatter: dict[str, Any] = {"()": JsonFormatter} if json_lines else {"format": PLAIN}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestIdFilter}},
        "formatters": {"line": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
        "root": {"level": level, "handlers": ["stderr"]},
        # gunicorn and Celery attach handlers of their own unless told to pass records on.
        "loggers": {
            **{
                name: {"level": level, "handlers": [], "propagate": True}
                for name in ("gunicorn.error", "celery", "kombu", "pypdf")
            },
            # The application writes the access log, with more in it and without the probes; once is enough.
            "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": True},
        },
    }
