"""Accounts, tokens, sessions and the login limit."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from tests.conftest import PASSWORD


def test_register_refuses_what_it_cannot_use(app: Any) -> None:
    """A refused registration says which member is wrong, as a problem document."""
    client = app.test_client()
    good = {"email": "x1@example.com", "password": PASSWORD, "name": "X"}
    for member, value in (
        ("email", "nobody"),
        ("email", "a@b@example.com"),
        ("password", "short"),
        ("name", "  "),
        ("name", "a\x00b"),
        ("role", "operator"),
        ("email", None),
    ):
        answer = client.post("/api/auth/register", json={**good, member: value})
        assert answer.status_code == 422, (member, value, answer.text)
        assert answer.content_type == "application/problem+json"
        assert member in answer.json["detail"]
    assert client.post("/api/auth/register", json={**good, "admin": True}).status_code == 422
    assert client.post("/api/auth/register", data="{", content_type="application/json").status_code == 400
    assert client.post("/api/auth/register", data="x=1").status_code == 415


def test_email_is_one_account_whatever_its_case(person: Any, app: Any) -> None:
    """Otherwise two people could hold the same address."""
    teacher = person()
    again = app.test_client().post(
        "/api/auth/register", json={"email": teacher.email.upper(), "password": PASSWORD, "name": "Y"}
    )
    assert again.status_code == 409
    login = app.test_client().post(
        "/api/auth/login", json={"email": f" {teacher.email.upper()} ", "password": PASSWORD}
    )
    assert login.status_code == 200
    assert teacher.get("/api/auth/me").json["email"] == teacher.email


def test_wrong_password_and_unknown_account_look_the_same(person: Any, app: Any) -> None:
    """A difference would tell which addresses have accounts."""
    client = app.test_client()
    wrong = client.post("/api/auth/login", json={"email": person().email, "password": "not this one"})
    unknown = client.post("/api/auth/login", json={"email": "nobody@example.com", "password": "not this one"})
    assert (wrong.status_code, wrong.json) == (unknown.status_code, unknown.json)
    assert wrong.status_code == 401


def test_logout_ends_this_session_only(person: Any, app: Any) -> None:
    """A token alone is not enough: its session must live."""
    teacher = person()
    second = app.test_client().post("/api/auth/login", json={"email": teacher.email, "password": PASSWORD}).json
    assert teacher.post("/api/auth/logout").status_code == 204
    assert teacher.get("/api/auth/me").status_code == 401
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    assert app.test_client().get("/api/auth/me", headers=headers).status_code == 200


def test_forged_tokens_are_refused(person: Any, app: Any) -> None:
    """Every way to make up a token ends in 401."""
    teacher = person()
    token = teacher.headers["Authorization"].split()[1]
    claims = jwt.decode(token, options={"verify_signature": False})
    key = "j" * 40
    forged = [
        "",
        "x",
        token[:-2],
        jwt.encode(claims, "another key " * 4, "HS256"),
        jwt.encode(claims, None, "none"),
        jwt.encode({**claims, "exp": int(time.time()) - 1}, key, "HS256"),
        jwt.encode({**claims, "sid": "made-up"}, key, "HS256"),
        jwt.encode({**claims, "sub": "00000000-0000-0000-0000-000000000000"}, key, "HS256"),
        jwt.encode({k: v for k, v in claims.items() if k != "exp"}, key, "HS256"),
    ]
    for bad in forged:
        answer = app.test_client().get("/api/auth/me", headers={"Authorization": f"Bearer {bad}"})
        assert answer.status_code == 401, bad
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.ledger("RD5")
def test_login_attempts_are_limited_per_account(app: Any, person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing one account's password stops; other accounts go on."""
    from aiko import auth, config

    monkeypatch.setenv("LOGIN_RATE_LIMIT", "3/minute")
    config.current.cache_clear()
    victim, other = person(), person()
    client = app.test_client()
    codes = [client.post("/api/auth/login", json={"email": victim.email, "password": "guess"}) for _ in range(4)]
    # One attempt was the person's own login.
    assert [c.status_code for c in codes] == [401, 401, 429, 429]
    assert 1 <= int(codes[-1].headers["Retry-After"]) <= 60
    assert client.post("/api/auth/login", json={"email": other.email, "password": PASSWORD}).status_code == 200
    monkeypatch.undo()
    config.current.cache_clear()
    auth._limiter.cache_clear()


def test_request_id_is_kept_or_made(app: Any) -> None:
    """A well-formed id comes back; one that could forge a log line is replaced."""
    client = app.test_client()
    assert client.get("/health", headers={"X-Request-ID": "abc-12345"}).headers["X-Request-ID"] == "abc-12345"
    for bad in ("short", "a" * 200, 'has"quote12', "with blank 12"):
        made = client.get("/health", headers={"X-Request-ID": bad}).headers["X-Request-ID"]
        assert made != bad and len(made) == 32


def test_unknown_paths_and_methods_are_problem_documents(app: Any) -> None:
    """A client reads one form of error everywhere."""
    client = app.test_client()
    for answer, status in ((client.get("/api/nothing"), 404), (client.put("/api/auth/login"), 405)):
        assert answer.status_code == status and answer.content_type == "application/problem+json"
        assert answer.json["status"] == status
    assert "POST" in client.put("/api/auth/login").headers["Allow"]
