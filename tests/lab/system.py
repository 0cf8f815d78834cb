"""Small helpers around the operating system: commands, locks, atomic files, processes."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from .errors import LabError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def run(*command: str, stdin: str | None = None, check: bool = True) -> str:
    """Run a command and return its standard output; LabError with its last words when it fails and `check` is set."""
    try:
        done = subprocess.run(
            command,
            check=False,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed (the verb `setup` installs what the lab needs)") from error
    if check and done.returncode:
        words = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"`{' '.join(command)}` failed ({done.returncode}): {words}")
    return done.stdout


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace `path` by a file with that text, so that a reader sees the old or the new one and never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "w", opener=lambda p, flags: os.open(p, flags, mode)) as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    temporary.rename(path)


def read_json(path: Path, default):
    """Return the parsed file, or `default` when there is none or a power cut left rubbish."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return default


class FileLock:
    """An flock on a file, created when missing. The kernel lets go of it when its holder dies, however it dies."""

    def __init__(self, path: Path):
        self.path = path
        self._fd: int | None = None

    def acquire(self, *, shared: bool = False, wait: bool = True) -> bool:
        """Take the lock; without `wait` return False when somebody else has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(fd, flags)
                # The file may have been removed between open and flock: then this lock protects nothing any more.
                current = os.stat(self.path)
            except BlockingIOError:
                os.close(fd)
                return False
            except FileNotFoundError:
                os.close(fd)
                if not self.path.parent.exists():
                    raise LabError(f"{self.path.parent} was removed meanwhile") from None
                continue
            if os.path.samestat(os.fstat(fd), current):
                self._fd = fd
                return True
            os.close(fd)

    def release(self) -> None:
        """Let go; harmless when not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(self, *_exc) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Tell whether some process holds the exclusive lock on that file; the file may be somebody else's."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # A shared probe never makes another prober believe that the owner lives.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def wait_for(condition, timeout: float, interval: float = 0.03) -> bool:
    """Poll `condition` until it is true; False when `timeout` seconds went by first."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval)
    return True


def mount_points() -> list[str]:
    """Return where something is mounted in our mount namespace."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    # Blanks in paths are written as octal escapes.
    return [line.split()[1].encode().decode("unicode_escape") for line in lines]


def remove_tree(path: Path) -> None:
    """Remove a directory tree if it exists, but never through a mount: what is mounted below may be anything."""
    if not path.is_dir():
        return
    inside = f"{path.resolve()}/"
    for target in mount_points():
        if f"{target}/".startswith(inside):
            raise LabError(f"{target} is still mounted: not removing {path}")
    shutil.rmtree(path)


def tail(path: Path, lines: int = 25) -> str:
    """Return the last lines of a log, or an empty text when there is none."""
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    return ""
