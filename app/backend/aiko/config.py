"""Loads the settings from the environment, from files, or from systemd credentials, and checks them together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from aiko.settings import SETTINGS

REDIS_SETTINGS = (
    "REDIS_URL",
    "CELERY_BROKER_URL",
    "CELERY_RESULT_BACKEND",
    "SESSION_REDIS_URL",
    "RATELIMIT_STORAGE_URI",
    "REDBEAT_REDIS_URL",
)
FROM_BROKER = ("SESSION_REDIS_URL", "RATELIMIT_STORAGE_URI", "REDBEAT_REDIS_URL")
WEAK = ("changeme", "change-me", "change_me", "secret", "password", "development-only", "example", "default")
MIN_SECRET = 32


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the configuration: the variable, what was expected, and what to do."""

    name: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.expected}; {self.remedy}"


class ConfigError(Exception):
    """The configuration is incomplete or malformed; `problems` says each."""

    def __init__(self, problems: list[Problem]):
        self.problems = problems
        super().__init__("configuration is not usable:\n" + "\n".join(f"  {p}" for p in problems))


class Config(dict[str, Any]):
    """The checked settings by name; all keys of the settings table exist."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _how(name: str) -> str:
    return f"set {name}, or {name}_FILE to a file that holds it, or give a systemd credential named {name}"


def _read_file(path: str) -> str:
    # Editors and `echo` end a file with a newline; it is never part of a value.
    return Path(path).read_text(encoding="utf-8").rstrip("\r\n")


def raw_value(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the raw text of a setting, or None when nobody gave it.

    Order: variable `name`, file named by `name`_FILE, file `name` in $CREDENTIALS_DIRECTORY.
    Raises OSError or UnicodeDecodeError for a named file that cannot be read.
    """
    if name in environ:
        return environ[name]
    if environ.get(f"{name}_FILE"):
        return _read_file(environ[f"{name}_FILE"])
    if environ.get("CREDENTIALS_DIRECTORY"):
        path = Path(environ["CREDENTIALS_DIRECTORY"], name)
        if path.is_file():
            return _read_file(str(path))
    return None


def with_password(url: str, password: str | None, user: str = "") -> str:
    """Return `url` with `password` put in, unless it has one already or there is none to put in."""
    parts = urlsplit(url)
    if not password or parts.password:
        return url
    if "password" in parse_qs(parts.query):
        return url
    if parts.scheme == "unix":
        # By hand: urlunsplit() would drop the slashes of the empty host.
        return f"{url}{'&' if parts.query else '?'}password={quote(password, safe='')}"
    host = parts.netloc.rpartition("@")[2]
    name = parts.username or user
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{host}"))


def _database_url(values: dict[str, Any]) -> str:
    if values.get("DATABASE_URL"):
        url = values["DATABASE_URL"]
        scheme, _, rest = url.partition("://")
        if scheme != "postgresql+psycopg2":
            url = f"postgresql+psycopg2://{rest}"
        if not urlsplit(url).username and values.get("POSTGRES_USER") and values.get("POSTGRES_PASSWORD"):
            return with_password(url, values["POSTGRES_PASSWORD"], quote(values["POSTGRES_USER"], safe=""))
        return with_password(url, values.get("POSTGRES_PASSWORD"))
    host, port = str(values["POSTGRES_HOST"]), values["POSTGRES_PORT"]
    user, name = quote(values["POSTGRES_USER"], safe=""), quote(values["POSTGRES_DB"], safe="")
    if host.startswith("/"):
        url = f"postgresql+psycopg2://{user}@/{name}?host={quote(host, safe='')}&port={port}"
    else:
        url = f"postgresql+psycopg2://{user}@{f'[{host}]' if ':' in host else host}:{port}/{name}"
    return with_password(url, values.get("POSTGRES_PASSWORD"))


def _needed(name: str, given: dict[str, str]) -> bool:
    """Say whether a required setting is really needed, given the others."""
    database = given.get("DATABASE_URL")
    if name in ("POSTGRES_DB", "POSTGRES_USER"):
        return not database
    if name == "POSTGRES_PASSWORD":
        if not database:
            # A socket directory means peer authentication, which needs no password.
            return not given.get("POSTGRES_HOST", "").startswith("/")
        parts = urlsplit(database)
        return not (parts.password or not parts.hostname or "sslcert" in parse_qs(parts.query))
    if name == "REDIS_PASSWORD":
        urls = [given[key] for key in REDIS_SETTINGS if given.get(key)]
        return not urls or any(not urlsplit(u).password and "password" not in parse_qs(urlsplit(u).query) for u in urls)
    return True


def _secret_problems(values: dict[str, Any]) -> list[Problem]:
    found = []
    for name in ("SECRET_KEY", "JWT_SECRET_KEY"):
        value = values.get(name)
        if value is None:
            continue
        if len(value) < MIN_SECRET or len(set(value)) < 8 or any(word in value.lower() for word in WEAK):
            found.append(
                Problem(
                    name,
                    f"expected at least {MIN_SECRET} random characters, but it is short or guessable",
                    "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'",
                )
            )
    if values.get("SECRET_KEY") and values.get("SECRET_KEY") == values.get("JWT_SECRET_KEY"):
        found.append(
            Problem("JWT_SECRET_KEY", "expected a value of its own, but it equals SECRET_KEY", "make a second secret")
        )
    return found


def _together(values: dict[str, Any]) -> list[Problem]:
    """Return the problems that show only when several settings are seen side by side."""
    found = []
    hard, soft, visible = (
        values.get(k) for k in ("CELERY_TASK_TIME_LIMIT", "CELERY_TASK_SOFT_TIME_LIMIT", "CELERY_VISIBILITY_TIMEOUT")
    )
    if hard and soft and soft >= hard:
        found.append(
            Problem("CELERY_TASK_SOFT_TIME_LIMIT", f"expected less than CELERY_TASK_TIME_LIMIT ({hard})", "lower it")
        )
    if hard and visible and visible <= hard:
        found.append(
            Problem(
                "CELERY_VISIBILITY_TIMEOUT",
                f"expected more than CELERY_TASK_TIME_LIMIT ({hard}), or running tasks are handed out twice",
                "raise it",
            )
        )
    if values.get("QUIZ_PROVIDER") == "openai":
        found += [
            Problem(name, "expected a value, because QUIZ_PROVIDER is openai", _how(name))
            for name in ("LLM_BASE_URL", "LLM_MODEL")
            if not values.get(name)
        ]
    if values.get("FLASK_ENV") == "production":
        found += _secret_problems(values)
    return found


def load(environ: Mapping[str, str] | None = None) -> Config:
    """Read and check every setting without connecting to anything.

    Returns the settings with DATABASE_URL and all Redis URLs complete. Raises ConfigError with one Problem for each
    missing or malformed setting.
    """
    environ = os.environ if environ is None else environ
    problems: list[Problem] = []
    given: dict[str, str] = {}
    unreadable: set[str] = set()
    for setting in SETTINGS:
        try:
            raw = raw_value(setting.name, environ)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not UTF-8 text"
            problems.append(
                Problem(setting.name, f"expected a readable file, but the one given: {reason}", _how(setting.name))
            )
            unreadable.add(setting.name)
            continue
        # An EnvironmentFile line `X=` means "not given", except for the settings in which empty says something.
        if raw is not None and (raw != "" or setting.name == "CORS_ORIGINS"):
            given[setting.name] = raw
    production = given.get("FLASK_ENV", "production") == "production"
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        name = setting.name
        if name in unreadable:
            values[name] = None
            continue
        raw = given.get(name, setting.default)
        if raw is None and not production:
            raw = setting.dev
        if raw is None:
            values[name] = None
            if production and setting.required and _needed(name, given):
                problems.append(Problem(name, f"missing: {setting.help}", _how(name)))
            continue
        try:
            values[name] = setting.parse(raw)
        except ValueError as error:
            values[name] = None
            shown = "" if setting.secret or "URL" in name or "URI" in name else f", not {raw!r}"
            problems.append(Problem(name, f"{error}{shown}", "correct it"))
    problems += _together(values)
    if problems:
        raise ConfigError(problems)
    for name in FROM_BROKER:
        values[name] = values[name] or values["CELERY_BROKER_URL"]
    for name in REDIS_SETTINGS:
        values[name] = with_password(values[name], values["REDIS_PASSWORD"])
    values["DATABASE_URL"] = _database_url(values)
    return Config(values)


@lru_cache(maxsize=1)
def current() -> Config:
    """Return the settings of this process, read once. Raises ConfigError."""
    return load()
