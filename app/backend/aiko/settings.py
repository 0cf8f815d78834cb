"""The declared settings: name, meaning, defaults, and how a raw string becomes a value.

This table is the only list of settings. The loader, the preflight and the README table test all read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

Parser = Callable[[str], Any]


@dataclass(frozen=True)
class Setting:
    """One setting. `default` holds everywhere, `dev` only outside production; `required` means: in production."""

    name: str
    help: str
    parse: Parser
    default: str | None = None
    dev: str | None = None
    required: bool = False
    secret: bool = False


def text(raw: str) -> str:
    """Return `raw` as it is; raise ValueError when it is empty."""
    if not raw:
        raise ValueError("expected a value that is not empty")
    return raw


def anything(raw: str) -> str:
    """Return `raw` unchanged, empty or not."""
    return raw


def whole(low: int, high: int) -> Parser:
    """Return a parser of whole numbers from `low` to `high`, both included."""

    def parse(raw: str) -> int:
        if not re.fullmatch(r"\d{1,10}", raw) or not low <= int(raw) <= high:
            raise ValueError(f"expected a whole number from {low} to {high}")
        return int(raw)

    return parse


def one_of(*choices: str) -> Parser:
    """Return a parser that accepts only the given words."""

    def parse(raw: str) -> str:
        if raw not in choices:
            raise ValueError(f"expected one of: {', '.join(choices)}")
        return raw

    return parse


def url(*schemes: str) -> Parser:
    """Return a parser for URLs of the given schemes."""

    def parse(raw: str) -> str:
        try:
            parts = urlsplit(raw)
            _ = parts.port
        except ValueError as error:
            raise ValueError(f"expected a URL, but {error}") from None
        if parts.scheme not in schemes or not (parts.netloc or parts.path.strip("/")):
            raise ValueError(f"expected a URL that starts with {' or '.join(s + '://' for s in schemes)}")
        return raw

    return parse


def origins(raw: str) -> tuple[str, ...]:
    """Parse a comma list of browser origins (scheme://host[:port], no path); empty means none."""
    found = tuple(part.strip().rstrip("/") for part in raw.split(",") if part.strip())
    for origin in found:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
            raise ValueError("expected a comma list of origins such as https://learn.example.com (no path, no *)")
    return found


def timezone(raw: str) -> str:
    """Accept the name of an IANA time zone."""
    try:
        ZoneInfo(raw)
    except (OSError, ValueError, KeyError):
        raise ValueError("expected an IANA time zone such as Europe/Paris") from None
    return raw


def rate(raw: str) -> str:
    """Accept a limit in the notation of the `limits` library."""
    from limits import parse

    try:
        parse(raw)
    except ValueError:
        raise ValueError("expected a rate such as '10/minute' or '5 per 15 minutes'") from None
    return raw


def listen(raw: str) -> tuple[str, int] | None:
    """Parse host:port; empty means: do not listen."""
    if not raw:
        return None
    host, _, port = raw.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("expected host:port, for example 127.0.0.1:9808")
    return host.strip("[]"), int(port)


def switch(raw: str) -> bool:
    """Parse true or false."""
    return one_of("true", "false")(raw) == "true"


def directory(raw: str) -> str:
    """Accept an absolute path; whether it exists is found out when it is used."""
    if not raw.startswith("/"):
        raise ValueError("expected an absolute path")
    return raw


REDIS = url("redis", "rediss", "unix")
# Celery has a spelling of its own for socket URLs, and nobody needs a broker that other hosts cannot reach.
REDIS_TCP = url("redis", "rediss")
REDIS_DEV = "redis://127.0.0.1:6379"

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "FLASK_ENV",
        "`production`, `development` or `testing`; production refuses weak secrets and defaults nothing secret",
        one_of("production", "development", "testing"),
        default="production",
    ),
    Setting("POSTGRES_DB", "database name, used when DATABASE_URL is absent", text, dev="aiko", required=True),
    Setting("POSTGRES_USER", "database role, used when DATABASE_URL is absent", text, dev="aiko", required=True),
    Setting(
        "POSTGRES_PASSWORD",
        "its password; also put into a DATABASE_URL that has none",
        text,
        required=True,
        secret=True,
    ),
    Setting("POSTGRES_HOST", "database host name, address or socket directory", text, default="127.0.0.1"),
    Setting("POSTGRES_PORT", "database port", whole(1, 65535), default="5432"),
    Setting(
        "DATABASE_URL",
        "whole database URL (`sslmode`, `sslrootcert` and so on as query); built from POSTGRES_* when absent",
        url("postgresql", "postgres", "postgresql+psycopg2"),
    ),
    Setting(
        "REDIS_URL",
        "cache Redis; may be away, requests then go without cache",
        REDIS,
        dev=REDIS_DEV + "/1",
        required=True,
    ),
    Setting("CELERY_BROKER_URL", "Redis that carries the task queues", REDIS_TCP, dev=REDIS_DEV + "/0", required=True),
    Setting("CELERY_RESULT_BACKEND", "Redis that keeps task states", REDIS_TCP, dev=REDIS_DEV + "/0", required=True),
    Setting("SESSION_REDIS_URL", "Redis that keeps login sessions; default: the broker's URL", REDIS),
    Setting("RATELIMIT_STORAGE_URI", "Redis that counts login attempts; default: the broker's URL", REDIS),
    Setting("REDBEAT_REDIS_URL", "Redis that keeps the schedule and its lock; default: the broker's URL", REDIS),
    Setting("REDIS_PASSWORD", "put into every Redis URL above that has no password", text, required=True, secret=True),
    Setting(
        "SECRET_KEY",
        "keys the stored form of session ids; changing it logs everybody out; at least 32 characters in production",
        text,
        dev="development-only-secret-key-0123456789",
        required=True,
        secret=True,
    ),
    Setting(
        "JWT_SECRET_KEY",
        "signs access tokens; at least 32 characters in production, and not the SECRET_KEY",
        text,
        dev="development-only-jwt-key-9876543210",
        required=True,
        secret=True,
    ),
    Setting(
        "CORS_ORIGINS",
        "comma list of origins that browsers may call from; empty: none",
        origins,
        dev="http://localhost:3000",
        required=True,
    ),
    Setting("UPLOAD_DIR", "directory of the uploaded files", directory, dev="/tmp/aiko-uploads", required=True),  # noqa: S108
    Setting("MAX_UPLOAD_MB", "largest upload, in MiB", whole(1, 1024), default="20"),
    Setting("DB_POOL_SIZE", "most database connections of one process (no overflow)", whole(1, 100), default="5"),
    Setting("TIMEZONE", "IANA time zone of the schedule", timezone, default="UTC"),
    Setting(
        "TRUSTED_PROXY_HOPS",
        "number of proxies in front whose X-Forwarded-* headers are believed",
        whole(0, 10),
        default="1",
    ),
    Setting(
        "QUIZ_PROVIDER",
        "`builtin` (offline) or `openai` (any OpenAI-compatible endpoint)",
        one_of("builtin", "openai"),
        default="builtin",
    ),
    Setting(
        "LLM_BASE_URL",
        "base URL of the endpoint, `/chat/completions` is appended; needed by the provider `openai`",
        url("http", "https"),
    ),
    Setting("LLM_MODEL", "model name sent to the endpoint; needed by the provider `openai`", text),
    Setting("LLM_API_KEY", "bearer key for the endpoint, if it wants one", anything, default="", secret=True),
    Setting("JWT_TTL_SECONDS", "life of an access token, in seconds", whole(1, 31_536_000), default="43200"),
    Setting(
        "SESSION_TTL",
        "life of a session without use, in seconds; each use renews it",
        whole(1, 31_536_000),
        default="43200",
    ),
    Setting("LOGIN_RATE_LIMIT", "login attempts for one account from one address", rate, default="10/minute"),
    Setting(
        "CELERY_TASK_TIME_LIMIT",
        "hard limit of a task, in seconds: its process is killed",
        whole(2, 86_400),
        default="600",
    ),
    Setting(
        "CELERY_TASK_SOFT_TIME_LIMIT",
        "soft limit, in seconds: the task gets an exception; below the hard limit",
        whole(1, 86_399),
        default="540",
    ),
    Setting(
        "CELERY_VISIBILITY_TIMEOUT",
        "seconds until an unacknowledged task is handed out again; above the hard limit",
        whole(3, 604_800),
        default="3600",
    ),
    Setting("REDBEAT_LOCK_TIMEOUT", "seconds until another beat replaces one that died", whole(5, 60), default="30"),
    Setting(
        "AIKO_RELEASE", "name of the release; default: the directory below `releases` that the code runs from", text
    ),
    Setting("METRICS_ENABLED", "`true` or `false`: whether anything is counted and /metrics is there", switch, "true"),
    Setting(
        "PROMETHEUS_MULTIPROC_DIR",
        "directory in which the web workers share their metrics; empty: metrics of one process",
        anything,
        default="",
    ),
    Setting(
        "WORKER_METRICS_LISTEN",
        "host:port on which a Celery worker serves its metrics; empty: nowhere",
        listen,
        default="",
    ),
)
