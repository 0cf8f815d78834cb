"""The application's own processes: gunicorn, Celery workers, beats."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.support.servers import free_port, wait_for

BACKEND = Path(__file__).resolve().parents[2]


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return a clean environment with the given settings."""
    keep = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "TMPDIR") if k in os.environ}
    return {**keep, "PYTHONPATH": str(BACKEND), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore", **settings}


def run(arguments: list[str], settings: dict[str, str], **more: object) -> subprocess.CompletedProcess:
    """Run a Python module of the backend to its end; never raises for a bad exit code."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=BACKEND,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        **more,
    )


class Process:
    """A long-running process whose output goes to a file."""

    def __init__(self, arguments: list[str], settings: dict[str, str], log: Path):
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=BACKEND,
                env=environment(settings),
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.popen.pid

    def output(self) -> str:
        """Return what it printed so far."""
        return self.log.read_text(errors="replace")

    def children(self) -> list[int]:
        """Return the ids of its direct children."""
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.pid)], capture_output=True, text=True).stdout
        return [int(pid) for pid in found.split() if self._is_worker(int(pid))]

    @staticmethod
    def _is_worker(pid: int) -> bool:
        with contextlib.suppress(OSError):
            return (
                b"python" in Path(f"/proc/{pid}/cmdline").read_bytes()
                or b"celery" in Path(f"/proc/{pid}/cmdline").read_bytes()
            )
        return False

    def stop(self, how: int = signal.SIGTERM, seconds: float = 15) -> None:
        """Send a signal and wait; kill the whole group after `seconds`."""
        if self.popen.poll() is None:
            self.popen.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()


@contextlib.contextmanager
def running(arguments: list[str], settings: dict[str, str], log: Path) -> Iterator[Process]:
    """Run a process for the length of a block."""
    process = Process(arguments, settings, log)
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def worker(settings: dict[str, str], log: Path, *more: str) -> Iterator[Process]:
    """Run a Celery worker until the block ends, and start only when it is ready."""
    arguments = [
        "celery",
        "-A",
        "aiko.celery_app:celery",
        "worker",
        "-Q",
        "default,ai_tasks,priority",
        "-c",
        "2",
        "--without-gossip",
        "--without-mingle",
        *more,
    ]
    with running(arguments, settings, log) as process:
        wait_for(
            lambda: " ready." in process.output() or process.popen.poll() is not None, 30, "the worker being ready"
        )
        assert process.popen.poll() is None, process.output()
        yield process


class Web(Process):
    """A gunicorn on a port of its own."""

    def __init__(self, settings: dict[str, str], log: Path, *more: str, workers: int = 1, threads: int = 4):
        self.port = free_port()
        super().__init__(
            [
                "gunicorn",
                "aiko.wsgi:app",
                "--bind",
                f"127.0.0.1:{self.port}",
                "--worker-class",
                "gthread",
                "--threads",
                str(threads),
                "--workers",
                str(workers),
                "--graceful-timeout",
                "5",
                *more,
            ],
            settings,
            log,
        )
        try:
            wait_for(lambda: self.popen.poll() is not None or self.get("/health")[0] == 200, 30, "the web answering")
            assert self.popen.poll() is None, self.output()
        except BaseException:
            self.stop()
            raise

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Return status and body of a GET, over a connection of its own."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={**headers, "Connection": "close"}
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@contextlib.contextmanager
def web(settings: dict[str, str], log: Path, *more: str, workers: int = 1, threads: int = 4) -> Iterator[Web]:
    """Run a gunicorn for the length of a block."""
    process = Web(settings, log, *more, workers=workers, threads=threads)
    try:
        yield process
    finally:
        process.stop()
