"""The hosts that are backed up, seen from the backup host: the same words to each, over SSH or as a command of this host."""

from __future__ import annotations

import json
import pathlib
import shlex
import shutil

from .command import Failed, run, say

PROGRAM = "/usr/local/lib/aiko/backup-source"
SSH = ["ssh", "-F", "/etc/aiko/backup/ssh_config", "-o", "BatchMode=yes"]
# Where hosts put what is made for a backup only, such as dumps.
EXPORTS = "/var/lib/aiko-backup/exports"
# rsync's exit status for "some files vanished before they could be transferred" (rsync(1)).
VANISHED = 24


class Source:
    """One part's host. `entry` is its part of the settings: `host`, and `address` unless it is this one."""

    def __init__(self, settings: dict, part: str):
        self.settings = settings
        self.part = part
        self.entry = settings["postgresql"] if part == "postgresql" else (settings["parts"] | settings.get("releases", {}))[part]

    @property
    def remote(self) -> bool:
        return bool(self.entry.get("address"))

    def call(self, *words: str) -> dict:
        """Say something to the host's backup-source; returns its answer."""
        if self.remote:
            return json.loads(run([*SSH, f"aiko-backup@{self.entry['host']}", shlex.join(words)]))
        return json.loads(run([PROGRAM, *words]))

    def fetch(self) -> str:
        """Make the part's files readable on this host; returns the directory."""
        theirs = self.entry.get("path") if self.part == "uploads" else f"{EXPORTS}/{self.part}"
        if not self.remote:
            return theirs
        self.mirror.mkdir(parents=True, exist_ok=True, mode=0o700)
        # What went at the source goes here as well: it is in the former snapshots.
        # A bit that hands on a group means nothing here, and the unit may not set it.
        try:
            run(["rsync", "--archive", "--chmod=ug-s", "--numeric-ids", "--delete", "--partial-dir=.rsync-partial",
                 f"--rsync-path=send {self.part}", f"--rsh={shlex.join(SSH)}", f"aiko-backup@{self.entry['host']}:./", f"{self.mirror}/"])
        except Failed as failure:
            # What vanishes meanwhile was deleted, or is a temporary file that has got its name: all that rows name were there before.
            if f"ended with {VANISHED}:" not in str(failure):
                raise
        return str(self.mirror)

    def forget(self) -> None:
        """Remove what was exported, and its copy on this host; what cannot be removed there goes with the next export."""
        if self.remote:
            shutil.rmtree(self.mirror, ignore_errors=True)
        try:
            self.call("clean")
        except Failed as failure:
            say(f"WARNING: {failure}")

    @property
    def mirror(self) -> pathlib.Path:
        """Where another host's files are on this one."""
        return pathlib.Path(self.settings["directory"], "mirror", self.part)

    def send(self, directory: str) -> str:
        """Bring a directory to the host's restores; returns where it is there."""
        if not self.remote:
            return directory
        run(["rsync", "--archive", "--numeric-ids", "--delete", f"--rsync-path=receive {self.part}",
             f"--rsh={shlex.join(SSH)}", f"{directory}/", f"aiko-backup@{self.entry['host']}:./"])
        return f"/var/lib/aiko-restore/received/{self.part}"
