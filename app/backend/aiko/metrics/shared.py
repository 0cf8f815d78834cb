"""The directory through which the workers of one gunicorn share their metrics.

Each start gets a directory of its own below PROMETHEUS_MULTIPROC_DIR and holds a lock on a file in it. The lock passes
to the forked workers and dies with the last of them, so whoever starts next can tell the dead from the living without
trusting process ids, which are reused and mean nothing across containers.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
BASE = "AIKO_METRICS_BASE"
PREFIX = "run-"
LOCK = "lock"
_held: list[int] = []


def _try_lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock on `path`, or None when somebody else does."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def remove_dead(base: Path) -> int:
    """Delete what dead runs left below `base`, and stray metric files in it; return how many directories went."""
    gone = 0
    for old in base.glob(f"{PREFIX}*"):
        handle = _try_lock(old / LOCK) if old.is_dir() else None
        if handle is not None:
            shutil.rmtree(old, ignore_errors=True)
            os.close(handle)
            gone += 1
    for stray in base.glob("*.db"):
        stray.unlink(missing_ok=True)
    return gone


def start(base: str) -> Path | None:
    """Make this run's directory below `base` and point the metrics library at it; with an empty `base` do nothing.

    Must run before prometheus_client is imported, which reads the variable once. Raises OSError.
    """
    if not base:
        os.environ.pop(VARIABLE, None)
        return None
    root = Path(base)
    root.mkdir(parents=True, exist_ok=True, mode=0o750)
    # One at a time: between making a directory and locking it, another start would take it for dead.
    gate = os.open(root / ".gate", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        remove_dead(root)
        mine = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        handle = _try_lock(mine / LOCK)
        if handle is not None:
            _held.append(handle)
    finally:
        os.close(gate)
    os.environ[BASE], os.environ[VARIABLE] = str(root), str(mine)
    return mine
