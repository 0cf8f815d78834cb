"""The proof of a backup: everything is restored beside what runs, looked at, and thrown away.

PostgreSQL starts, comes to the restore point and holds there what it held; Redis loads; Grafana's database is whole; uploads hash right.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator

from . import files, instance, rdb, tables
from .command import Failed, say
from .pgbackrest import USER, PgBackRest
from .restic import READING, Restic

# Written by the role: this host's repository, and no host of a database.
CONFIGURATION = "/etc/pgbackrest/drill.conf"
SAMPLE = 200
MB = 1024 * 1024


def drill(settings: dict, manifest: dict) -> dict[str, float]:
    """Restore a set on trial; returns seconds by part. Failed says which part is not what it was.

    Nothing outside of `directory`/drill is written, and nothing of that is left, however it ends; what a killed run
    left is removed at the start of the next one.
    """
    place = pathlib.Path(settings["directory"], "drill")
    with _orderly_end(), _scratch(place, settings, manifest):
        restic = Restic(settings)
        parts: dict[str, Callable[[], None]] = {
            "postgresql": lambda: postgresql(settings, manifest, place / "postgresql"),
            "redis": lambda: redis(restic, manifest["parts"]["redis"], place / "redis"),
            "grafana": lambda: grafana(restic, manifest["parts"]["grafana"], place / "grafana"),
            "facts": lambda: restored(restic, manifest["parts"]["facts"], place / "facts"),
            "uploads": lambda: uploads(restic, manifest["parts"]["uploads"], place / "uploads", settings.get("sample", SAMPLE)),
        }
        durations = {}
        for name in [name for name in parts if name in manifest["parts"]]:
            durations[name] = _timed(name, manifest, parts[name])
        durations["repository"] = _timed("repository", manifest, restic.check, "checking that of the files")
    return durations


def _timed(name: str, manifest: dict, work: Callable[[], None], what: str = "restoring on trial") -> float:
    began = time.monotonic()
    say(f"{name}: {what}")
    try:
        work()
    except Failed as failure:
        raise Failed(f"backup {manifest['id']} is not proven; {name}: {failure}") from failure
    return time.monotonic() - began


def postgresql(settings: dict, manifest: dict, directory: pathlib.Path) -> None:
    part = manifest["parts"]["postgresql"]
    _make(directory, USER)
    _make(directory.with_name("tablespaces"), USER)
    # The timeline is the one that the restore point is on: the latest may have left it before. Tablespaces are links to where
    # the running cluster has its own.
    try:
        PgBackRest(settings, CONFIGURATION).call(
            "restore", f"--set={part['label']}", "--type=name", f"--target={part['restore_point']}",
            f"--target-timeline={part['timeline']}", "--archive-mode=off", f"--tablespace-map-all={directory.with_name('tablespaces')}",
        )  # fmt: skip
    except Failed as failure:
        if "backup.info" in str(failure) and ("FormatError" in str(failure) or "CryptoError" in str(failure)):
            # What it read with another key is noise, and would be shown.
            raise Failed(
                "the key does not open the database's repository: it was made with another one, or its backup.info is damaged. Expected: "
                "the key of the environment that made the repository. Remedy: bring back its secrets file, and run site.yml"
            ) from failure
        raise
    with instance.Instance(settings, str(directory)) as server:
        server.start()
        server.wait_until_paused()
        say("postgresql: at the restore point; comparing its tables")
        found = server.alembic()
        if found != part["alembic"]:
            raise Failed(f"the schema is at {found}. Expected: {part['alembic']}, as the manifest says")
        tables.compare(part["tables"], server.fingerprint())
        say(f"postgresql: {len(part['tables'])} tables are what they were; comparing tables with indexes")
        server.amcheck()
        server.stop()
        say("postgresql: checksums of all pages " + ("are right" if server.checksums() else "are not kept by this cluster"))
    shutil.rmtree(directory)


def restored(restic: Restic, part: dict, directory: pathlib.Path) -> None:
    """Restore a part as a whole, and compare it with the manifest."""
    _make(directory)
    restic.restore(part["snapshot"], str(directory))
    files.verify(str(directory), part["files"])


def redis(restic: Restic, part: dict, directory: pathlib.Path) -> None:
    restored(restic, part, directory)
    for name, entry in part["files"].items():
        keys = rdb.check(str(directory / name))
        if keys != entry.get("keys", keys):
            raise Failed(f"{name} has {keys} keys. Expected: {entry['keys']}")
        say(f"redis: {name} loads, with {keys} keys")


def grafana(restic: Restic, part: dict, directory: pathlib.Path) -> None:
    restored(restic, part, directory)
    for name in part["files"]:
        with contextlib.closing(sqlite3.connect(f"file:{directory / name}?immutable=1", uri=True)) as database:
            try:
                answer = "; ".join(row[0] for row in database.execute("PRAGMA integrity_check(3)"))
            except sqlite3.DatabaseError as error:
                answer = str(error)
        if answer != "ok":
            raise Failed(f"{name} is damaged: {answer}")


def uploads(restic: Restic, part: dict, directory: pathlib.Path, size: int) -> None:
    chosen = files.choose(part["files"], size)
    _make(directory)
    if chosen:
        wanted = [word for path in chosen for word in ("--include", _pattern(path))]
        restic.call(*restic.options(), READING, "restore", part["snapshot"], "--target", str(directory), *wanted)
    files.verify(str(directory), chosen)
    say(f"uploads: {len(chosen)} of {len(part['files'])} files hash right")


def _pattern(path: str) -> str:
    """The pattern that means this one file (pkg.go.dev/path/filepath#Match)."""
    return "/" + "".join(f"\\{letter}" if letter in "\\*?[" else letter for letter in path)


def needed(manifest: dict, sample: int = SAMPLE) -> int:
    """Bytes that a trial restore takes at a time."""
    parts = manifest["parts"]
    largest = sorted((entry["size"] for entry in parts.get("uploads", {}).get("files", {}).values()), reverse=True)[:sample]
    # A dump is loaded from a copy, by an account that cannot read the original.
    dumps = 2 * sum(entry["size"] for entry in parts.get("redis", {}).get("files", {}).values())
    return max(parts.get("postgresql", {}).get("database_bytes", 0), sum(largest) + dumps)


@contextlib.contextmanager
def _scratch(place: pathlib.Path, settings: dict, manifest: dict) -> Iterator[None]:
    _remove(place)
    free, margin = shutil.disk_usage(place.parent).free, settings["margin_mb"] * MB
    need = needed(manifest, settings.get("sample", SAMPLE))
    if free - need < margin:
        raise Failed(
            f"{place.parent} has {free // MB} MB free; the trial restore takes {need // MB} MB, and backup_margin_mb keeps "
            f"{settings['margin_mb']} MB free. Expected: room for both. Remedy: a larger disk, or fewer backups (backup_keep_sets)"
        )
    try:
        place.mkdir()
        # Its inhabitants have accounts of their own.
        place.chmod(0o711)
        yield
    finally:
        _remove(place)


def _remove(place: pathlib.Path) -> None:
    instance.end_stale(str(place / "postgresql"))
    if place.exists():
        shutil.rmtree(place)


def _make(directory: pathlib.Path, owner: str | None = None) -> None:
    directory.mkdir()
    directory.chmod(0o700)
    if owner and os.geteuid() == 0:
        shutil.chown(directory, owner, owner)


@contextlib.contextmanager
def _orderly_end() -> Iterator[None]:
    """Let `systemctl stop` end this as an exception, so that what was made is removed."""
    def end(number, _frame):
        raise Failed(f"the trial restore was ended ({signal.Signals(number).name})")

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
