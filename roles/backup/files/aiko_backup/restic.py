"""The repository of files: restic, with tags that say which set and which part a snapshot is.

Every method is one call of restic(1); what it cannot do raises Failed with restic's own words.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil

from . import store
from .command import Failed, run_watched

CACHE = "/var/cache/aiko-backup"
# What restic says when there is nothing (restic 0.14 and 0.18, on a disk and in S3): both of one of these and one of those.
OPENING = ("unable to open config file", "repository does not exist")
NOT_THERE = ("no such file or directory", "does not exist")
# Reads the repository without leaving a lock in it.
READING = "--no-lock"
# Below this there is no room for one more pack (16 MiB, and what is beside it), and restic would try again for a quarter of an hour.
PACK = 24 * 1024 * 1024


class Restic:
    """One repository; on the backup host, as root."""

    def __init__(self, settings: dict):
        self.settings = settings["restic"]
        # Whether to look for a former snapshot to compare files with, which fails where any snapshot is damaged.
        self.compares = True

    def call(self, *arguments: str, cwd: str | None = None, writes: bool = False) -> str:
        command = ["restic", "--quiet", *arguments]
        store.refuse_absent(self.settings["repository"], self.settings.get("ca_file"))
        try:
            return run_watched(command, self.full if writes else lambda: None, env=self.environment(), cwd=cwd)
        except Failed as failure:
            if self.settings["repository"].startswith(store.PREFIX) and (refusal := store.denied(str(failure))):
                raise refusal from failure
            if writes and "no space left on device" in str(failure):
                # It was quicker than the one who watches.
                raise Failed(self.no_room()) from failure
            if "wrong password or no key found" in str(failure):
                raise Failed(f"the key does not open {self.settings['repository']}: it was made with another one. Expected: the secret "
                             "backup_files_key of the environment that made it. Remedy: bring back its secrets file") from failure
            raise

    def full(self) -> str | None:
        """Why there is no point in writing on: the disk below the repository is full."""
        place = self.settings["repository"]
        free = shutil.disk_usage(place).free if place.startswith("/") else PACK
        return self.no_room() if free < PACK else None

    def no_room(self) -> str:
        return (f"the disk of {self.settings['repository']} has less room than restic writes at once. Expected: room for this backup. "
                "Remedy: a larger disk, or fewer backups (backup_keep_sets, backup_keep_days). The former backups are untouched")

    def environment(self) -> dict[str, str]:
        own = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": "/root",
            "RESTIC_REPOSITORY": self.settings["repository"],
            "RESTIC_PASSWORD_FILE": self.settings["password_file"],
            "RESTIC_CACHE_DIR": CACHE,
        }
        extra = self.settings.get("environment_file")
        lines = pathlib.Path(extra).read_text().splitlines() if extra else []
        return own | dict(line.split("=", 1) for line in lines if "=" in line)

    def options(self) -> list[str]:
        authority = self.settings.get("ca_file")
        return [f"--cacert={authority}"] if authority else []

    def exists(self) -> bool:
        """Whether there is a repository; Failed when it cannot be reached or the key does not fit."""
        try:
            self.call(*self.options(), READING, "cat", "config")
        except Failed as failure:
            said = str(failure).lower()
            if any(words in said for words in OPENING) and any(words in said for words in NOT_THERE):
                return False
            raise
        return True

    def create(self) -> None:
        # Version 2 is the one that compresses (with zstd).
        self.call(*self.options(), "init", "--repository-version", "2")

    def unlock(self) -> None:
        """Take away the locks of runs that were killed; those of live ones stay."""
        self.call(*self.options(), "unlock")

    def snapshots(self, *tags: str) -> list[dict]:
        """Snapshots that have all of these tags, the oldest first."""
        wanted = ["--tag", ",".join(tags)] if tags else []
        found = json.loads(self.call(*self.options(), READING, "snapshots", "--json", *wanted) or "[]") or []
        return sorted(found, key=lambda snapshot: snapshot["time"])

    def unreadable(self) -> list[str]:
        """Ids of snapshots that are there and that `snapshots` leaves out: of a damaged one restic merely warns, and ends with 0."""
        # What it has in its cache it would not read.
        there = self.listed()
        read = json.loads(self.call(*self.options(), READING, "--no-cache", "snapshots", "--json") or "[]")
        lost = there - {snapshot["id"] for snapshot in read}
        # Those that went meanwhile are none.
        return sorted(lost & self.listed() if lost else lost)

    def listed(self) -> set[str]:
        """Ids of all snapshots, whatever is in them."""
        return set(self.call(*self.options(), READING, "list", "snapshots").split())

    def backup(self, directory: str, identifier: str, part: str, *further: str) -> dict:
        """Take a snapshot of what is in a directory; returns it as `snapshots` does.

        Files that have not changed since the last one of the same directory are not read again (restic.readthedocs.io, "File change
        detection"), unless it shall not compare.
        """
        tags = (f"id:{identifier}", f"part:{part}")
        words = ["backup", ".", "--host", "aiko", "--tag", ",".join((*tags, *further)), *([] if self.compares else ["--force"])]
        self.call(*self.options(), *words, cwd=directory, writes=True)
        return self.snapshots(*tags)[-1]

    def restore(self, snapshot: str, target: str) -> None:
        """Write a snapshot's files below `target`, which exists, and compare them with the repository's hashes."""
        self.call(*self.options(), READING, "restore", snapshot, "--target", target, "--verify")

    def read(self, snapshot: str, name: str) -> str:
        """The text of one file."""
        return self.call(*self.options(), READING, "dump", snapshot, f"/{name}")

    def tag(self, snapshot: str, tag: str) -> None:
        self.call(*self.options(), "tag", "--add", tag, snapshot)

    def forget(self, snapshots: list[str]) -> None:
        """Remove snapshots and what only they held."""
        if snapshots:
            self.call(*self.options(), "forget", "--prune", *snapshots)

    def check(self, share: str = "") -> None:
        """Whether the repository is whole; `share` (such as 10%) of what it holds is read as well."""
        self.call(*self.options(), "check", *([f"--read-data-subset={share}"] if share else []))
