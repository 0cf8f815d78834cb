"""Hashes of files, and whether files still are what they were.

Names are whatever the kernel allows: bytes that are no UTF-8 come as surrogates (PEP 383), which JSON's escapes keep.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import random
import stat
import threading
import time

from .command import Failed, say

# An entry counts as long as these say that nobody touched the file.
KEY = ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
# A file that changed this short a time ago may change again without its times telling.
SETTLED_NS = 1_000_000_000
WORKERS = min(4, os.cpu_count() or 1)
# Files that are open at the same time.
OPEN = 64
ATTEMPTS = 3
TOLD = 5


def list_hashes(directory: str, cache_path: str) -> dict[str, dict]:
    """What is below a directory: {"ab/cd.pdf": {"size": 5, "sha256": "..."}}, in order.

    Links are not followed. What is neither a file nor a directory is left out, and said. A file that goes meanwhile is left out.

    Args:
        directory: where to look.
        cache_path: file with the hashes of the last time, which is written anew; whoever may write to it may lie.
    """
    if not os.path.isdir(directory):
        raise Failed(f"{directory} is not there, or no directory. Expected: the files of a part of the platform")
    known = _cached(cache_path)
    found: dict[str, tuple[list[int], str]] = {}
    strange: list[str] = []
    slots = threading.Semaphore(OPEN)
    began = time.time_ns()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        pending = {}
        for place, _, names, descriptor in os.fwalk(directory, onerror=_refuse):
            for name in names:
                path = os.path.normpath(os.path.join(os.path.relpath(place, directory), name))
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if not stat.S_ISREG(status.st_mode):
                        strange.append(path)
                    elif path in known and known[path][0] == _key(status):
                        found[path] = tuple(known[path])
                    else:
                        slots.acquire()
                        pending[path] = pool.submit(_hash_open, _open(name, descriptor), slots)
        for path, future in pending.items():
            found[path] = future.result()
    if strange:
        more = f" and {len(strange) - TOLD} more" if len(strange) > TOLD else ""
        say(f"neither file nor directory, and not among the hashes: {', '.join(map(ascii, strange[:TOLD]))}{more}")
    found = dict(sorted(found.items()))
    _write_cache(cache_path, {path: entry for path, entry in found.items() if max(entry[0][1:3]) < began - SETTLED_NS})
    return {path: {"size": key[0], "sha256": digest} for path, (key, digest) in found.items()}


def choose(files: dict[str, dict], size: int) -> dict[str, dict]:
    """Another sample each time, always with the largest file."""
    if len(files) <= size:
        return files
    largest = max(files, key=lambda path: files[path]["size"])
    others = random.SystemRandom().sample([path for path in files if path != largest], max(0, size - 1))
    return {path: files[path] for path in sorted([largest, *others])}


def verify(directory: str, files: dict[str, dict], sample: int | None = None) -> None:
    """Failed with the first files below a directory that are not as `files` says; further files do not matter.

    Args:
        directory: where they are.
        files: path to size and sha256.
        sample: how many to look at; all when None.
    """
    chosen = files if sample is None else choose(files, sample)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(lambda path: _difference(directory, path, chosen[path]), chosen)
        differences = [(path, difference) for path, difference in zip(chosen, found, strict=True) if difference]
    if differences:
        more = f", and {len(differences) - TOLD} more" if len(differences) > TOLD else ""
        raise Failed(f"{len(differences)} of {len(chosen)} files in {directory} are not what they were: "
                     + ", ".join(f"{path!a} {difference}" for path, difference in differences[:TOLD]) + more)


def _difference(directory: str, path: str, expected: dict) -> str | None:
    try:
        status = os.lstat(os.path.join(directory, path))
        if not stat.S_ISREG(status.st_mode):
            return "is not a file"
        if status.st_size != expected["size"]:
            return f"has {status.st_size} bytes, not {expected['size']}"
        digest = _hash(os.open(os.path.join(directory, path), os.O_RDONLY | os.O_NOFOLLOW))[1]
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if digest == expected["sha256"] else "has other contents"


def _refuse(error: OSError) -> None:
    # A directory that goes while one looks is no failure; one that cannot be read is.
    if not isinstance(error, FileNotFoundError):
        raise Failed(f"{error.filename} cannot be read: {error.strerror}") from error


def _open(name: str, directory: int) -> int:
    # Not even when somebody puts a link or a pipe there in this moment.
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)


def _hash_open(descriptor: int, slots: threading.Semaphore) -> tuple[list[int], str]:
    try:
        return _hash(descriptor)
    finally:
        slots.release()


def _hash(descriptor: int) -> tuple[list[int], str]:
    """Key and hash that belong together, where the file holds still for so long."""
    with open(descriptor, "rb", buffering=0) as file:
        for _ in range(ATTEMPTS):
            before = _key(os.fstat(descriptor))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if _key(os.fstat(descriptor)) == before:
                break
        return before, digest


def _key(status: os.stat_result) -> list[int]:
    return [getattr(status, name) for name in KEY]


def _cached(path: str) -> dict[str, list]:
    """What was known last time; nothing when that cannot be read, which costs time only."""
    try:
        found = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError):
        return {}
    return {path: entry for path, entry in found.items() if isinstance(entry, list) and len(entry) == 2} if isinstance(found, dict) else {}


def _write_cache(path: str, entries: dict[str, tuple[list[int], str]]) -> None:
    fresh = pathlib.Path(f"{path}.new")
    fresh.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh.write_text(json.dumps(entries))
    os.replace(fresh, path)
