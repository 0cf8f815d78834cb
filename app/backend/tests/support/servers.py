"""Private PostgreSQL and Redis servers on loopback, started from installed binaries."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import redis


def free_port() -> int:
    """Return a TCP port of loopback that nobody uses now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition: Callable[[], object], seconds: float = 20, what: str = "the condition") -> object:
    """Return the first true value of `condition`; fail with `what` when none came in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, redis.RedisError, psycopg2.Error):
            if value := condition():
                return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def binary(name: str) -> str:
    """Return the path of a server program, or fail saying what to install."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name) or (str(places[0]) if places else None)
    if not found:
        raise RuntimeError(
            f"the tests need the program {name}: install the packages postgresql and redis-server, "
            "or set AIKO_TEST_DATABASE_URL and AIKO_TEST_REDIS_URL"
        )
    return found


class Server:
    """A server process that a test can stop and start again on the same port and data."""

    def __init__(
        self, command: list[str], ready: Callable[[], object], *, user: str | None = None, stop_signal: int = 15
    ):
        self.command, self.ready, self.user, self.stop_signal = command, ready, user, stop_signal
        self.process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        """Start and wait until it answers."""
        extra: dict = {}
        if self.user:
            entry = pwd.getpwnam(self.user)
            extra = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True, **extra
        )
        wait_for(self.ready, 30, f"{self.command[0]} answering")

    def stop(self) -> None:
        """Stop at once and wait for the end."""
        if self.process is None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Postgres(Server):
    """A private PostgreSQL with the superuser `aiko` and durability switched off, because tests need none."""

    def __init__(self, folder: Path):
        self.port = free_port()
        user = "postgres" if os.geteuid() == 0 else None
        data = folder / "data"
        folder.mkdir(parents=True, exist_ok=True)
        if user:
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []} if user else {}
        subprocess.run(
            [binary("initdb"), "-D", str(data), "-U", "aiko", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"],
            check=True,
            capture_output=True,
            cwd="/",
            **identity,
        )
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": 100,
        }
        command = [binary("postgres"), "-D", str(data)]
        for key, value in options.items():
            command += ["-c", f"{key}={value}"]
        super().__init__(command, self._ready, user=user, stop_signal=signal.SIGINT)

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://aiko:unused@127.0.0.1:{self.port}/{database}"

    def _ready(self) -> bool:
        psycopg2.connect(self.url(), connect_timeout=2).close()
        return True


class Redis(Server):
    """A private Redis that keeps its data over a restart."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = [
            binary("redis-server"),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "no",
            "--dir",
            str(folder),
        ]
        super().__init__(command, lambda: redis.Redis(port=self.port, socket_timeout=2).ping())

    def url(self, number: int = 0) -> str:
        """Return the URL of a numbered database."""
        return f"redis://127.0.0.1:{self.port}/{number}"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Yield a temporary directory that the user postgres may enter."""
    path = Path(tempfile.mkdtemp(prefix="aiko-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
