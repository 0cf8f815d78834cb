"""The environment contract: each variable counts, and each missing or malformed one is named."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aiko.config import ConfigError, load, with_password
from aiko.settings import SETTINGS
from tests.support.processes import BACKEND, environment, run

pytestmark = pytest.mark.ledger("BE6")

PRODUCTION = {
    "FLASK_ENV": "production",
    "POSTGRES_DB": "d",
    "POSTGRES_USER": "u",
    "POSTGRES_PASSWORD": "pg-pass",
    "REDIS_URL": "redis://127.0.0.1:1/1",
    "CELERY_BROKER_URL": "redis://127.0.0.1:2/0",
    "CELERY_RESULT_BACKEND": "redis://127.0.0.1:3/0",
    "REDIS_PASSWORD": "redis-pass",
    "SECRET_KEY": "q8Zr1xV0cT5nW2yB7mK4jH9gF6dS3aPl",
    "JWT_SECRET_KEY": "l3Pa6sD9fG2hJ5kM8nB1vC4xZ7qW0eRt",
    "CORS_ORIGINS": "https://learn.example.com",
    "UPLOAD_DIR": "/srv/uploads",
}


def problems(**changes: str | None) -> dict[str, str]:
    """Return the problems of the production settings with changes, by name."""
    environ = {k: v for k, v in {**PRODUCTION, **changes}.items() if v is not None}
    try:
        load(environ)
    except ConfigError as error:
        return {p.name: str(p) for p in error.problems}
    return {}


def test_the_whole_is_accepted() -> None:
    """Or nothing below means anything."""
    assert problems() == {}


@pytest.mark.parametrize("name", [s.name for s in SETTINGS if s.required])
def test_each_missing_variable_is_named_alone(name: str) -> None:
    """One line, with the name and the ways to give it."""
    found = problems(**{name: None})
    assert list(found) == [name]
    assert "missing" in found[name] and f"{name}_FILE" in found[name] and "credential" in found[name]


def test_all_missing_are_named_at_once() -> None:
    """An operator fixes them in one go, not one for each start."""
    done = run(["aiko.check"], {})
    assert done.returncode == 1 and "Traceback" not in done.stderr
    named = [line.split(":")[0] for line in done.stderr.splitlines()]
    assert named == [s.name for s in SETTINGS if s.required]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLASK_ENV", "prod"),
        ("POSTGRES_PORT", "no"),
        ("POSTGRES_PORT", "70000"),
        ("DATABASE_URL", "mysql://x/y"),
        ("REDIS_URL", "127.0.0.1"),
        ("REDIS_URL", "redis://h:port/0"),
        ("CELERY_BROKER_URL", "amqp://x"),
        ("SESSION_REDIS_URL", "x"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "learn.example.com"),
        ("UPLOAD_DIR", "relative"),
        ("MAX_UPLOAD_MB", "0"),
        ("DB_POOL_SIZE", "-1"),
        ("TIMEZONE", "Mars/Base"),
        ("TRUSTED_PROXY_HOPS", "x"),
        ("QUIZ_PROVIDER", "magic"),
        ("LLM_BASE_URL", "ftp://x"),
        ("JWT_TTL_SECONDS", "1.5"),
        ("SESSION_TTL", ""),
        ("LOGIN_RATE_LIMIT", "often"),
        ("CELERY_TASK_SOFT_TIME_LIMIT", "600"),
        ("CELERY_VISIBILITY_TIMEOUT", "600"),
        ("REDBEAT_LOCK_TIMEOUT", "600"),
        ("WORKER_METRICS_LISTEN", "9808"),
        ("SECRET_KEY", "zu-kurz"),
        ("SECRET_KEY", "a" * 64),
        ("JWT_SECRET_KEY", "changeme" * 8),
        ("JWT_SECRET_KEY", PRODUCTION["SECRET_KEY"]),
    ],
)
def test_each_malformed_variable_is_named_alone(name: str, value: str) -> None:
    """With what was expected; an empty line counts as not given."""
    found = problems(**{name: value})
    if value == "":
        assert found == {}
    else:
        assert list(found) == [name] and "expected" in found[name]
        assert value not in found[name] or "KEY" not in name, "a secret is shown"


def test_provider_needs_its_settings() -> None:
    """Choosing the outside provider without saying where it is fails before the first task does."""
    assert list(problems(QUIZ_PROVIDER="openai")) == ["LLM_BASE_URL", "LLM_MODEL"]
    assert problems(QUIZ_PROVIDER="openai", LLM_BASE_URL="http://llm.test/v1", LLM_MODEL="m") == {}


def test_files_and_credentials(tmp_path: Path) -> None:
    """Environment first, then NAME_FILE, then the credentials directory; a file's last newline is not part of it."""
    (tmp_path / "REDIS_PASSWORD").write_text("from-credential\n")
    (tmp_path / "other").write_text("from-file\n")
    environ = {k: v for k, v in PRODUCTION.items() if k != "REDIS_PASSWORD"} | {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load(environ).REDIS_PASSWORD == "from-credential"
    environ["REDIS_PASSWORD_FILE"] = str(tmp_path / "other")
    assert load(environ).REDIS_PASSWORD == "from-file"
    environ["REDIS_PASSWORD"] = "from-environment"
    assert load(environ).REDIS_PASSWORD == "from-environment"
    assert list(problems(POSTGRES_PASSWORD=None, POSTGRES_PASSWORD_FILE="/nonexistent/file")) == ["POSTGRES_PASSWORD"]


def test_passwords_are_put_into_urls() -> None:
    """Only where there is none, and escaped."""
    assert with_password("redis://h:1/0", "p@:/") == "redis://:p%40%3A%2F@h:1/0"
    assert with_password("redis://user@h:1/0", "p") == "redis://user:p@h:1/0"
    assert with_password("redis://:own@h/0", "p") == "redis://:own@h/0"
    assert with_password("unix:///run/redis.sock?db=1", "p") == "unix:///run/redis.sock?db=1&password=p"
    assert (
        with_password("rediss://[::1]:6379/2?ssl_cert_reqs=required", "p")
        == "rediss://:p@[::1]:6379/2?ssl_cert_reqs=required"
    )
    config = load(PRODUCTION)
    assert (
        config.SESSION_REDIS_URL
        == config.RATELIMIT_STORAGE_URI
        == config.REDBEAT_REDIS_URL
        == "redis://:redis-pass@127.0.0.1:2/0"
    )
    assert config.DATABASE_URL == "postgresql+psycopg2://u:pg-pass@127.0.0.1:5432/d"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            "postgresql://a@h/x?sslmode=verify-full&sslrootcert=/ca",
            "postgresql+psycopg2://a:pg-pass@h/x?sslmode=verify-full&sslrootcert=/ca",
        ),
        ("postgres://a:own@h:6432/x", "postgresql+psycopg2://a:own@h:6432/x"),
        ("postgresql://h/x", "postgresql+psycopg2://u:pg-pass@h/x"),
    ],
)
def test_database_url(given: str, expected: str) -> None:
    """It wins over POSTGRES_*, which only fill what it leaves open."""
    assert expected == load({**PRODUCTION, "DATABASE_URL": given}).DATABASE_URL


# name, value, what must then be seen; together with the tests of behaviour elsewhere this covers each variable.
SEEN: list[tuple[str, str, Any]] = [
    ("POSTGRES_DB", "other", lambda c: c.DATABASE_URL.endswith("/other")),
    ("POSTGRES_USER", "other", lambda c: "//other:" in c.DATABASE_URL),
    ("POSTGRES_PASSWORD", "other", lambda c: ":other@" in c.DATABASE_URL),
    ("POSTGRES_HOST", "db.example.com", lambda c: "@db.example.com:5432/" in c.DATABASE_URL),
    ("POSTGRES_HOST", "/run/postgresql", lambda c: "host=%2Frun%2Fpostgresql" in c.DATABASE_URL),
    ("POSTGRES_PORT", "6432", lambda c: ":6432/" in c.DATABASE_URL),
    ("REDIS_PASSWORD", "other", lambda c: ":other@" in c.REDIS_URL and ":other@" in c.CELERY_RESULT_BACKEND),
    ("CELERY_BROKER_URL", "redis://b:1/0", lambda c: celery_of(c)["broker_url"] == "redis://:redis-pass@b:1/0"),
    ("CELERY_RESULT_BACKEND", "redis://b:1/0", lambda c: celery_of(c)["result_backend"] == "redis://:redis-pass@b:1/0"),
    ("REDBEAT_REDIS_URL", "redis://b:1/0", lambda c: celery_of(c)["redbeat_redis_url"] == "redis://:redis-pass@b:1/0"),
    (
        "REDBEAT_LOCK_TIMEOUT",
        "20",
        lambda c: (celery_of(c)["redbeat_lock_timeout"], celery_of(c)["beat_max_loop_interval"]) == (20, 4),
    ),
    ("TIMEZONE", "Europe/Paris", lambda c: celery_of(c)["timezone"] == "Europe/Paris"),
    ("CELERY_TASK_TIME_LIMIT", "700", lambda c: celery_of(c)["task_time_limit"] == 700),
    ("CELERY_TASK_SOFT_TIME_LIMIT", "100", lambda c: celery_of(c)["task_soft_time_limit"] == 100),
    (
        "CELERY_VISIBILITY_TIMEOUT",
        "700",
        lambda c: celery_of(c)["broker_transport_options"]["visibility_timeout"] == 700,
    ),
    ("WORKER_METRICS_LISTEN", "[::1]:9808", lambda c: c.WORKER_METRICS_LISTEN == ("::1", 9808)),
    ("CORS_ORIGINS", "", lambda c: c.CORS_ORIGINS == ()),
    (
        "CORS_ORIGINS",
        "http://a.test, http://b.test:81/",
        lambda c: c.CORS_ORIGINS == ("http://a.test", "http://b.test:81"),
    ),
]


def celery_of(config: Any) -> dict[str, Any]:
    """Return Celery's settings for a configuration."""
    from aiko.celery_app import settings

    return settings(config)


@pytest.mark.parametrize(("name", "value", "seen"), SEEN)
def test_each_variable_reaches_its_user(app: Any, name: str, value: str, seen: Any) -> None:
    """A variable that nobody reads would be a lie in the table."""
    assert seen(load({**PRODUCTION, name: value}))
    if value and name != "POSTGRES_HOST":
        assert not seen(load(PRODUCTION))


def behaviour(app: Any, monkeypatch: pytest.MonkeyPatch, **changes: str) -> Any:
    """Return a new application with changed settings."""
    from aiko import config
    from aiko.app import create_app

    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    config.current.cache_clear()
    return create_app()


@pytest.fixture
def fresh() -> Any:
    """Forget the changed settings afterwards."""
    yield
    from aiko import config

    config.current.cache_clear()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "x" * 40),
        ("JWT_SECRET_KEY", "y" * 40),
        ("SESSION_REDIS_URL", "elsewhere"),
        ("SESSION_TTL", "1"),
        ("JWT_TTL_SECONDS", "1"),
    ],
)
def test_what_ends_a_login(
    app: Any, place: Any, fresh: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """New keys, another session store, and lives of one second end the login."""
    import time

    from tests.conftest import Person

    lives = name in ("SESSION_TTL", "JWT_TTL_SECONDS")
    first = behaviour(app, monkeypatch, **({name: value} if lives else {}))
    person = Person(first)
    assert person.get("/api/auth/me").status_code == 200
    if lives:
        time.sleep(2.1)
        second = first
    else:
        second = behaviour(app, monkeypatch, **{name: place.redis(9) if value == "elsewhere" else value})
    assert second.test_client().get("/api/auth/me", headers=person.headers).status_code == 401


def test_cors(app: Any, fresh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a listed origin is let in, and caches are told that the answer depends on it."""
    client = behaviour(app, monkeypatch, CORS_ORIGINS="https://a.test,https://b.test").test_client()
    for origin, allowed in (
        ("https://b.test", "https://b.test"),
        ("https://evil.test", None),
        ("https://a.test.evil.test", None),
    ):
        answer = client.options("/api/auth/login", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        assert answer.status_code == 200
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(("hops", "expected"), [("0", "127.0.0.1"), ("1", "203.0.113.9"), ("2", "203.0.113.5")])
def test_proxy_hops(app: Any, fresh: Any, monkeypatch: pytest.MonkeyPatch, hops: str, expected: str) -> None:
    """Believing one hop too many lets a client choose its address, and so dodge the login limit."""
    from flask import request

    seen: list[str | None] = []
    made = behaviour(app, monkeypatch, TRUSTED_PROXY_HOPS=hops)
    made.before_request_funcs[None].append(lambda: seen.append(request.remote_addr))
    made.test_client().get("/health", headers={"X-Forwarded-For": "203.0.113.5, 203.0.113.9"})
    assert seen == [expected]


def test_pool_size(app: Any, fresh: Any, monkeypatch: pytest.MonkeyPatch, make_database: Any) -> None:
    """Connections of a process are bounded, so that max_connections can be planned."""
    from aiko import config, db

    monkeypatch.setenv("DB_POOL_SIZE", "2")
    monkeypatch.setenv("DATABASE_URL", make_database())
    config.current.cache_clear()
    assert db.engine().pool.size() == 2 and db.engine().pool._max_overflow == 0
    db.engine().dispose()


def test_upload_dir_and_json_logs(app: Any, fresh: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files go where the variable says; production logs are JSON."""
    from aiko.logs import dict_config
    from tests.conftest import Person

    made = behaviour(app, monkeypatch, UPLOAD_DIR=str(tmp_path / "new"))
    assert Person(made).upload(b"Some plain text for the file.").status_code == 201
    assert [p for p in (tmp_path / "new").rglob("*") if p.is_file()]
    assert (
        "()" in dict_config("production")["formatters"]["line"]
        and "format" in dict_config("development")["formatters"]["line"]
    )


def test_quiz_provider(app: Any, fresh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable chooses the generator, and the LLM_* variables reach it."""
    from aiko import config, quiz

    for name, value in (
        ("QUIZ_PROVIDER", "openai"),
        ("LLM_BASE_URL", "http://llm.test/v1/"),
        ("LLM_MODEL", "m"),
        ("LLM_API_KEY", "k"),
    ):
        monkeypatch.setenv(name, value)
    config.current.cache_clear()
    made = quiz.provider()
    assert (made.url, made.model, made.api_key) == ("http://llm.test/v1/chat/completions", "m", "k")
    monkeypatch.undo()
    config.current.cache_clear()
    assert type(quiz.provider()).__name__ == "BuiltinProvider"


def test_readme_table_is_the_settings_table() -> None:
    """Names, defaults and who must be given, in the order of the code."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*?) \| .* \|$", (BACKEND / "README.md").read_text(), re.M)
    expected = [(s.name, "yes" if s.required else "", f"`{s.default}`" if s.default else "") for s in SETTINGS]
    assert rows == expected


def test_a_complete_configuration_passes_the_preflight() -> None:
    """And connects to nothing: these servers do not exist."""
    done = run(["aiko.check"], PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_release_by_name_or_by_directory(settings: dict[str, str], tmp_path: Path) -> None:
    """A process says which release it started from, also when the link it came by leads elsewhere by now."""
    home = tmp_path / "releases" / "0a1b2c"
    shutil.copytree(BACKEND / "aiko", home / "aiko")
    (tmp_path / "current").symlink_to(home)
    program = (
        "import os, sys; from aiko.release import release; "
        "os.unlink(sys.argv[1]); os.symlink('releases/other', sys.argv[1]); print(release())"
    )

    def told(**more: str) -> str:
        place = environment(settings) | {"PYTHONPATH": str(tmp_path / "current"), **more}
        command = [sys.executable, "-c", program, str(tmp_path / "current")]
        return subprocess.run(command, cwd="/", env=place, capture_output=True, text=True, check=True).stdout.strip()

    assert told() == "0a1b2c"
    place = {"PYTHONPATH": str(BACKEND)}
    assert told(**place) == "None" and told(**place, AIKO_RELEASE="2.1") == "2.1"
