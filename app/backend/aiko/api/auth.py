"""Accounts and sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, g
from pydantic import Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from aiko import db
from aiko.auth import UNAUTHENTICATED, close_session, count_login, hash_password, open_session, password_matches
from aiko.config import current
from aiko.errors import Problem
from aiko.models import User
from aiko.openapi import Model, route

blueprint = Blueprint("auth", __name__, url_prefix="")
# One @, no blanks, a dot in the host: whether mail arrives there is not for a pattern to decide.
Email = Annotated[
    str,
    StringConstraints(
        to_lower=True,
        strip_whitespace=True,
        max_length=254,
        pattern=r"^[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]+\.[^@\s.\x00-\x1f]+$",
    ),
]
Password = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=200)]
# PostgreSQL cannot store NUL in text.
PlainText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")
]


class RegisterIn(Model):
    """A new account."""

    email: Email
    password: Annotated[str, StringConstraints(strip_whitespace=False, min_length=8, max_length=200)]
    name: PlainText
    role: Literal["teacher", "student"] = "teacher"


class LoginIn(Model):
    """Credentials."""

    email: Email
    password: Password


class UserOut(Model):
    """An account, as its owner sees it."""

    id: UUID
    email: str
    name: str
    role: str
    created_at: datetime


class TokenOut(Model):
    """A bearer token; `expires_in` is in seconds."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105
    expires_in: int
    user: UserOut = Field()


@route(
    blueprint,
    "POST",
    "/api/auth/register",
    "Create an account",
    body=RegisterIn,
    out=UserOut,
    status=201,
    errors=(409, 503),
    auth=False,
)
def register(body: RegisterIn) -> Any:
    user = User(email=body.email, name=body.name, role=body.role, password_hash=hash_password(body.password))
    try:
        with db.session() as session:
            session.add(user)
            session.flush()
            session.refresh(user)
    except IntegrityError:
        raise Problem(409, "there is an account with this email already; log in instead") from None
    return user


@route(blueprint, "POST", "/api/auth/login", "Log in", body=LoginIn, out=TokenOut, errors=(401, 429, 503), auth=False)
def login(body: LoginIn) -> Any:
    count_login(body.email)
    with db.session() as session:
        user = session.scalar(select(User).where(User.email == body.email))
    if not password_matches(user.password_hash if user else None, body.password) or user is None:
        raise Problem(401, "email or password is wrong", UNAUTHENTICATED)
    return {"access_token": open_session(user.id), "expires_in": current().JWT_TTL_SECONDS, "user": user}


@route(blueprint, "GET", "/api/auth/me", "Who am I", out=UserOut)
def me() -> Any:
    with db.session() as session:
        user = session.get(User, g.user_id)
    if user is None:
        raise Problem(401, "this account does not exist any more", UNAUTHENTICATED)
    return user


@route(blueprint, "POST", "/api/auth/logout", "End this session", status=204)
def logout() -> None:
    close_session()
