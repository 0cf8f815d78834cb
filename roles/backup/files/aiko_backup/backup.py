"""One backup: database, then the moment, then everything else, then the manifest that makes it a set."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import shutil
import tempfile
import time

from . import files, metrics, repository
from .command import Failed, run, say
from .manifest import NAME, Set, complete, load, new_identifier, size
from .pgbackrest import Backup, PgBackRest
from .prune import DAY, prune
from .restic import Restic
from .source import Source

MB = 1024 * 1024
# A part that has lost more than this share since the last backup was emptied by accident more often than on purpose.
SHRUNK = 0.5
# Below this, half of it may go without anybody wondering.
SMALL = 10 * MB
# Share of a database that a backup of it takes, before there is one to go by.
COMPRESSED = {"full": 0.6, "incr": 0.15}
ATTEMPTS = 3


class Run:
    """One run of the backup, on the backup host, while its lock is held."""

    def __init__(self, settings: dict):
        self.settings = settings
        self.restic = Restic(settings)
        self.database = PgBackRest(settings)
        self.began = time.time()

    def make(self) -> dict:
        """Make a set; returns its manifest. Failed leaves the former sets as they are."""
        self.restic.unlock()
        if self.restic.unreadable():
            say("WARNING: the repository is damaged (see the end); the backup is made all the same, and reads every file")
            self.restic.compares = False
        former = complete(self.restic)
        last = newest_readable(self.restic, former)
        chain = self.database.backups()
        identifier = new_identifier([one.identifier for one in former] + [one.identifier for one in chain])
        kind = self.kind(chain)
        before = Source(self.settings, "postgresql").call("measure", "postgresql")
        self.refuse_without_room(kind, last, before["bytes"])
        say(f"backup {identifier}: {kind} backup of the database")
        made = self.database.backup(kind, identifier)
        if "uploads" in self.settings["parts"]:
            # So that little is left to do after the moment.
            Source(self.settings, "uploads").fetch()
        say("the moment: a restore point, and what every table holds there")
        mark = Source(self.settings, "postgresql").call("mark", identifier)
        self.refuse_foreign(made, mark)
        moment = datetime.datetime.fromisoformat(mark["moment"]).timestamp()
        parts = {"postgresql": {
            "label": made.label, "type": made.kind, "repository_bytes": made.repository_bytes,
            **{key: value for key, value in mark.items() if key != "moment"},
        }}  # fmt: skip
        for part in ("redis", "grafana"):
            if part in self.settings["parts"]:
                parts[part] = self.export(part, identifier, moment)
        if "uploads" in self.settings["parts"]:
            parts["uploads"] = self.uploads(identifier, moment)
        manifest = {
            "format": 1,
            "id": identifier,
            "environment": self.settings["environment"],
            "started": _iso(self.began),
            "moment": mark["moment"],
            "finished": _iso(time.time()),
            "versions": {"pgbackrest": run(["pgbackrest", "version"]).split()[-1], "restic": run(["restic", "version"]).split()[1],
                         "postgresql": made.version},
            "parts": parts,
            "facts": {"releases": self.releases(), "inventory": self.settings.get("inventory", {})},
        }
        self.refuse_restored(before)
        self.finish(manifest)
        metrics.write(self.settings, {
            "backup_size_bytes": {f'part="{part}"': size(manifest, part) for part in parts},
            "backup_files": {'part="uploads"': parts.get("uploads", {}).get("count", 0)},
        })  # fmt: skip
        shrunk = shrinkage(last, manifest)
        if shrunk:
            raise Failed(f"backup {identifier} was made and is kept, but {'; '.join(shrunk)}. Expected: about as much as before. "
                         "Remedy: find out where it went; if it is right so, the next backup takes it as normal")
        return manifest

    def kind(self, chain: list[Backup]) -> str:
        """A full backup when there is none that is young enough to build upon."""
        fulls = [backup for backup in chain if backup.kind == "full" and not backup.error]
        return "incr" if fulls and time.time() - fulls[-1].stop < self.settings["keep"]["full_days"] * DAY else "full"

    def refuse_without_room(self, kind: str, last: dict | None, database: int) -> None:
        """A repository that fills its disk takes the host with it: better no backup, and an alert, than that."""
        if not self.settings.get("local", True):
            return
        needed = COMPRESSED[kind] * database
        if "uploads" in self.settings["parts"]:
            source = Source(self.settings, "uploads")
            new = max(0, source.call("measure", "uploads")["bytes"] - (size(last, "uploads") if last else 0))
            # Another host's uploads lie here twice: in the mirror and in the repository.
            needed += new * (2 if source.remote else 1)
        free = shutil.disk_usage(self.settings["directory"]).free
        if free - needed < self.settings["margin_mb"] * MB:
            raise Failed(
                f"{self.settings['directory']} has {free // MB} MB free; this backup may take {int(needed) // MB} MB, and "
                f"backup_margin_mb keeps {self.settings['margin_mb']} MB free. Expected: room for both. Remedy: a larger disk, or fewer "
                "backups (backup_keep_sets, backup_keep_days). The former backups are untouched"
            )

    def refuse_foreign(self, made: Backup, mark: dict) -> None:
        if made.system_id != mark["system_id"]:
            raise Failed(f"the repository's backup is of cluster {made.system_id}, and {mark['system_id']} runs. Remedy: restore it, "
                         "or see docs/backups.md for a repository of another cluster")

    def refuse_restored(self, before: dict) -> None:
        """A restore of the database that came between gives a set of two presents; each restore ends in a timeline of its own."""
        now = Source(self.settings, "postgresql").call("measure", "postgresql")
        if (now["system_id"], now["timeline"]) != (before["system_id"], before["timeline"]):
            raise Failed(f"the database was restored while this backup was made: it is on timeline {now['timeline']} and was on "
                         f"{before['timeline']}. Expected: one present. Remedy: make a backup now (playbooks/backup.yml)")

    def export(self, part: str, identifier: str, moment: float) -> dict:
        """A part that is dumped for the backup."""
        say(f"{part}")
        source = Source(self.settings, part)
        made = source.call("export", part)
        taken = time.time() - moment
        try:
            directory = source.fetch()
            files.verify(directory, made["files"])
            snapshot = self.restic.backup(directory, identifier, part)
        finally:
            # Copies of other people's data, which only the repository has encrypted.
            source.forget()
        return {"snapshot": snapshot["id"], "seconds_after_moment": round(taken, 3), **made}

    def uploads(self, identifier: str, moment: float) -> dict:
        """Files are written once and then only read; one that changes while it is copied is copied again."""
        source = Source(self.settings, "uploads")
        cache = pathlib.Path(self.settings["directory"], "cache/uploads")
        for attempt in range(ATTEMPTS):
            directory = source.fetch()
            taken = time.time() - moment
            say("uploads: hashing what is new")
            before = files.list_hashes(directory, str(cache))
            say(f"uploads: {len(before)} files into the repository")
            # restic takes no snapshot of nothing.
            snapshot = self.restic.backup(directory, identifier, "uploads") if before else {"id": None}
            after = files.list_hashes(directory, str(cache))
            # A file that came meanwhile may or may not be in it; one that went is in it and harmless.
            listed = {path: entry for path, entry in before.items() if path in after}
            if all(after[path] == entry for path, entry in listed.items()):
                return {"snapshot": snapshot["id"], "seconds_after_moment": round(taken, 3), "count": len(listed),
                        "bytes": sum(entry["size"] for entry in listed.values()), "files": listed}
            say(f"uploads: files changed meanwhile; once more ({attempt + 1} of {ATTEMPTS})")
            self.restic.forget([snapshot["id"]] if snapshot["id"] else [])
        raise Failed("uploads change faster than they can be copied. Expected: files that are written once. Remedy: see what writes to "
                     f"{source.entry['path']}")

    def releases(self) -> dict:
        """Which releases served; what cannot say so now is no reason to make no backup."""
        found = {}
        for part in self.settings.get("releases", {}):
            try:
                found[part] = Source(self.settings, part).call("release", part)["serving"]
            except Failed as failure:
                say(f"the release of {part} is not known: {failure}")
                found[part] = None
        return found

    def finish(self, manifest: dict) -> None:
        """From here on it is a set."""
        with tempfile.TemporaryDirectory(dir=self.settings["directory"]) as directory:
            path = pathlib.Path(directory, NAME)
            path.write_text(json.dumps(manifest, indent=1, sort_keys=True))
            os.utime(path, (self.began, self.began))
            self.restic.backup(directory, manifest["id"], "manifest", f"database:{manifest['parts']['postgresql']['label']}")


def newest_readable(restic: Restic, former: list[Set]) -> dict | None:
    """The manifest of the newest set that has a good one: to compare with, so that a damaged one keeps no new one from being made."""
    for one in reversed(former):
        try:
            return load(restic, one)
        except Failed as failure:
            say(f"WARNING: {failure}")
    return None


def shrinkage(last: dict | None, manifest: dict) -> list[str]:
    """Parts that have lost suspiciously much since the last backup, in words."""
    found = []
    # Queues are worked off and caches are emptied: Redis' size says nothing.
    for part in [part for part in manifest["parts"] if part != "redis"] if last else []:
        before, now = size(last, part), size(manifest, part)
        if before > SMALL and now < before * SHRUNK:
            found.append(f"{part} went from {before} to {now} bytes")
    if last and last["parts"].get("uploads", {}).get("count") and manifest["parts"].get("uploads", {}).get("count") == 0:
        found.append(f"uploads went from {last['parts']['uploads']['count']} files to none")
    return found


def take(settings: dict) -> str:
    """Make a backup, remove what is too old, and tell monitoring; returns the id."""
    run_ = Run(settings)
    pathlib.Path(settings["directory"], "cache").mkdir(exist_ok=True, mode=0o700)
    try:
        manifest = run_.make()
        say("removing what is too old")
        prune(settings, run_.restic, run_.database)
        values = {
            "backup_last_success_timestamp_seconds": int(run_.began),
            "backup_last_duration_seconds": round(time.time() - run_.began, 1),
        }
    except Failed:
        metrics.write(settings, repository.values(settings, run_.restic))
        raise
    metrics.write(settings, values | repository.values(settings, run_.restic))
    return manifest["id"]


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
