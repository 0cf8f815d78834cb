"""Database engine and sessions, one small pool for each process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from aiko.config import current

CONNECT_SECONDS = 5
PROBE_SECONDS = 2
# Seconds, and how often: a host that lost its power does not answer, and says nothing either (libpq, "Parameter Key
# Words").
KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_engines: dict[tuple[int, str], Engine] = {}


def engine() -> Engine:
    """Return this process's engine: at most DB_POOL_SIZE connections, each checked before use.

    Keyed by process id, because a connection inherited over fork() would be shared by two processes.
    """
    config = current()
    key = (os.getpid(), config.DATABASE_URL)
    if key not in _engines:
        _engines[key] = create_engine(
            config.DATABASE_URL,
            pool_size=config.DB_POOL_SIZE,
            max_overflow=0,
            pool_pre_ping=True,
            pool_timeout=10,
            pool_recycle=1800,
            use_native_hstore=False,
            # An error message must not carry parameters, such as password hashes, into the log.
            hide_parameters=True,
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "aiko", **KEEPALIVE},
        )
    return _engines[key]


def probe_engine() -> Engine:
    """Return an engine that connects anew each time, so that a busy pool cannot look like a dead server to a probe."""
    return create_engine(
        current().DATABASE_URL,
        poolclass=NullPool,
        use_native_hstore=False,
        # An error message must not carry parameters, such as password hashes, into the log.
        hide_parameters=True,
        connect_args={"connect_timeout": PROBE_SECONDS, "application_name": "aiko-probe"},
    )


@contextmanager
def session() -> Iterator[Session]:
    """Yield a session that commits at the end and rolls back on an exception. Raises SQLAlchemy's errors."""
    with Session(engine(), expire_on_commit=False) as db, db.begin():
        yield db
