"""Passwords, access tokens, and the sessions that can revoke them."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from functools import lru_cache
from uuid import UUID

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import request
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import select, text

from aiko import db, deadline
from aiko.config import current
from aiko.errors import Problem
from aiko.models import User
from aiko.stores import client

ALGORITHM = "HS256"
ISSUER = "aiko"
ROLE_SECONDS = 3.0
log = logging.getLogger(__name__)
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
UNAUTHENTICATED = {"WWW-Authenticate": "Bearer"}


def hash_password(password: str) -> str:
    """Return an argon2id hash of `password` with its parameters and salt."""
    return _hasher.hash(password)


@lru_cache(maxsize=1)
def _nobody() -> str:
    return hash_password(secrets.token_hex())


def password_matches(stored: str | None, password: str) -> bool:
    """Compare in constant time; without a stored hash the same work is done, so timing tells no account names."""
    try:
        return _hasher.verify(stored or _nobody(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def _session_key(sid: str) -> str:
    # Only a keyed hash is stored: who can read Redis cannot use what is found there.
    return "session:" + hmac.new(current().SECRET_KEY.encode(), sid.encode(), hashlib.sha256).hexdigest()


def open_session(user_id: UUID) -> str:
    """Start a session in the session Redis and return the token that names it. Raises RedisError."""
    config, sid, now = current(), secrets.token_urlsafe(24), int(time.time())
    client("SESSION_REDIS_URL").set(_session_key(sid), str(user_id), ex=config.SESSION_TTL)
    claims = {"iss": ISSUER, "sub": str(user_id), "sid": sid, "iat": now, "exp": now + config.JWT_TTL_SECONDS}
    return jwt.encode(claims, config.JWT_SECRET_KEY, ALGORITHM)


def _claims() -> dict[str, str]:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(401, "log in first: this needs the header 'Authorization: Bearer <token>'", UNAUTHENTICATED)
    try:
        return jwt.decode(
            token.strip(),
            current().JWT_SECRET_KEY,
            [ALGORITHM],
            issuer=ISSUER,
            options={"require": ["exp", "sub", "sid"]},
        )
    except jwt.ExpiredSignatureError:
        raise Problem(401, "the token has expired; log in again", UNAUTHENTICATED) from None
    except jwt.InvalidTokenError:
        raise Problem(401, "the token is not valid; log in again", UNAUTHENTICATED) from None


def authenticate() -> UUID:
    """Return the id of the user whose valid token the request carries, and renew the session.

    Raises Problem 401 for a missing, bad, expired or revoked token, RedisError when the sessions cannot be asked.
    """
    claims = _claims()
    user_id = client("SESSION_REDIS_URL").getex(_session_key(claims["sid"]), ex=current().SESSION_TTL)
    if user_id is None or user_id != claims["sub"]:
        raise Problem(401, "the session has ended; log in again", UNAUTHENTICATED)
    return UUID(user_id)


def _role_key(user_id: UUID) -> str:
    return f"session:role:{user_id}"


def _role(user_id: UUID) -> str | None:
    with db.probe_engine().connect() as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = {db.PROBE_SECONDS * 1000}"))
        return connection.scalar(select(User.role).where(User.id == user_id))


def require(user_id: UUID, role: str) -> None:
    """Return when the account has `role` at this moment; a change takes effect in sessions that are open.

    While the database does not answer, the role it last told within the life of a session counts: that is when an
    operator needs the status most. Raises Problem 403 for another role, 503 when nothing is known, RedisError.
    """
    key, sessions = _role_key(user_id), client("SESSION_REDIS_URL")
    found = deadline.gather({f"role {user_id}": lambda: _role(user_id)}, ROLE_SECONDS)[f"role {user_id}"]
    if isinstance(found, Exception):
        log.warning("the database tells no roles: %s", type(found).__name__)
        found = sessions.get(key)
        if found is None:
            raise Problem(503, "the database does not answer; try again in a moment", {"Retry-After": "5"})
    elif found is not None:
        sessions.set(key, found, ex=current().SESSION_TTL)
    if found != role:
        raise Problem(403, f"this is for accounts with the role {role}")


def forget_role(user_id: UUID) -> None:
    """Make `require` ask the database for the role of an account. Raises RedisError."""
    client("SESSION_REDIS_URL").delete(_role_key(user_id))


def close_session() -> None:
    """End the session of the request's token."""
    client("SESSION_REDIS_URL").delete(_session_key(_claims()["sid"]))


@lru_cache(maxsize=4)
def _limiter(uri: str, rate: str) -> tuple[FixedWindowRateLimiter, RateLimitItem]:
    options = {} if uri.startswith("memory") else {"socket_connect_timeout": 1, "socket_timeout": 1}
    # The library spells a socket URL in its own way.
    uri = "redis+" + uri if uri.startswith("unix:") else uri
    return FixedWindowRateLimiter(storage_from_string(uri, **options)), parse(rate)


def count_login(email: str) -> None:
    """Count a login attempt for this account from this address.

    Raises Problem 429 with Retry-After when there were too many. When the counter is away the attempt is let through:
    nobody should be locked out by it, and guessing is still slowed down by the password hash.
    """
    config = current()
    who = hashlib.sha256(email.encode()).hexdigest()[:32]
    limiter, rate = _limiter(config.RATELIMIT_STORAGE_URI, config.LOGIN_RATE_LIMIT)
    try:
        if limiter.hit(rate, "login", who, request.remote_addr or "-"):
            return
        seconds = max(
            1, round(limiter.get_window_stats(rate, "login", who, request.remote_addr or "-").reset_time - time.time())
        )
    except Exception as error:  # the library passes on whatever its storage raises
        log.warning("login attempts cannot be counted: %s", error)
        return
    raise Problem(
        429, f"too many login attempts for this account; try again in {seconds} s", {"Retry-After": str(seconds)}
    )
