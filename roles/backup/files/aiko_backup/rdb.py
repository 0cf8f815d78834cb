"""Dumps of Redis: whether a server loads them, and how a server with an append-only file starts from one."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile
import time

from .command import Failed, as_user, run

# An account that owns nothing else of interest.
USERS = ("redis", "nobody")
READ = re.compile(r"^\[info\] (\d+) keys read", re.MULTILINE)
LOADED = re.compile(r"Done loading RDB, keys loaded: (\d+), keys expired: (\d+)")
# What redis-check-rdb says of a whole file (redis-check-rdb.c).
WHOLE = "\\o/ RDB looks OK! \\o/"
# As redis-server calls them by itself (redis.io/docs/latest/operate/oss_and_stack/management/persistence).
DIRECTORY, PREFIX = "appendonlydir", "appendonly.aof"
LOADS_WITHIN = 600


def count(path: str) -> int:
    """Read a dump from end to end, checksum included, and count its keys, also those that have expired meanwhile."""
    try:
        text = run(["redis-check-rdb", path])
    except Failed as failure:
        raise Failed(f"{path} is no whole dump of Redis: {_reason(str(failure))}") from failure
    found = READ.search(text)
    if WHOLE not in text or not found:
        raise Failed(f"{path} is no whole dump of Redis: {_reason(text)}")
    with open(path, "rb") as file:
        file.seek(-8, os.SEEK_END)
        if file.read() == bytes(8):
            raise Failed(f"{path} has no checksum. Expected: a dump by a server with rdbchecksum yes, which is the default")
    return int(found[1])


def _reason(text: str) -> str:
    """The words of redis-check-rdb below its headline, or its last ones."""
    _, found, after = text.partition("ERROR DETECTED ---")
    lines = [line.strip() for line in (after if found else text).splitlines() if line.strip()]
    return (lines[0] if found else lines[-1]) if lines else "redis-check-rdb said nothing"


def check(path: str) -> int:
    """Load a dump into a server of its own; returns how many keys are in it. Failed when one is missing."""
    expected = count(path)
    user = _account()
    private = pathlib.Path(tempfile.mkdtemp(prefix="aiko-redis-"))
    # Beside the dump, where there is room for another one; a hard link would give away the original.
    data = pathlib.Path(tempfile.mkdtemp(prefix=".aiko-redis-", dir=os.path.dirname(os.path.abspath(path))))
    server = None
    try:
        shutil.copyfile(path, data / "dump.rdb")
        for place in (private, data, data / "dump.rdb"):
            if user:
                shutil.chown(place, user, pwd.getpwnam(user).pw_gid)
        # It works where it is started: the way there may lead through directories that its account cannot enter.
        with open(private / "log", "w") as log:
            server = subprocess.Popen(
                [*as_user(user), "setpriv", "--pdeathsig=KILL", "--", "redis-server", "--port", "0", "--unixsocket", f"{private}/socket",
                 "--unixsocketperm", "700", "--dir", ".", "--dbfilename", "dump.rdb", "--save", "", "--appendonly", "no",
                 "--daemonize", "no", "--logfile", "", "--maxmemory", "0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=data, start_new_session=True,
            )  # fmt: skip
        return _wait_loaded(server, private, path, expected)
    finally:
        if server:
            server.kill()
            server.wait()
        for place in (private, data):
            shutil.rmtree(place, ignore_errors=True)


def _account() -> str | None:
    """Whom to run the server as; None when this process cannot choose."""
    if os.geteuid() != 0:
        return None
    for name in USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise Failed(f"this host has none of the accounts {', '.join(USERS)}")


def _wait_loaded(server: subprocess.Popen, private: pathlib.Path, path: str, expected: int) -> int:
    until = time.monotonic() + LOADS_WITHIN
    while True:
        ended = server.poll() is not None
        log = (private / "log").read_text(errors="replace")
        if found := LOADED.search(log):
            break
        if ended or time.monotonic() > until:
            raise Failed(f"Redis does not load {path}: {_last(log)}")
        time.sleep(0.05)
    # It says so before it answers; that it does is the proof.
    while (answer := _ping(private)) != "PONG":
        if server.poll() is not None or time.monotonic() > until:
            raise Failed(f"Redis loaded {path}, but does not answer: {answer}")
        time.sleep(0.05)
    if int(found[1]) + int(found[2]) != expected:
        raise Failed(f"Redis loaded {found[1]} keys of {path}, and {found[2]} had expired. Expected: {expected}")
    return expected


def _ping(private: pathlib.Path) -> str:
    try:
        return run(["redis-cli", "-s", f"{private}/socket", "PING"]).strip()
    except Failed as failure:
        return str(failure)


def _last(log: str) -> str:
    return "; ".join([line.strip() for line in log.splitlines() if line.strip()][-3:]) or "no reason given"


def append_only(rdb_path: str, directory: str) -> None:
    """Make a dump the base of a server's append-only file, since a server that keeps one reads nothing else.

    Args:
        rdb_path: the dump.
        directory: the server's data directory (`dir`), which must not have an append-only file yet and whose owner gets this one.
    """
    final, fresh = pathlib.Path(directory, DIRECTORY), pathlib.Path(directory, f".{DIRECTORY}.new")
    if final.exists():
        raise Failed(f"{final} is there already. Expected: an empty data directory")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o750)
    shutil.copyfile(rdb_path, fresh / f"{PREFIX}.1.base.rdb")
    (fresh / f"{PREFIX}.1.incr.aof").touch()
    (fresh / f"{PREFIX}.manifest").write_text(f"file {PREFIX}.1.base.rdb seq 1 type b\nfile {PREFIX}.1.incr.aof seq 1 type i\n")
    owner = os.stat(directory)
    for path in (fresh, *fresh.iterdir()):
        path.chmod(0o750 if path.is_dir() else 0o640)
        os.chown(path, owner.st_uid, owner.st_gid)
        _sync(path)
    os.rename(fresh, final)
    _sync(pathlib.Path(directory))


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
