"""The files under UPLOAD_DIR: written whole or not at all, named by id."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from aiko.config import current

INCOMING = ".incoming"
# The group may write too: the nightly sweep runs as the workers' user. (A chmod afterwards would not do: the services
# may not touch a directory's set-group-id bit.)
SHARED = 0o770


class TooLarge(Exception):
    """The stream is longer than allowed."""


def root() -> Path:
    """Return UPLOAD_DIR."""
    return Path(current().UPLOAD_DIR)


def path_of(document_id: UUID) -> Path:
    """Return where the file of a document lies; two letters a directory keep directories small."""
    name = str(document_id)
    return root() / name[:2] / name


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def receive(stream: BinaryIO, limit: int) -> tuple[Path, int, str]:
    """Write `stream` to a temporary file and return its path, its size in bytes and its SHA-256.

    Raises TooLarge beyond `limit` bytes, and OSError; in both cases nothing is left behind.
    """
    folder = root() / INCOMING
    folder.mkdir(parents=True, exist_ok=True, mode=SHARED)
    path, size, digest = folder / uuid.uuid4().hex, 0, hashlib.sha256()
    try:
        with path.open("xb") as file:
            while chunk := stream.read(1 << 20):
                size += len(chunk)
                if size > limit:
                    raise TooLarge
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path, size, digest.hexdigest()


def keep(temporary: Path, document_id: UUID) -> None:
    """Move a received file to its place; after return it survives a power cut. Raises OSError."""
    target = path_of(document_id)
    fresh = not target.parent.exists()
    target.parent.mkdir(parents=True, exist_ok=True, mode=SHARED)
    os.replace(temporary, target)
    _sync_directory(target.parent)
    if fresh:
        _sync_directory(root())


def remove(document_id: UUID) -> None:
    """Delete the file of a document, if it is there. What fails here is found by the sweep."""
    path_of(document_id).unlink(missing_ok=True)


def sweep(exists: object, older_than: float) -> int:
    """Delete files that no row knows, and abandoned temporary ones, when older than `older_than` seconds.

    `exists` is called with a list of ids and returns those that have a row. Returns how many files went.
    """
    if not root().is_dir():
        return 0
    limit, gone = time.time() - older_than, 0
    for folder in root().iterdir():
        if not folder.is_dir():
            continue
        old = [p for p in folder.iterdir() if p.is_file() and p.stat().st_mtime < limit]
        known: set[str] = set()
        if folder.name != INCOMING:
            old = [p for p in old if _is_id(p.name)]
            known = {str(i) for i in exists([UUID(p.name) for p in old])} if old else set()
        for path in old:
            if path.name not in known:
                path.unlink(missing_ok=True)
                gone += 1
    return gone


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
