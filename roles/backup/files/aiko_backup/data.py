"""What a host that is backed up does for it; called by backup-source, as root."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
from collections.abc import Iterator

from . import rdb, tables
from .command import Failed, run
from .source import EXPORTS

RECEIVED = "/var/lib/aiko-restore/received"


def measure(settings: dict, part: str) -> dict:
    """Bytes that a part takes: will a backup fit? Of the database also which one it is, and its timeline (0 in recovery)."""
    if part == "postgresql":
        query = (
            "SELECT sum(pg_database_size(oid)), (SELECT system_identifier FROM pg_control_system()), "
            "CASE WHEN pg_is_in_recovery() THEN '0' ELSE substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END "
            "FROM pg_database"
        )
        port = str(settings["postgresql"]["port"])
        size, system, timeline = run(["psql", "-XAtq", "-p", port, "-d", "postgres", "-c", query], user="postgres").strip().split("|")
        return {"bytes": int(size), "system_id": system, "timeline": int(timeline, 16)}
    return {"bytes": sum(entry.stat(follow_symlinks=False).st_size for entry in _walk(settings["parts"][part]["path"]))}


def _walk(directory: str) -> Iterator[os.DirEntry]:
    with os.scandir(directory) as entries:
        for entry in entries:
            # What vanishes meanwhile is a temporary file of the application.
            with contextlib.suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry


def export_redis(settings: dict) -> dict:
    """Ask every instance for a dump, as a replica would: a consistent one, at the moment of the asking."""
    files = {}
    with _fresh("redis") as directory:
        for name in settings["parts"]["redis"]["instances"]:
            path = directory / f"{name}.rdb"
            run(["aiko-redis", name, "--rdb", str(path)])
            if not path.exists() or path.read_bytes()[:5] != b"REDIS":
                raise Failed(f"Redis {name} gave no dump. Remedy: see aiko-logs redis")
            files[path.name] = {**_described(path), "keys": rdb.count(str(path))}
    return {"files": files}


def export_grafana(settings: dict) -> dict:
    """Copy Grafana's database by SQLite's own means, which waits for writers and follows the journal (sqlite.org/backup.html)."""
    with _fresh("grafana") as directory:
        path = directory / "grafana.db"
        origin = settings["parts"]["grafana"]["path"]
        if not os.path.exists(origin):
            raise Failed(f"{origin} does not exist. Expected: Grafana's database. Remedy: run site.yml, which starts Grafana")
        live = sqlite3.connect(f"file:{origin}?mode=ro", uri=True)
        with contextlib.closing(live), contextlib.closing(sqlite3.connect(path)) as copy:
            live.backup(copy)
            answer = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if answer != "ok":
            raise Failed(f"{origin} is damaged: {answer}")
        return {"files": {path.name: _described(path)}}


def export_release(part: str) -> dict:
    """Which release of a part serves here."""
    return json.loads(run(["aiko-release", "--part", part, "status"]))


@contextlib.contextmanager
def _fresh(part: str) -> Iterator[pathlib.Path]:
    """An empty directory for a part's exports, for root alone."""
    directory = pathlib.Path(EXPORTS, part)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    yield directory


def _described(path: pathlib.Path) -> dict:
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def clean() -> dict:
    """Exports are copies of other people's data: they stay no longer than the backup takes."""
    shutil.rmtree(EXPORTS, ignore_errors=True)
    return {}


def transfer(settings: dict, direction: str, part: str, rest: list[str]) -> None:
    """Become rsync's other end, bound to one directory by rrsync (part of rsync); never returns."""
    if part not in settings["parts"]:
        raise Failed(f"this host has no part {part}")
    if direction == "send":
        mode, directory = "-ro", settings["parts"][part]["path"] if part == "uploads" else f"{EXPORTS}/{part}"
    else:
        mode, directory = "-wo", f"{RECEIVED}/{part}"
        pathlib.Path(directory).mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ["SSH_ORIGINAL_COMMAND"] = " ".join(["rsync", *rest])
    os.execvp("rrsync", ["rrsync", mode, directory])  # noqa: S606 - it takes this process' place, with its pipes


def answer(settings: dict, words: list[str]) -> dict:
    """What this host does when it is told `words`; nothing else can be asked of it."""
    match words:
        case ["measure", ("postgresql" | "uploads") as part]:
            return measure(settings, part)
        case ["mark", identifier]:
            return tables.mark(settings, identifier)
        case ["export", "redis"]:
            return export_redis(settings)
        case ["export", "grafana"]:
            return export_grafana(settings)
        case ["release", ("backend" | "frontend") as part]:
            return export_release(part)
        case ["clean"]:
            return clean()
        case [("send" | "receive") as direction, part, *rest] if rest[:1] == ["--server"]:
            transfer(settings, direction, part, rest)
    raise Failed(f"backup-source does not know: {' '.join(words)[:100]}")
