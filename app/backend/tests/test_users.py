"""Accounts from the command line: operators are made on the host."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.processes import run
from tests.support.servers import free_port

pytestmark = pytest.mark.ledger("BE4")


def test_an_open_session_gets_and_loses_the_role(app: Any, person: Any, settings: dict[str, str]) -> None:
    """Whoever is made operator need not log in again, and whoever no longer is one is out at once."""
    someone = person()
    assert someone.get("/api/status").status_code == 403
    done = run(["aiko.users", "set-role", f" {someone.email.upper()}", "operator"], settings)
    assert (done.returncode, done.stdout) == (0, f"{someone.email}: teacher -> operator\n"), done.stderr
    assert someone.get("/api/status").status_code == 200
    assert someone.get("/api/auth/me").json["role"] == "operator"
    again = run(["aiko.users", "set-role", someone.email, "operator"], settings)
    assert (again.returncode, again.stdout) == (0, f"{someone.email} is operator already\n")
    assert run(["aiko.users", "set-role", someone.email, "student"], settings).returncode == 0
    refused = someone.get("/api/status")
    assert refused.status_code == 403 and refused.content_type == "application/problem+json"


def test_list(app: Any, person: Any, settings: dict[str, str]) -> None:
    """Who can do what is seen without SQL."""
    someone, other = person(), person("student")
    run(["aiko.users", "set-role", someone.email, "operator"], settings)
    shown = run(["aiko.users", "list", "--role", "operator"], settings)
    assert shown.returncode == 0 and someone.email in shown.stdout and other.email not in shown.stdout
    assert "argon2" not in shown.stdout
    assert other.email in run(["aiko.users", "list"], settings).stdout


def test_clear_errors(app: Any, settings: dict[str, str]) -> None:
    """One line that says what is wrong and what there is, and no traceback."""
    for arguments, code, told in (
        (["set-role", "nobody@example.com", "operator"], 1, "no account with the email nobody@example.com"),
        (["set-role", "nobody@example.com", "admin"], 2, "operator"),
        (["list", "--role", "admin"], 2, "student"),
        ([], 2, "usage"),
    ):
        done = run(["aiko.users", *arguments], settings)
        assert done.returncode == code and told in done.stderr and "Traceback" not in done.stderr, done.stderr
    away = settings | {"DATABASE_URL": f"postgresql://u:hidden@127.0.0.1:{free_port()}/d"}
    done = run(["aiko.users", "list"], away)
    assert done.returncode == 1 and "is it up and migrated?" in done.stderr, done.stderr
    assert "hidden" not in done.stderr and "Traceback" not in done.stderr
    done = run(["aiko.users", "list"], {"FLASK_ENV": "production"})
    assert done.returncode == 1 and "SECRET_KEY" in done.stderr and "Traceback" not in done.stderr
